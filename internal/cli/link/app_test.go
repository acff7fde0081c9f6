package link

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func TestReadAnApp(t *testing.T) {
	key := privateKey(t)
	for name, c := range map[string]struct {
		app     app
		content string
		refused string
	}{
		"an App":             {app: app{id: 42, installation: 7}, content: key},
		"no ID":              {app: app{installation: 7}, content: key, refused: "--app-id is a number of GitHub's"},
		"an ID below 1":      {app: app{id: 42, installation: -7}, content: key, refused: "--app-installation-id is a number of GitHub's"},
		"half a key":         {app: app{id: 42, installation: 7}, content: key[:len(key)/2], refused: "not an RSA private key in PEM"},
		"a token":            {app: app{id: 42, installation: 7}, content: github, refused: "not an RSA private key in PEM"},
		"a large file":       {app: app{id: 42, installation: 7}, content: strings.Repeat("hunter2", 1<<20), refused: "is over 64 KiB"},
		"the key for a file": {app: app{id: 42, installation: 7, keyFile: key}, refused: "delete the key in the App's settings"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, source := range []string{file, "-"} {
				if c.app.keyFile == "" || c.content != "" {
					c.app.keyFile = source
				}
				data, err := c.app.read(genericiooptions.IOStreams{In: strings.NewReader(c.content)})
				switch {
				case c.refused == "" && (err != nil || string(data["githubAppID"]) != "42" || string(data["githubAppInstallationID"]) != "7" || string(data["githubAppPrivateKey"]) != key || len(data) != 3):
					t.Errorf("%s: %d keys, %v", source, len(data), err)
				case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
					t.Errorf("%s: %v, want %s", source, err, c.refused)
				case err != nil && (strings.Contains(err.Error(), key[50:90]) || strings.Contains(err.Error(), github) || strings.Contains(err.Error(), "hunter2")):
					t.Errorf("%s: the error shows a secret: %v", source, err)
				}
			}
		})
	}
}

func TestAKeyThatTheServerRepeatsIsHidden(t *testing.T) {
	key := privateKey(t)
	secret := &corev1.Secret{Data: map[string][]byte{"githubAppID": []byte("42"), "githubAppPrivateKey": []byte(key)}}
	if got := hide(errors.New("denied 42 "+key), secret).Error(); got != "denied 42 …" {
		t.Errorf("%q", got)
	}
}
