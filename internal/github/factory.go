package github

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	defaultTimeout    = 10 * time.Second
	defaultCacheBytes = 8 << 20
	defaultUserAgent  = "katkit"
	// maxClients bounds how many pairs of host and token are remembered, with what is known of their rate limits.
	maxClients = 1024
)

// Options are the settings of a [Factory]. The zero value serves github.com.
type Options struct {
	// Hosts is the allow-list; empty: github.com alone.
	Hosts []Host
	// Transport carries the requests; nil: a transport of its own with pooled connections and the
	// proxy of the environment.
	Transport http.RoundTripper
	// Timeout of one request with its answer's body and redirects; 0: 10 s.
	Timeout time.Duration
	// UserAgent is sent with each request, as GitHub demands; empty: "katkit".
	UserAgent string
	// CacheBytes bounds the memory of all cached answers together; 0: 8 MiB.
	CacheBytes int64
}

// Factory makes clients of the allowed hosts. It may be used concurrently.
type Factory struct {
	hosts     map[string]Host
	timeout   time.Duration
	userAgent string
	transport http.RoundTripper
	cache     *answerCache
	secret    []byte // of this process; makes a token's fingerprint useless elsewhere

	mu      sync.Mutex
	clients *lru[clientKey, *Client]
}

type clientKey struct {
	host    string
	account fingerprint
}

// fingerprint stands for a token in keys: it tells tokens apart and cannot be turned back into one.
type fingerprint [sha256.Size]byte

// NewFactory checks the hosts and makes a Factory of them. The error names the host that is
// incomplete or there twice.
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
		secret:    make([]byte, sha256.Size),
		clients:   newLRU[clientKey, *Client](maxClients),
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
		f.transport = newTransport()
	}
	return f, nil
}

// Client returns the client of a host (a name on the allow-list) for a token; an empty token reads public
// repositories anonymously. White space around the token, which Secrets often carry, is dropped. The
// same host and token share one client and its knowledge of the rate limit. The error is an [Error] of
// kind HostNotAllowed that names the allowed hosts, or Unauthorized for a token that cannot be sent.
func (f *Factory) Client(host, token string) (*Client, error) {
	known, ok := f.hosts[strings.ToLower(host)]
	if !ok {
		return nil, &Error{Kind: KindHostNotAllowed, Host: oneLine(host, maxNameLength), Message: "allowed: " + strings.Join(f.Hosts(), ", ")}
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, &Error{Kind: KindUnauthorized, Host: known.Name, Message: "it contains characters that no token has, such as a line break"}
	}
	key := clientKey{host: known.Name, account: f.fingerprint(token)}

	f.mu.Lock()
	defer f.mu.Unlock()
	if client, ok := f.clients.get(key); ok {
		return client, nil
	}
	client, err := f.newClient(known, token, key.account)
	if err != nil {
		return nil, err
	}
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

func (f *Factory) newClient(host Host, token string, account fingerprint) (*Client, error) {
	api, err := host.origin()
	if err != nil {
		return nil, err
	}
	rest := gogithub.NewClient(&http.Client{
		Timeout:       f.timeout,
		CheckRedirect: sameOriginOnly(api),
		Transport: &authorizing{api: api, token: token, next: &conditional{
			account: account, cache: f.cache, next: &retrying{next: &bounding{max: maxAnswerBytes, next: f.transport}},
		}},
	})
	rest.UserAgent = f.userAgent
	if rest.BaseURL, err = url.Parse(host.APIURL); err != nil {
		return nil, fmt.Errorf("GitHub host %s: API address: %w", host.Name, err)
	}
	return &Client{host: host, token: token, account: account, rest: rest, cache: f.cache}, nil
}

func (f *Factory) fingerprint(token string) fingerprint {
	mac := hmac.New(sha256.New, f.secret)
	mac.Write([]byte(token))
	return fingerprint(mac.Sum(nil))
}

// newTransport differs from the default one in how many idle connections it keeps to one host: many
// runs start at once, all of them with the same one.
func newTransport() *http.Transport {
	return &http.Transport{
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
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
