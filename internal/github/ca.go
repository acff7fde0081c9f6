package github

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"katkit.dev/katkit/internal/contract"
)

// parseCABundle makes the roots that hosts are trusted by: the system's, and the certificates of a bundle. It gives these anew
// in PEM, without comments and the like.
func parseCABundle(bundle []byte) (*x509.CertPool, string, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, "", fmt.Errorf("reading the system's certificates: %w", err)
	}
	var clean bytes.Buffer
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, "", errors.New("it holds more than certificates, and builder Pods get all of it: leave only the blocks -----BEGIN CERTIFICATE-----")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "", fmt.Errorf("one of its certificates is broken: %w", err)
		}
		roots.AddCert(certificate)
		if err := pem.Encode(&clean, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return nil, "", err
		}
	}
	switch {
	case clean.Len() == 0:
		return nil, "", errors.New("it holds no certificate: expected PEM, -----BEGIN CERTIFICATE-----")
	case clean.Len() > contract.MaxCABundle:
		return nil, "", fmt.Errorf("its certificates take %d bytes, and may take %d: leave those that GitHub's hosts need", clean.Len(), contract.MaxCABundle)
	}
	return roots, clean.String(), nil
}

// CABundle are the certificates of [Options].CABundle in PEM, and nothing else of it; "" when there are none.
func (f *Factory) CABundle() string { return f.caBundle }
