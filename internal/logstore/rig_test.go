package logstore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"

	"katkit.dev/katkit/internal/contract"
)

const (
	aliceToken, bobToken = "token-of-alice", "token-of-bob"
	phase                = "build-1-test"
)

// What the API server knows, or not, of Pods' tokens.
var (
	podToken      = boundToken(aLog.Namespace, aLog.Pod, aLog.UID)
	otherPodToken = boundToken(aLog.Namespace, "other", "1234")
	strangeToken  = boundToken("d-strange", "strange", "5678")
	accountToken  = boundToken(aLog.Namespace, "of an account", "0") // so it says
	wrongToken    = boundToken(aLog.Namespace, aLog.Pod, "wrong")
)

// boundToken is a token that says of itself that it is a Pod's.
func boundToken(namespace, pod, uid string) string {
	return tokenOf(fmt.Sprintf(`{"iss":"https://kubernetes.default.svc","aud":[%q],"kubernetes.io":{"namespace":%q,"pod":{"name":%q,"uid":%q}}}`,
		contract.LogAudience, namespace, pod, uid))
}

func tokenOf(payload string) string {
	return "token-of." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".signature"
}

// rig is a log store over HTTP, with an API server that the test plays.
type rig struct {
	url      string
	store    *Store
	handler  *Handler
	stopping chan struct{}
	clock    *testclock.FakePassiveClock // of the guard

	mu     sync.Mutex
	asked  []string
	down   bool
	logged bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{stopping: make(chan struct{}), clock: testclock.NewFakePassiveClock(at)}
	log := funcr.New(func(prefix, args string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.logged.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 10})
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r.store = NewStore(aFolder(t), clock.RealClock{}, Limits{LogBytes: 20 << 20})
	r.handler = NewHandler(r.store, NewGuard(r, r.clock, metrics, log), metrics, clock.RealClock{}, log, 4, r.stopping)
	server := httptest.NewServer(r.handler)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// ReviewToken plays the API server.
func (r *rig) ReviewToken(_ context.Context, token string, audiences []string) (authenticationv1.TokenReviewStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, "token")
	if r.down {
		return authenticationv1.TokenReviewStatus{}, errors.New("connection refused")
	}
	user := authenticationv1.UserInfo{Username: "system:serviceaccount:" + aLog.Namespace + ":default", Extra: map[string]authenticationv1.ExtraValue{}}
	audience := contract.LogAudience
	switch token {
	case podToken:
		user.Extra[extraPodName], user.Extra[extraPodUID] = []string{aLog.Pod}, []string{aLog.UID}
	case otherPodToken:
		user.Extra[extraPodName], user.Extra[extraPodUID] = []string{"other"}, []string{"1234"}
	case strangeToken:
		user.Username = "system:serviceaccount:d-strange:default"
		user.Extra[extraPodName], user.Extra[extraPodUID] = []string{"strange"}, []string{"5678"}
	case accountToken:
	case aliceToken, bobToken:
		user.Username, user.Groups, audience = strings.TrimPrefix(token, "token-of-"), []string{"developers"}, ""
	default:
		return authenticationv1.TokenReviewStatus{}, nil
	}
	if strings.Join(audiences, " ") != audience {
		return authenticationv1.TokenReviewStatus{}, nil
	}
	return authenticationv1.TokenReviewStatus{Authenticated: true, User: user, Audiences: audiences}, nil
}

// ReviewAccess lets alice get the log of one phase.
func (r *rig) ReviewAccess(_ context.Context, spec authorizationv1.SubjectAccessReviewSpec) (authorizationv1.SubjectAccessReviewStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, "access")
	allowed := spec.User == "alice" && spec.Groups[0] == "developers" && *spec.ResourceAttributes == authorizationv1.ResourceAttributes{
		Namespace: aLog.Namespace, Verb: "get", Group: "katkit.dev", Resource: "phases", Subresource: "log", Name: phase,
	}
	return authorizationv1.SubjectAccessReviewStatus{Allowed: allowed}, nil
}

func (r *rig) send(t *testing.T, method, path, token string, body io.Reader) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return reply{response.StatusCode, response.Header, response.Body}
}

// reply is an answer that is closed when the test ends, or before.
type reply struct {
	StatusCode int
	Header     http.Header
	Body       io.ReadCloser
}

// does sends a request, and returns status and body.
func (r *rig) does(t *testing.T, method, path, token, body string) (int, string) {
	t.Helper()
	response := r.send(t, method, path, token, strings.NewReader(body))
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

var (
	writePath = contract.LogPath(aLog.Namespace, aLog.Pod)
	readPath  = contract.ReadLogPath(aLog.Namespace, phase, aLog.Pod)
)

func (r *rig) put(t *testing.T, offset int, text string, complete bool) contract.LogState {
	t.Helper()
	status, body := r.does(t, http.MethodPut, fmt.Sprintf("%s?offset=%d&complete=%v", writePath, offset, complete), podToken, text)
	var state contract.LogState
	if err := json.Unmarshal([]byte(body), &state); err != nil || status != http.StatusOK {
		t.Fatalf("answered %d %s", status, body)
	}
	return state
}
