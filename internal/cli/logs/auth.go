package logs

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"katkit.dev/katkit/internal/contract"
)

const (
	authorization = "Authorization"
	bearer        = "Bearer "
	// dialTimeout bounds a connection to a log store that is called directly.
	dialTimeout = 15 * time.Second
)

// throughAPIServer calls the API server as the user, with a copy of the user's token for the log store.
func throughAPIServer(config *rest.Config) (*http.Client, error) {
	config = rest.CopyConfig(config)
	// What is wrapped first is innermost: it sees the token of whatever the kubeconfig signs in with, plugins included.
	wrap := config.WrapTransport
	config.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
		if wrap != nil {
			rt = wrap(rt)
		}
		return forStore{next: rt}
	}
	rt, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return &http.Client{Transport: rt, CheckRedirect: stay}, nil
}

// direct calls a log store at its own address, with the user's token and nothing else of what the kubeconfig holds.
func direct(config *rest.Config) (*http.Client, error) {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{}
	config.WrapTransport = func(rt http.RoundTripper) http.RoundTripper { return forStore{next: rt, direct: true} }
	signIn, err := config.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("reading how to sign in: %w", err)
	}
	plain := http.DefaultTransport.(*http.Transport).Clone()
	plain.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	rt, err := transport.HTTPWrappersForConfig(signIn, plain)
	if err != nil {
		return nil, fmt.Errorf("reading how to sign in: %w", err)
	}
	return &http.Client{Transport: rt, CheckRedirect: stay}, nil
}

// stay goes to no other address: the request has the user's token.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// forStore puts a bearer token where the log store looks for it. A password is none, and is for the API server alone.
type forStore struct {
	next   http.RoundTripper
	direct bool
}

// RoundTrip implements http.RoundTripper.
func (f forStore) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if token := r.Header.Get(authorization); strings.HasPrefix(token, bearer) {
		r.Header.Set(contract.HeaderLogAuthorization, token)
	}
	if f.direct {
		r.Header.Del(authorization)
	}
	return f.next.RoundTrip(r)
}

// checkAddress tells what is wrong with the address of a log store: a token goes over https only, or to this machine.
func checkAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("--log-store %q is not the address of a log store: expected https://HOST[:PORT], or http:// of this machine", address)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("--log-store %s is not encrypted, and your token would go there: use https, or kubectl port-forward and http://127.0.0.1:PORT", address)
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
