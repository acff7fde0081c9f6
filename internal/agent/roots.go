package agent

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"katkit.dev/katkit/internal/contract"
)

// systemRoots is Debian's file of the certificates that are trusted, which the agent image has.
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// writeRoots writes a file of the certificates that git shall trust: those that it trusts anyhow, and a bundle in PEM. It is ""
// without a bundle. It is in the workspace, the one folder that can be written to whatever the image. remove takes it away, before
// ci.sh is started.
func writeRoots(control, bundle string) (file string, remove func(), err error) {
	remove = func() {}
	if bundle == "" {
		return "", remove, nil
	}
	if len(bundle) > contract.MaxCABundle || !x509.NewCertPool().AppendCertsFromPEM([]byte(bundle)) {
		return "", remove, fmt.Errorf("variable %s has to be certificates in PEM, of %d bytes at most", contract.VarCABundle, contract.MaxCABundle)
	}
	own := cmp.Or(os.Getenv("GIT_SSL_CAINFO"), os.Getenv("SSL_CERT_FILE"), systemRoots)
	trusted, err := os.ReadFile(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", remove, fmt.Errorf("read the trusted certificates: %w", err)
	}
	dir, err := os.MkdirTemp(control, "ca-")
	if err != nil {
		return "", remove, fmt.Errorf("make a folder for the trusted certificates: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	file = filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, bytes.Join([][]byte{trusted, []byte(bundle)}, []byte("\n")), 0o600); err != nil {
		return "", remove, fmt.Errorf("write the trusted certificates: %w", err)
	}
	return file, remove, nil
}
