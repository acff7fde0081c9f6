package pki

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

func authority(t *testing.T, dir Dir, name string) *Authority {
	t.Helper()
	a, err := dir.EnsureAuthority(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAServerCertificateIsTrustedForItsHosts(t *testing.T) {
	dir := Dir(t.TempDir())
	ca := authority(t, dir, "ca")
	if err := ca.Ensure("server", Subject{Name: "server", Hosts: []string{"10.0.0.2", "kubernetes"}}); err != nil {
		t.Fatal(err)
	}
	cert, _, err := dir.load("server")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for _, host := range []string{"10.0.0.2", "kubernetes"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "10.0.0.3"}); err == nil {
		t.Error("it is trusted for a host that it does not name")
	}
}

func TestACertificateIsKeptUntilItNoLongerFits(t *testing.T) {
	dir := Dir(t.TempDir())
	ca := authority(t, dir, "ca")
	subject := Subject{Name: "admin", Groups: []string{"system:masters"}}
	ensure := func(a *Authority, s Subject) []byte {
		t.Helper()
		if err := a.Ensure("admin", s); err != nil {
			t.Fatal(err)
		}
		return read(t, dir.Cert("admin"))
	}
	first := ensure(ca, subject)
	if !bytes.Equal(ensure(authority(t, dir, "ca"), subject), first) {
		t.Error("it was made anew without need, also after loading the authority again")
	}
	second := ensure(ca, Subject{Name: "admin", Groups: []string{"system:masters"}, Hosts: []string{"10.0.0.2"}})
	if bytes.Equal(second, first) {
		t.Error("other hosts, and still the old certificate")
	}
	if err := os.Remove(dir.Key("ca")); err != nil {
		t.Fatal(err)
	}
	third := ensure(authority(t, dir, "ca"), Subject{Name: "admin", Groups: []string{"system:masters"}, Hosts: []string{"10.0.0.2"}})
	if bytes.Equal(third, second) {
		t.Error("another authority, and still the old certificate")
	}
}

func TestPrivateKeysAreForTheOwnerOnly(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "pki"))
	authority(t, dir, "ca")
	if err := dir.EnsureKeyPair("service-account"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir.Key("ca"), dir.Key("service-account")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}

func TestTheKubeconfigIsStable(t *testing.T) {
	dir := Dir(t.TempDir())
	ca := authority(t, dir, "ca")
	path := filepath.Join(t.TempDir(), "kubeconfig")
	write := func(server string) []byte {
		t.Helper()
		if err := ca.EnsureKubeconfig(path, "admin", server, Subject{Name: "admin"}); err != nil {
			t.Fatal(err)
		}
		return read(t, path)
	}
	first := write("https://10.0.0.2:6443")
	if !bytes.Equal(write("https://10.0.0.2:6443"), first) {
		t.Error("it changed without need")
	}
	if got := write("https://10.9.0.2:6443"); !bytes.Contains(got, []byte("server: https://10.9.0.2:6443\n")) {
		t.Errorf("it does not name the server:\n%s", got)
	}
}
