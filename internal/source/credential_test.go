package source

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestASecretHoldsATokenOrAnApp(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	const token, secret = "ghp_secret", "Secret d-shop/github, which TenantRepoLink shop names,"
	type data map[string]string
	for name, c := range map[string]struct {
		data   data
		reason string // "": none
		words  []string
	}{
		"a token":         {data{"token": token, "webhookSecret": "x"}, "", nil},
		"an App":          {data{"githubAppID": "42", "githubAppInstallationID": "7\n", "githubAppPrivateKey": key}, "", nil},
		"an empty token":  {data{"token": "", "githubAppID": "42", "githubAppInstallationID": "7", "githubAppPrivateKey": key}, "", nil},
		"nothing":         {data{"webhookSecret": "x"}, v1alpha1.ReasonTokenMissing, []string{`no key "token"`, "githubAppID, githubAppInstallationID, githubAppPrivateKey"}},
		"both":            {data{"token": token, "githubAppPrivateKey": key}, v1alpha1.ReasonCredentialInvalid, []string{`the keys "token" and githubAppPrivateKey`, "remove the other"}},
		"half an App":     {data{"githubAppID": "42", "githubAppPrivateKey": key}, v1alpha1.ReasonCredentialInvalid, []string{"has githubAppID, githubAppPrivateKey, and lacks githubAppInstallationID"}},
		"an ID in words":  {data{"githubAppID": "katkit", "githubAppInstallationID": "7", "githubAppPrivateKey": key}, v1alpha1.ReasonCredentialInvalid, []string{"key githubAppID is not a number"}},
		"no installation": {data{"githubAppID": "42", "githubAppInstallationID": "0", "githubAppPrivateKey": key}, v1alpha1.ReasonCredentialInvalid, []string{"key githubAppInstallationID is not a number"}},
		"half a key":      {data{"githubAppID": "42", "githubAppInstallationID": "7", "githubAppPrivateKey": key[:len(key)/2]}, v1alpha1.ReasonCredentialInvalid, []string{"key githubAppPrivateKey: it is not an RSA private key in PEM"}},
	} {
		t.Run(name, func(t *testing.T) {
			bytes := map[string][]byte{}
			for name, value := range c.data {
				bytes[name] = []byte(value)
			}
			got, cause := parseCredential(bytes, secret)
			if c.reason == "" {
				if cause != nil || (got.App == nil) == (c.data["token"] == "") || got.Token != c.data["token"] {
					t.Errorf("%+v, %v", got, cause)
				}
				if got.App != nil && (got.App.ID != 42 || got.App.InstallationID != 7 || !got.App.PrivateKey.Equal(private)) {
					t.Errorf("%v", got.App)
				}
				return
			}
			if cause == nil || cause.Reason != c.reason || cause.Transient {
				t.Fatalf("%v, want %s", cause, c.reason)
			}
			for _, word := range append(c.words, secret) {
				if !strings.Contains(cause.Message, word) {
					t.Errorf("%q does not say %q", cause.Message, word)
				}
			}
			if strings.Contains(cause.Message, token) || strings.Contains(cause.Message, key[40:60]) {
				t.Errorf("%q tells a secret", cause.Message)
			}
		})
	}
}
