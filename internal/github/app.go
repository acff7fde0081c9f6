package github

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	gogithub "github.com/google/go-github/v57/github"
)

const (
	// jwtLifetime is below the ten minutes that GitHub takes; jwtSkew is for a clock that is ahead of GitHub's.
	// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
	jwtLifetime = 9 * time.Minute
	jwtSkew     = time.Minute
	// maxAppAnswerBytes bounds what GitHub says of an installation and of a token; the latter describes the repository.
	maxAppAnswerBytes = 1 << 20
)

// appAPI asks GitHub, in an App's own name, for the tokens of an installation.
type appAPI struct {
	factory *Factory
	host    Host
	app     *App
	budget  *budget
}

// mint gets a token for one repository, with as much of the wanted permissions as the installation has. The error is an
// [Error] that says what to do, and may be shared: copy it before it is changed.
func (a *appAPI) mint(ctx context.Context, scope Scope, wanted map[string]string) (token, error) {
	now := a.factory.now()
	if err := a.budget.check(time.Now()); err != nil {
		return token{}, a.refused(scope, nil, err)
	}
	signed, err := a.sign(now)
	if err != nil {
		return token{}, a.refused(scope, nil, &Error{Kind: KindUnauthorized, Message: "signing with the App's private key failed"})
	}
	rest, err := a.factory.restClient(a.host, fixed(signed), maxAppAnswerBytes, nil)
	if err != nil {
		return token{}, err
	}
	made, err := a.exchange(ctx, rest, scope, wanted)
	if err != nil {
		a.budget.note(nil, err, time.Now())
		return token{}, a.refused(scope, []string{signed}, err)
	}
	return made, nil
}

// sign makes the JWT by which the App shows who it is.
func (a *appAPI) sign(now time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer:    strconv.FormatInt(a.app.ID, 10),
		IssuedAt:  jwt.NewNumericDate(now.Add(-jwtSkew)),
		ExpiresAt: jwt.NewNumericDate(now.Add(jwtLifetime)),
	}).SignedString(a.app.PrivateKey)
}

// granted is what the API says of an installation.
type granted struct {
	Account     struct{ Login string }
	Permissions map[string]string
	SuspendedAt *time.Time `json:"suspended_at"`
}

// tokenRequest limits a token to one repository, and to permissions.
type tokenRequest struct {
	Repositories  []string          `json:"repositories,omitempty"`
	RepositoryIDs []int64           `json:"repository_ids,omitempty"`
	Permissions   map[string]string `json:"permissions"`
}

func (a *appAPI) exchange(ctx context.Context, rest *gogithub.Client, scope Scope, wanted map[string]string) (token, error) {
	var has granted
	if err := ask(ctx, rest, http.MethodGet, installationPath(a.app.InstallationID), nil, &has); err != nil {
		return token{}, err
	}
	owner, name, _ := strings.Cut(scope.Repository, "/")
	request := tokenRequest{Permissions: intersect(wanted, has.Permissions)}
	switch {
	case has.SuspendedAt != nil:
		return token{}, &Error{Kind: KindForbidden, Advice: a.suspended()}
	case scope.ID != 0:
		request.RepositoryIDs = []int64{scope.ID}
	case has.Account.Login != "" && !strings.EqualFold(has.Account.Login, owner):
		return token{}, &Error{Kind: KindForbidden, Advice: fmt.Sprintf("the App is installed there for %s, and the repository is %s's: take the installation ID of %s",
			oneLine(has.Account.Login, maxNameLength), owner, owner)}
	default:
		request.Repositories = []string{name}
	}
	if request.Permissions["contents"] == "" {
		return token{}, &Error{Kind: KindForbidden, Advice: "the installation may not read contents: give the App the repository permission Contents (read-only) in its settings," +
			" and accept that where it is installed"}
	}
	var made struct {
		Token     string
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := ask(ctx, rest, http.MethodPost, installationPath(a.app.InstallationID)+"/access_tokens", request, &made); err != nil {
		return token{}, err
	}
	if !sendable(made.Token) || made.Token == "" || made.ExpiresAt.IsZero() {
		return token{}, &Error{Kind: KindUnavailable, Status: http.StatusCreated, Message: "the answer holds no token; is this address a GitHub API?"}
	}
	return token{secret: made.Token, expires: made.ExpiresAt, permissions: request.Permissions}, nil
}

// ask sends a request and reads the JSON that answers it.
func ask(ctx context.Context, rest *gogithub.Client, method, path string, body, into any) error {
	request, err := rest.NewRequest(method, path, body)
	if err != nil {
		return err
	}
	response, err := rest.BareDo(ctx, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if json.Unmarshal(content, into) != nil { // whose error could hold a part of the token
		return &Error{Kind: KindUnavailable, Status: response.StatusCode, Message: "the answer is not the expected JSON"}
	}
	return nil
}

// refused makes an error that says what to do of whatever ended the request for a token. It is never of kind NotFound, which
// callers take for a word about a file or a commit.
func (a *appAPI) refused(scope Scope, secrets []string, err error) error {
	e := own(err)
	e.Message = oneLine(redact(e.Message, secrets), MaxMessageLength)
	e.Host, e.Repository, e.About = a.host.Name, oneLine(scope.Repository, maxNameLength), a.app.String()
	switch {
	case e.Advice != "":
	case e.Kind == KindUnauthorized:
		e.Advice = "the key was not accepted: it was deleted, is another App's, or the clock of this cluster is wrong; make a new private key in the App's settings and store it"
	case e.Kind == KindNotFound:
		e.Kind, e.Advice = KindForbidden, "the App is not installed there: install it for the repository's owner, and take the installation ID from the end of the address of its page"
	case e.Kind == KindForbidden:
		e.Advice = a.suspended()
	case e.Kind == KindUnprocessable && scope.ID != 0:
		e.Kind, e.Advice = KindForbidden, "no token for "+scope.Repository+": it was deleted, or the installation needs access to it, on its page under Repository access"
	case e.Kind == KindUnprocessable:
		e.Kind, e.Advice = KindForbidden, "no token for "+scope.Repository+": give the installation access to this repository, on its page under Repository access"
	}
	return e
}

func (a *appAPI) suspended() string {
	return "the installation is suspended, or may not have tokens: its owner unsuspends it on its page"
}

// CloneToken returns a token to fetch the repository of the client's scope with git, and nothing else, that is good for
// [CloneTokenLifetime] at least. The client has to be an App's. The error is an [Error] that says what to do.
func (c *Client) CloneToken(ctx context.Context) (string, error) {
	if c.clone == nil {
		return "", &Error{Kind: KindUnauthorized, Host: c.host.Name, Message: "only a GitHub App makes tokens to clone with"}
	}
	secret, err := c.clone.get(ctx)
	if err != nil {
		return "", c.failure(c.clone.scope.Repository, "", err)
	}
	return secret, nil
}

// restClient makes a client of a host's API. Answers are looked up in and added to the cache of an account; nil: none is.
func (f *Factory) restClient(host Host, sent tokens, maxBytes int64, account *fingerprint) (*gogithub.Client, error) {
	api, err := host.origin()
	if err != nil {
		return nil, err
	}
	var next http.RoundTripper = &retrying{next: &bounding{max: maxBytes, next: f.transport}}
	if account != nil {
		next = &conditional{account: *account, cache: f.cache, next: next}
	}
	rest := gogithub.NewClient(&http.Client{
		Timeout:       f.timeout,
		CheckRedirect: sameOriginOnly(api),
		Transport:     &authorizing{api: api, tokens: sent, next: next},
	})
	rest.UserAgent = f.userAgent
	if rest.BaseURL, err = url.Parse(host.APIURL); err != nil {
		return nil, fmt.Errorf("GitHub host %s: API address: %w", host.Name, err)
	}
	return rest, nil
}

// sendable tells whether a token can stand in a header.
func sendable(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
