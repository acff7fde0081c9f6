package bucketserver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Internet makes the server one that the whole Internet leads to, for processes that are started from now on: they reach it by TLS at
// the cloud's own addresses, with the credentials that the cloud's clients take there.
func (s *Server) Internet(tb testing.TB) {
	tb.Helper()
	certificate, roots := certify(tb, append(s.hosts, tokenHost))
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.Address})
		if s.Name != GCS.Name { // which serves one name alone
			r.Out.Host = r.In.Host
		}
	}}
	inner := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != tokenHost {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"token","token_type":"Bearer","expires_in":3600}`)
	}), ReadHeaderTimeout: time.Minute}
	connections := &handed{all: make(chan net.Conn), closed: make(chan struct{})}
	go func() {
		_ = inner.Serve(tls.NewListener(connections, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}))
	}()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "this proxy connects only", http.StatusMethodNotAllowed)
			return
		}
		w.WriteHeader(http.StatusOK)
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		select {
		case connections.all <- &hijacked{Conn: connection, buffered: buffered.Reader}:
		case <-connections.closed:
			connection.Close()
		}
	}))
	tb.Cleanup(func() {
		inner.Close()
		front.Close()
	})
	for name, value := range s.account(tb) {
		tb.Setenv(name, value)
	}
	tb.Setenv("HTTPS_PROXY", front.URL)
	tb.Setenv("SSL_CERT_FILE", roots)
	tb.Setenv("AWS_CA_BUNDLE", roots) // counts for S3 where a machine sets it
}

// tokenHost is where Google's clients get tokens.
const tokenHost = "oauth2.googleapis.com"

// googleAccount are the variables with the key of a service account.
func googleAccount(tb testing.TB) map[string]string {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "katkit", "client_email": "logs@katkit.iam.gserviceaccount.com", "client_id": "1",
		"private_key_id": "1", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"token_uri": "https://" + tokenHost + "/token",
	})
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "account.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": file, "STORAGE_EMULATOR_HOST": ""}
}

// certify makes a certificate for hosts, and a file with what trusts it.
func certify(tb testing.TB, hosts []string) (tls.Certificate, string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: hosts,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, file
}

// handed is a listener of connections that come from elsewhere.
type handed struct {
	all    chan net.Conn
	closed chan struct{}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.all:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	close(h.closed)
	return nil
}

func (*handed) Addr() net.Addr { return &net.TCPAddr{} }

// hijacked is a connection of which something may be read already.
type hijacked struct {
	net.Conn
	buffered *bufio.Reader
}

func (h *hijacked) Read(p []byte) (int, error) { return h.buffered.Read(p) }
