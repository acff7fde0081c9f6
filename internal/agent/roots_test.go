package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// withTLS serves the repositories by HTTPS as well, and returns a server of the stand-in's and its CA in PEM.
func (s *gitServer) withTLS(t *testing.T) (secure *gitServer, ca string) {
	t.Helper()
	server := httptest.NewTLSServer(s.Config.Handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return &gitServer{Server: server, dir: s.dir}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestCheckoutTrustsTheCAsThatItIsGiven(t *testing.T) {
	plain := newGitServer(t)
	sha := plain.addRepository(t, "private/app.git")[2]
	s, ca := plain.withTLS(t)
	a := s.checkout(t, "private/app.git", sha, goodToken, contract.VarCABundle+"="+ca, "TMPDIR=/nonexistent")
	a.wantSuccess()
	if left, err := filepath.Glob(filepath.Join(pathsIn(a.base).Control, "ca-*")); err != nil || len(left) > 0 {
		t.Errorf("the certificates are left behind: %v, %v", left, err)
	}
	if config, err := os.ReadFile(filepath.Join(pathsIn(a.base).Source, ".git", "config")); err != nil || strings.Contains(string(config), "ssl") {
		t.Errorf("the working tree's git was told of it: %s, %v", config, err)
	}

	// What git trusts anyhow it goes on to trust.
	roots := filepath.Join(t.TempDir(), "roots.pem")
	writeFile(t, roots, ca, 0o600)
	s.checkout(t, "private/app.git", sha, goodToken, "GIT_SSL_CAINFO="+roots, contract.VarCABundle+"="+otherCA(t)).wantSuccess()
}

func TestCheckoutTrustsNobodyElse(t *testing.T) {
	plain := newGitServer(t)
	sha := plain.addRepository(t, "private/app.git")[2]
	s, _ := plain.withTLS(t)
	for name, env := range map[string][]string{"no CA": nil, "another CA": {contract.VarCABundle + "=" + otherCA(t)}} {
		t.Run(name, func(t *testing.T) {
			s.checkout(t, "private/app.git", sha, goodToken, env...).
				wantFailure(contract.ClassConfig, contract.ReasonCheckoutFailed, "is not trusted", "--github-ca-file")
		})
	}
	for name, bundle := range map[string]string{"no certificate": "none", "too long": otherCA(t) + strings.Repeat("#", contract.MaxCABundle)} {
		t.Run(name, func(t *testing.T) {
			s.checkout(t, "private/app.git", sha, goodToken, contract.VarCABundle+"="+bundle).
				wantFailure(contract.ClassInfra, contract.ReasonAgentFailed, contract.VarCABundle, "certificates in PEM")
		})
	}
}

// otherCA is a certificate that nobody uses.
func otherCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
