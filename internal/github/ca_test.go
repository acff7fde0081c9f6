package github_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/github"
)

func TestAHostIsTrustedByTheCAThatIsGiven(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"id": 1, "full_name": "acme/app", "default_branch": "main"}`))
	}))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})

	_, err := clientOf(t, factoryFor(t, server.URL, github.Options{}), token).Repository(t.Context(), "acme/app")
	if e := asError(t, err); e.Kind != github.KindUnavailable || !strings.Contains(e.Message, "certificate") {
		t.Errorf("without its CA: %v", err)
	}
	factory := factoryFor(t, server.URL, github.Options{CABundle: append([]byte("# The company's.\n"), ca...)})
	if _, err := clientOf(t, factory, token).Repository(t.Context(), "acme/app"); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	if got := factory.CABundle(); got != string(ca) {
		t.Errorf("builder Pods get %q, want the certificate alone", got)
	}
	if got := factoryFor(t, server.URL, github.Options{}).CABundle(); got != "" {
		t.Errorf("without a CA builder Pods get %q", got)
	}
}

func TestCABundlesThatAreNone(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(appKey())})
	for name, c := range map[string]struct {
		bundle []byte
		want   string
	}{
		"an empty file":    {[]byte{}, "holds no certificate"},
		"no PEM":           {server.Certificate().Raw, "holds no certificate"},
		"with a key":       {slices.Concat(ca, key), "holds more than certificates"},
		"broken":           {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "is broken"},
		"more than fit in": {bytes.Repeat(ca, contract.MaxCABundle/len(ca)+1), "may take"},
	} {
		_, err := github.NewFactory(github.Options{CABundle: c.bundle})
		if err == nil || !strings.Contains(err.Error(), "the CA bundle: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
