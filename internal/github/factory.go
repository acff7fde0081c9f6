package github

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	defaultTimeout    = 10 * time.Second
	defaultCacheBytes = 8 << 20
	defaultUserAgent  = "katkit"
	// maxClients bounds how many pairs of host and credential are remembered, with what is known of their rate limits. An App
	// is one for each repository.
	maxClients = 4096
)

// Options are the settings of a [Factory]. The zero value serves github.com.
type Options struct {
	// Hosts is the allow-list; empty: github.com alone.
	Hosts []Host
	// Transport carries the requests; nil: a transport of its own with pooled connections and the
	// proxy of the environment.
	Transport http.RoundTripper
	// CABundle are certificates in PEM that hosts are trusted by beside the system's, for a Transport of its own; nil: none.
	CABundle []byte
	// Timeout of one request with its answer's body and redirects; 0: 10 s.
	Timeout time.Duration
	// UserAgent is sent with each request, as GitHub demands; empty: "katkit".
	UserAgent string
	// CacheBytes bounds the memory of all cached answers together; 0: 8 MiB.
	CacheBytes int64
	// Now is the clock by which an App's tokens end; nil: time.Now.
	Now func() time.Time
}

// Factory makes clients of the allowed hosts. It may be used concurrently.
type Factory struct {
	hosts     map[string]Host
	timeout   time.Duration
	userAgent string
	transport http.RoundTripper
	cache     *answerCache
	caBundle  string
	now       func() time.Time
	secret    []byte // of this process; makes a token's fingerprint useless elsewhere

	mu      sync.Mutex
	clients *lru[clientKey, *Client]
	budgets *lru[clientKey, *budget]
}

type clientKey struct {
	host    string
	account fingerprint
}

// NewFactory checks the hosts and makes a Factory of them. The error names the host that is
// incomplete or there twice, or tells what is wrong with the CA bundle.
func NewFactory(options Options) (*Factory, error) {
	hosts := options.Hosts
	if len(hosts) == 0 {
		hosts = []Host{DotCom()}
	}
	f := &Factory{
		hosts:     make(map[string]Host, len(hosts)),
		timeout:   orDefault(options.Timeout, defaultTimeout),
		userAgent: orDefault(options.UserAgent, defaultUserAgent),
		transport: options.Transport,
		cache:     newAnswerCache(orDefault(options.CacheBytes, defaultCacheBytes)),
		now:       options.Now,
		secret:    make([]byte, sha256.Size),
		clients:   newLRU[clientKey, *Client](maxClients),
		budgets:   newLRU[clientKey, *budget](maxClients),
	}
	if f.now == nil {
		f.now = time.Now
	}
	for _, host := range hosts {
		name := strings.ToLower(host.Name)
		if _, err := host.origin(); err != nil {
			return nil, err
		}
		if _, twice := f.hosts[name]; twice {
			return nil, fmt.Errorf("GitHub host %s is there twice; remove one", name)
		}
		host.Name = name
		f.hosts[name] = host
	}
	rand.Read(f.secret) // never fails, says its documentation
	if f.transport == nil {
		transport, err := f.newTransport(options.CABundle)
		if err != nil {
			return nil, fmt.Errorf("the CA bundle: %w", err)
		}
		f.transport = transport
	}
	return f, nil
}

// Client returns the client of a host (a name on the allow-list) for a credential; an empty one reads public repositories
// anonymously. An App's client is limited to the scope, which does not matter to a token. The same host, credential and, for
// an App, repository share one client; all clients of an installation share its rate limit. The error is an [Error] of kind
// HostNotAllowed that names the allowed hosts, or Unauthorized for a credential that cannot be sent.
func (f *Factory) Client(host string, credential Credential, scope Scope) (*Client, error) {
	known, ok := f.hosts[strings.ToLower(host)]
	if !ok {
		return nil, &Error{Kind: KindHostNotAllowed, Host: oneLine(host, maxNameLength), Message: "allowed: " + strings.Join(f.Hosts(), ", ")}
	}
	if credential.App != nil {
		return f.appClient(known, credential.App, scope)
	}
	token := strings.TrimSpace(credential.Token)
	if !sendable(token) {
		return nil, &Error{Kind: KindUnauthorized, Host: known.Name, Message: "it contains characters that no token has, such as a line break"}
	}
	account := f.fingerprint("token", token)
	return f.client(known, account, account, func(*budget) *Client { return &Client{tokens: fixed(token)} })
}

func (f *Factory) appClient(host Host, app *App, scope Scope) (*Client, error) {
	if !validRepository(scope.Repository) {
		return nil, &Error{Kind: KindUnprocessable, Host: host.Name, Message: "a repository is named owner/name"}
	}
	shared := f.installationPrint(app)
	return f.client(host, f.scopePrint(shared, scope), shared, func(b *budget) *Client {
		api := &appAPI{factory: f, host: host, app: app, budget: b}
		return &Client{
			app:    app,
			tokens: &installation{api: api, scope: scope, wanted: wantedPermissions(), atLeast: renewBefore, now: f.now},
			clone:  &installation{api: api, scope: scope, wanted: clonePermissions(), atLeast: CloneTokenLifetime, now: f.now},
		}
	})
}

// client returns the client of an account, made anew unless it is known. limited is by what it shares its rate limit.
func (f *Factory) client(host Host, account, limited fingerprint, fresh func(*budget) *Client) (*Client, error) {
	key := clientKey{host: host.Name, account: account}
	f.mu.Lock()
	defer f.mu.Unlock()
	if client, ok := f.clients.get(key); ok {
		return client, nil
	}
	shared, ok := f.budgets.get(clientKey{host: host.Name, account: limited})
	if !ok {
		shared = &budget{}
		f.budgets.put(clientKey{host: host.Name, account: limited}, shared, 1)
	}
	client := fresh(shared)
	var err error
	if client.rest, err = f.restClient(host, client.tokens, maxAnswerBytes, &account); err != nil {
		return nil, err
	}
	client.host, client.account, client.cache, client.budget = host, account, f.cache, shared
	f.clients.put(key, client, 1)
	return client, nil
}

// Hosts returns the names on the allow-list, sorted.
func (f *Factory) Hosts() []string {
	names := make([]string, 0, len(f.hosts))
	for name := range f.hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// newTransport differs from the default one in how many idle connections it keeps to one host: many
// runs start at once, all of them with the same one.
func (f *Factory) newTransport(caBundle []byte) (*http.Transport, error) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  defaultTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if caBundle == nil {
		return transport, nil
	}
	roots, clean, err := parseCABundle(caBundle)
	if err != nil {
		return nil, err
	}
	f.caBundle = clean
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
