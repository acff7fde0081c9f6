package receiver

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// signatureHeader holds "sha256=" and 64 hex digits. The older X-Hub-Signature, with SHA-1, is not looked at.
const signatureHeader = "X-Hub-Signature-256"

// signatureOf returns the 32 bytes of a delivery's signature; false when it has none, several, or what cannot be one.
func signatureOf(header http.Header) ([]byte, bool) {
	values := header.Values(signatureHeader)
	if len(values) != 1 {
		return nil, false
	}
	digits, found := strings.CutPrefix(values[0], "sha256=")
	if !found || len(digits) != hex.EncodedLen(sha256.Size) {
		return nil, false
	}
	signature, err := hex.DecodeString(digits)
	return signature, err == nil
}
