package github

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Credential is by what a client shows who it is: a token, a GitHub App, or, when it is empty, nothing.
type Credential struct {
	// Token is sent as it is. White space around it, which Secrets often carry, is dropped.
	Token string
	// App gets itself tokens of an hour; nil: none. With an App there is no Token.
	App *App
}

// App is a GitHub App where it is installed.
type App struct {
	// ID is the App's, InstallationID that of the account that installed it.
	ID, InstallationID int64
	// PrivateKey is one of the App's keys; see [ParsePrivateKey].
	PrivateKey *rsa.PrivateKey
}

func (a *App) String() string {
	return fmt.Sprintf("GitHub App %d, installation %d", a.ID, a.InstallationID)
}

// Scope is the one repository that an App's tokens are limited to.
type Scope struct {
	// Repository is owner/name.
	Repository string
	// ID is GitHub's number of the repository; 0 when it is not known yet. It stays the same when the repository is renamed.
	ID int64
}

// errPrivateKey never holds a part of the key.
var errPrivateKey = errors.New("it is not an RSA private key in PEM (-----BEGIN RSA PRIVATE KEY----- or -----BEGIN PRIVATE KEY-----): take the .pem file that GitHub gave when the key was made, whole")

// ParsePrivateKey reads the private key of a GitHub App: RSA in PEM, PKCS#1 as GitHub makes it or PKCS#8, without a
// password. The error says what was expected, and holds nothing of the key.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	text = bytes.TrimSpace(text)
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		return nil, errPrivateKey
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	if err != nil {
		return nil, errPrivateKey
	}
	return key, nil
}

// fingerprint stands for a credential in keys: it tells credentials apart and cannot be turned back into one.
type fingerprint [sha256.Size]byte

func (f *Factory) fingerprint(parts ...string) fingerprint {
	mac := hmac.New(sha256.New, f.secret)
	for _, part := range parts {
		mac.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return fingerprint(mac.Sum(nil))
}

// installationPrint stands for an App where it is installed, with this key.
func (f *Factory) installationPrint(app *App) fingerprint {
	return f.fingerprint("app", strconv.FormatInt(app.ID, 10), strconv.FormatInt(app.InstallationID, 10),
		string(x509.MarshalPKCS1PrivateKey(app.PrivateKey)))
}

// scopePrint stands for what an App's tokens that are limited to a repository may see.
func (f *Factory) scopePrint(installation fingerprint, scope Scope) fingerprint {
	if scope.ID != 0 {
		return f.fingerprint("scope", string(installation[:]), "id", strconv.FormatInt(scope.ID, 10))
	}
	return f.fingerprint("scope", string(installation[:]), "name", strings.ToLower(scope.Repository))
}

// tokens give the token that a request is sent with. They may be used concurrently.
type tokens interface {
	// get returns a token; "" for none. It returns an [Error] of the caller's own, or the context's.
	get(ctx context.Context) (string, error)
	// reject takes back a token that was not accepted, and tells whether get may give another.
	reject(token string) bool
	// secrets are the tokens that an answer could repeat.
	secrets() []string
}

// fixed is a token that stays the same.
type fixed string

func (t fixed) get(context.Context) (string, error) { return string(t), nil }

func (t fixed) reject(string) bool { return false }

func (t fixed) secrets() []string { return []string{string(t)} }

// redact removes tokens from a text of the host's, which could repeat them.
func redact(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[token]")
		}
	}
	return text
}
