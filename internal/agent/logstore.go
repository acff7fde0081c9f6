package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"katkit.dev/katkit/internal/contract"
)

const (
	// maxAnswer is how much of an answer of the store is read, in bytes.
	maxAnswer = 64 << 10
	// maxSnippet is how much of it is repeated where it is an error, in bytes.
	maxSnippet = 200
)

// logStore writes the log of one Pod. It is asked for one thing at a time.
type logStore struct {
	client *http.Client
	url    string
	token  string // file with it
}

// storeRefusal is an answer of the store that is not what was asked for.
type storeRefusal struct {
	status int
	text   string // what the store says about it, or the beginning of what it says
	after  time.Duration
}

func (r *storeRefusal) Error() string {
	return fmt.Sprintf("the log store answers %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

func refused(response *http.Response, body []byte) *storeRefusal {
	var told struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &told) != nil || told.Error == "" {
		told.Error = strconv.Quote(string(body[:min(len(body), maxSnippet)]))
	}
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		seconds = 0 // a date, or nothing
	}
	return &storeRefusal{status: response.StatusCode, text: told.Error, after: time.Duration(seconds) * time.Second}
}

// newLogStore makes the client for a store at an address, http or https, that is trusted by the certificates in ca, in PEM, beside
// the system's. token is the file with the Pod's token, which is read for every request.
func newLogStore(address, ca, token, namespace, pod string) (*logStore, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("variable %s is %.80q, not an address that begins with http:// or https://", contract.VarLogStoreURL, address)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if ca != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM([]byte(ca)) {
			return nil, fmt.Errorf("variable %s has to be certificates in PEM", contract.VarLogStoreCA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &logStore{
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token is for nobody else
		}},
		url: strings.TrimSuffix(address, "/") + contract.LogPath(namespace, pod), token: token,
	}, nil
}

// put sends the bytes of the log from an offset on, and with complete says that nothing follows. It returns what is stored then,
// which is where to go on, also where the store wanted to go on from elsewhere (409).
func (s *logStore) put(ctx context.Context, offset int64, content *io.SectionReader, complete bool) (contract.LogState, error) {
	query := url.Values{contract.LogQueryOffset: {strconv.FormatInt(offset, 10)}}
	if complete {
		query.Set(contract.LogQueryComplete, "true")
	}
	body := io.Reader(content)
	if content.Size() == 0 {
		body = http.NoBody
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, s.url+"?"+query.Encode(), body)
	if err != nil {
		return contract.LogState{}, err
	}
	request.ContentLength = content.Size()
	request.Header.Set("Content-Type", "application/octet-stream")
	return s.do(request)
}

func (s *logStore) do(request *http.Request) (contract.LogState, error) {
	var state contract.LogState
	token, err := os.ReadFile(s.token) // anew: the kubelet renews it
	if err != nil {
		return state, fmt.Errorf("read the token for the log store: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	response, err := s.client.Do(request)
	if err != nil {
		return state, fmt.Errorf("reach the log store: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return state, fmt.Errorf("read the log store's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusConflict {
		return state, refused(response, body)
	}
	if err := json.Unmarshal(body, &state); err != nil || state.Bytes < 0 {
		return state, refused(response, body)
	}
	return state, nil
}
