package fakegithub

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// App is a GitHub App that is installed.
type App struct {
	ID int64 `json:"id"`
	// Slug names the App in addresses, and SLUG[bot] is who writes what it sends.
	Slug string `json:"slug"`
	// PublicKey is the public half of its private key, in PEM (PKIX).
	PublicKey string `json:"publicKey"`
	// Installations by their IDs.
	Installations map[int64]Installation `json:"installations"`
}

// Installation is what one account granted to an App.
type Installation struct {
	// Repositories are owner/name; empty: all of Account.
	Repositories []string `json:"repositories"`
	Account      string   `json:"account"`
	// Permissions by their names, "read" or "write". Metadata may always be read.
	Permissions map[string]string `json:"permissions"`
	// Suspended: its account keeps it from working.
	Suspended bool `json:"suspended"`
}

// appTokenLifetime is GitHub's.
const appTokenLifetime = time.Hour

// maxJWTLifetime is how far in the future an App's signature may end.
const maxJWTLifetime = 10 * time.Minute

// installation is what an App's token may do.
type installation struct {
	app          App
	repositories map[int64]bool
	permissions  map[string]string
	expires      time.Time
}

// grants tells whether the token has a permission for a repository; public ones may be read without any.
func (i *installation) grants(permission string, level Permission, repository storedRepository) bool {
	if level == Read && !repository.Private {
		return true
	}
	granted := i.permissions[permission]
	return i.repositories[repository.ID] && (granted == string(Write) || granted == "admin" || (granted == string(Read) && level == Read))
}

// AddApp makes an App known, or changes it.
func (s *Server) AddApp(app App) error {
	if _, err := parsePublicKey(app.PublicKey); err != nil {
		return fmt.Errorf("app %d: %w", app.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[app.ID] = app
	return nil
}

func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("public key: expected PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("public key: expected RSA")
	}
	return public, nil
}

// authenticateApp checks the JWT by which an App signs its requests. The error is GitHub's message.
func (s *Server) authenticateApp(token string) (App, error) {
	undecodable := githubMessage("A JSON web token could not be decoded")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return App{}, undecodable
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issuer  json.RawMessage `json:"iss"` // a number or a text
		Issued  *json.Number    `json:"iat"`
		Expires *json.Number    `json:"exp"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil || header.Algorithm != "RS256" {
		return App{}, undecodable
	}
	id, err := strconv.ParseInt(strings.Trim(string(claims.Issuer), `"`), 10, 64)
	s.mu.Lock()
	app, known := s.apps[id]
	s.mu.Unlock()
	if err != nil || !known {
		return App{}, githubMessage("Integration not found")
	}
	key, err := parsePublicKey(app.PublicKey)
	if err != nil {
		return App{}, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return App{}, undecodable
	}
	issued, okIssued := seconds(claims.Issued)
	expires, okExpires := seconds(claims.Expires)
	switch now := s.now(); {
	case !okIssued, issued.After(now.Add(time.Minute)):
		return App{}, githubMessage("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case !okExpires, !expires.After(now):
		return App{}, githubMessage("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case expires.After(now.Add(maxJWTLifetime)):
		return App{}, githubMessage("'Expiration time' claim ('exp') is too far in the future")
	}
	return app, nil
}

func decodePart(part string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func seconds(claim *json.Number) (time.Time, bool) {
	if claim == nil {
		return time.Time{}, false
	}
	n, err := claim.Int64()
	return time.Unix(n, 0), err == nil
}

// newAppToken is a token as GitHub makes them for installations.
func newAppToken() string { return "ghs_" + rand.Text() }
