// Package pki makes the cluster's certificates and the kubeconfig files that hold them. cluster calls it
// at every start: what is there and still right is kept, all else is made anew.
//
// What always holds: the authority of clients and servers ("ca") and the one of the API server's own
// proxying ("front-proxy-ca") are two, since whoever the second vouches for may speak for any user.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	lifetime = 10 * 365 * 24 * time.Hour
	// renewBefore is how much life a certificate must have left to be kept.
	renewBefore = 30 * 24 * time.Hour
)

// Dir is a folder of certificates, NAME.crt and NAME.key, in PEM.
type Dir string

// Cert is the path of the certificate NAME.
func (d Dir) Cert(name string) string { return filepath.Join(string(d), name+".crt") }

// Key is the path of the private key NAME.
func (d Dir) Key(name string) string { return filepath.Join(string(d), name+".key") }

// Authority is a certificate authority.
type Authority struct {
	dir  Dir
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// EnsureAuthority loads the authority `name` from the folder, or makes it.
func (d Dir) EnsureAuthority(name string) (*Authority, error) {
	if cert, key, err := d.load(name); err == nil && fresh(cert) {
		return &Authority{d, name, cert, key}, nil
	}
	key, err := d.newKey(name)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "localkube " + name},
		IsCA:     true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	cert, err := d.write(name, template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &Authority{d, name, cert, key}, nil
}

// EnsureKeyPair makes a key pair without certificate, once: NAME.key, and the public key in NAME.pub.
// The API server signs the tokens of ServiceAccounts with such a pair.
func (d Dir) EnsureKeyPair(name string) error {
	public := filepath.Join(string(d), name+".pub")
	if _, err := os.Stat(public); err == nil {
		return nil
	}
	key, err := d.newKey(name)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(public, "PUBLIC KEY", der)
}

// Subject is whom a certificate names.
type Subject struct {
	Name   string   // the user's name, for Kubernetes
	Groups []string // the user's groups
	Hosts  []string // names and addresses of a server; a certificate without is a client's
}

// Ensure makes the certificate `name` for the subject, unless a fitting one is there.
func (a *Authority) Ensure(name string, s Subject) error {
	template := s.template()
	if cert, _, err := a.dir.load(name); err == nil && fresh(cert) && fits(cert, template) && cert.CheckSignatureFrom(a.cert) == nil {
		return nil
	}
	key, err := a.dir.newKey(name)
	if err != nil {
		return err
	}
	_, err = a.dir.write(name, template, a.cert, key, a.key)
	return err
}

func (s Subject) template() *x509.Certificate {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.Name, Organization: s.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range s.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	if len(s.Hosts) > 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return t
}

func fresh(cert *x509.Certificate) bool { return time.Until(cert.NotAfter) > renewBefore }

func fits(cert, want *x509.Certificate) bool {
	return cert.Subject.CommonName == want.Subject.CommonName &&
		slices.Equal(cert.Subject.Organization, want.Subject.Organization) &&
		slices.Equal(cert.DNSNames, want.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, want.IPAddresses, net.IP.Equal)
}

func (d Dir) load(name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certDER, err := readPEM(d.Cert(name))
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := readPEM(d.Key(name))
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return nil, nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, errors.New("certificate and key are of different pairs")
	}
	return cert, key, nil
}

func (d Dir) newKey(name string) (*ecdsa.PrivateKey, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(d.Key(name), "EC PRIVATE KEY", der)
}

func (d Dir) write(name string, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // clocks that were set back
	template.NotAfter = time.Now().Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", name, err)
	}
	if err := writePEM(d.Cert(name), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", path)
	}
	return block.Bytes, nil
}

func writePEM(path, kind string, der []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// writeFile replaces a file that only its owner may read, wholly or not at all.
func writeFile(path string, data []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, data, fs.FileMode(0o600)); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
