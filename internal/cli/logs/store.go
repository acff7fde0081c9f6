package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// serviceNamespace and serviceName are the log store's Service, as the API server's proxy takes it: scheme, name and port.
	serviceNamespace = "katkit-system"
	serviceName      = "http:katkit-logstore:http"
	// headerTimeout is how long the store may think before it answers.
	headerTimeout = 30 * time.Second
	// maxRefusal is how much of a refusal is read, in bytes.
	maxRefusal = 4096
)

// store reads logs of the log store.
type store struct {
	http  *http.Client
	base  *url.URL
	proxy bool   // base is the API server's
	off   string // why the store is not asked
}

// newStore finds the log store at an address, "" for that of the cluster.
func newStore(config *rest.Config, address string) (*store, error) {
	if config.Impersonate.UserName != "" {
		// The store would take the rights of who signs in.
		return &store{off: "with --as the log store is not asked: it knows you by your token"}, nil
	}
	if address != "" {
		base, err := checkAddress(address)
		if err != nil {
			return nil, err
		}
		client, err := direct(config)
		return &store{http: client, base: base}, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	client, err := throughAPIServer(config)
	return &store{http: client, proxy: true, base: base.JoinPath("api/v1/namespaces", serviceNamespace, "services", serviceName, "proxy")}, err
}

// place is whose log is read.
type place struct{ namespace, phase, pod string }

// answer is a log, or a part of it.
type answer struct {
	io.ReadCloser
	// offset of the first byte in the log; complete tells that the log was, when the answer began.
	offset   int64
	complete bool
}

// refusal is why the log store gives no log.
type refusal struct {
	why string
	// passing tells that another try may do; absent, that the store has nothing of the log, as when it is yet to come.
	passing, absent bool
}

func (r *refusal) Error() string { return r.why }

// open asks for a log. The error is a *refusal, unless the context has ended.
func (s *store) open(ctx context.Context, at place, query url.Values) (*answer, error) {
	if s.off != "" {
		return nil, &refusal{why: s.off}
	}
	u := s.base.JoinPath(contract.ReadLogPath(at.namespace, at.phase, at.pod))
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(headerTimeout, func() { cancel(errors.New("it does not answer")) })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		cancel(nil)
		return nil, &refusal{why: err.Error()}
	}
	response, err := s.http.Do(request) //nolint:bodyclose // closed with the answer, or with the refusal
	late.Stop()
	if err != nil {
		defer cancel(nil)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, &refusal{why: text.Line(err.Error()), passing: true}
	}
	body := closer{response.Body, cancel}
	if response.StatusCode != http.StatusOK {
		defer func() { _ = body.Close() }() // a refusal
		return nil, s.refused(response)
	}
	offset, err := strconv.ParseInt(response.Header.Get(contract.HeaderLogOffset), 10, 64)
	if err != nil || offset < 0 {
		_ = body.Close() // not a log
		return nil, &refusal{why: "what answers there is not a log store"}
	}
	return &answer{ReadCloser: body, offset: offset, complete: response.Header.Get(contract.HeaderLogComplete) == "true"}, nil
}

// closer ends a request with its answer.
type closer struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (c closer) Close() error {
	c.cancel(nil)
	return c.ReadCloser.Close()
}

// refused says why there is no log, and which right is missing.
func (s *store) refused(response *http.Response) *refusal {
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal)) // what there is of it
	var status metav1.Status
	ofAPIServer := s.proxy && json.Unmarshal(said, &status) == nil && status.Kind == "Status"
	var answer struct {
		Error string `json:"error"`
	}
	why := string(said)
	switch {
	case ofAPIServer:
		why = apierrors.FromObject(&status).Error()
	case json.Unmarshal(said, &answer) == nil && answer.Error != "":
		why = answer.Error
	}
	why = text.Cut(text.Line(why), 512)
	switch code := response.StatusCode; {
	case code == http.StatusNotFound && ofAPIServer:
		return &refusal{why: "there is no log store"}
	case code == http.StatusNotFound:
		return &refusal{why: "the log store has no such log", absent: answer.Error != ""}
	case code == http.StatusServiceUnavailable && ofAPIServer:
		return &refusal{why: "the log store does not run: " + why, passing: true}
	case code == http.StatusForbidden && ofAPIServer:
		return &refusal{why: fmt.Sprintf("you may not call the log store: the verb \"get\" on services/proxy, name %s, in namespace %s is needed", serviceName, serviceNamespace)}
	case code == http.StatusForbidden:
		return &refusal{why: fmt.Sprintf("the log store refuses: the verb \"get\" on %s.katkit.dev is needed (%s)", contract.LogResource, why)}
	case code == http.StatusUnauthorized && response.Request.Header.Get(contract.HeaderLogAuthorization) == "":
		return &refusal{why: unsigned}
	case code == http.StatusUnauthorized:
		return &refusal{why: "the log store does not take your token: " + why}
	case code == http.StatusBadRequest && s.proxy:
		return &refusal{why: "the log store does not understand the API server (" + why + "); of one that serves TLS, --log-store names the address"}
	case code >= 300 && code < 400:
		return &refusal{why: "the log store is at another address, to which your token does not go"}
	default:
		return &refusal{why: strings.TrimSuffix(fmt.Sprintf("the log store answers %s: %s", response.Status, why), ": "), passing: code >= 500 || code == http.StatusTooManyRequests}
	}
}

// unsigned is told to somebody whose kubeconfig has a client certificate.
const unsigned = `the log store wants a token, and your kubeconfig signs in without one: --token "$(kubectl create token NAME -n NAMESPACE)" of a ServiceAccount reads it`
