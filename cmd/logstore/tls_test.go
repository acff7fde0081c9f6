package main

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestLogsAreServedByTLS(t *testing.T) {
	known := httptest.NewTLSServer(nil) // has a certificate, for 127.0.0.1
	known.Close()
	key, err := x509.MarshalPKCS8PrivateKey(known.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: known.Certificate().Raw}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t, "")
	s.start(t, "--tls-cert-file="+certFile, "--tls-key-file="+keyFile)
	response, err := known.Client().Get("https://" + s.address + contract.LogPath(namespace, pod))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered %s without a token", response.Status)
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("told to end it ends with %v", err)
	}
}
