package logstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/utils/clock"

	"katkit.dev/katkit/internal/contract"
)

const (
	podToken, otherPodToken, accountToken = "token-of-the-pod", "token-of-another-pod", "token-of-an-account"
	aliceToken, bobToken                  = "token-of-alice", "token-of-bob"
	phase                                 = "build-1-test"
)

// rig is a log store over HTTP, with an API server that the test plays.
type rig struct {
	url      string
	store    *Store
	handler  *Handler
	stopping chan struct{}

	mu     sync.Mutex
	asked  []string
	down   bool
	logged bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{stopping: make(chan struct{})}
	log := funcr.New(func(prefix, args string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.logged.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 10})
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r.store = NewStore(aFolder(t), clock.RealClock{}, 20<<20)
	r.handler = NewHandler(r.store, NewGuard(r, clock.RealClock{}, metrics, log), metrics, clock.RealClock{}, log, 4, r.stopping)
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

func TestAPodWritesItsLogAndAliceReadsIt(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\ntwo\n", false)
	if got, want := r.put(t, 4, "two\nthree", true), (contract.LogState{Bytes: 13, Complete: true}); got != want {
		t.Errorf("the state is %+v", got)
	}
	if status, body := r.does(t, http.MethodGet, writePath, podToken, ""); status != 200 || strings.TrimSpace(body) != `{"bytes":13,"complete":true}` {
		t.Errorf("the state is %d %s", status, body)
	}
	for query, want := range map[string]string{
		"":                                   "0 one\ntwo\nthree",
		"?offset=8":                          "8 three",
		"?offset=13&follow=true":             "13 ",
		"?tail=2":                            "4 two\nthree",
		"?tail=0":                            "13 ",
		"?tail=99999999999":                  "0 one\ntwo\nthree",
		"?since=2026-01-02T03:04:05Z&tail=1": "8 three",
		"?since=2226-01-02T03:04:05Z":        "13 ",
		"?follow=true&since=2026-01-02T03:04:05.123%2B02:00": "0 one\ntwo\nthree",
	} {
		response := r.send(t, http.MethodGet, readPath+query, aliceToken, nil)
		content, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s is answered %d %s, %v", query, response.StatusCode, content, err)
		}
		if got := response.Header.Get(contract.HeaderLogOffset) + " " + string(content); got != want {
			t.Errorf("%s is answered %q, not %q", query, got, want)
		}
		for name, want := range map[string]string{
			contract.HeaderLogComplete: "true", "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff",
		} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	}
}

func TestWhoMayNotIsTold(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "secret of the build\n", true)
	put := func(query string) string { return "PUT " + writePath + query }
	read := "GET " + readPath
	for name, test := range map[string]struct {
		request, token string
		status         int
		message        string
	}{
		"a write without a token":       {put("?offset=0"), "", 401, "a token is missing"},
		"a write with a wrong one":      {put("?offset=0"), "wrong", 401, "does not know the token as one for the audience katkit-logstore"},
		"a write with a person's":       {put("?offset=0"), aliceToken, 401, "does not know the token as one for"},
		"a write of another Pod":        {put("?offset=0"), otherPodToken, 403, "the Pod d-shop/other, which writes its own log"},
		"a write elsewhere":             {"PUT /v1/namespaces/other/pods/" + aLog.Pod + "/log", podToken, 403, "writes its own log"},
		"a write of no Pod":             {put("?offset=0"), accountToken, 403, "bound to no Pod"},
		"a state of another Pod":        {"GET " + writePath, otherPodToken, 403, "writes its own log"},
		"a write that leaves a gap":     {put("?offset=99"), podToken, 409, `"bytes":20,"complete":true`},
		"a write from before the begin": {put("?offset=-1"), podToken, 400, "offset="},
		"a write that is perhaps all":   {put("?offset=0&complete=yes"), podToken, 400, "neither true nor false"},
		"a read without a token":        {read, "", 401, "a token is missing: send the header Katkit-Authorization: Bearer TOKEN"},
		"a read with a wrong one":       {read, "wrong", 401, "does not know the token: it is wrong"},
		"a read with the Pod's":         {read, podToken, 401, "does not know the token: it is wrong"},
		"a read of bob's":               {read, bobToken, 403, "bob may not get phases/log.katkit.dev build-1-test in the namespace d-shop"},
		"a read elsewhere":              {"GET " + contract.ReadLogPath("other", phase, aLog.Pod), aliceToken, 403, "alice may not"},
		"another phase's":               {"GET " + contract.ReadLogPath(aLog.Namespace, "build-1-deploy", aLog.Pod), aliceToken, 403, "alice may not"},
		"a Pod of another phase":        {"GET " + contract.ReadLogPath(aLog.Namespace, phase, "build-1-deploy-0a1b2c3d-1-0"), aliceToken, 404, "is no Pod of the phase"},
		"a folder above":                {"GET " + contract.ReadLogPath(aLog.Namespace, phase, "../d-other"), aliceToken, 404, "is no Pod of the phase"},
		"a Pod without a log":           {"GET " + contract.ReadLogPath(aLog.Namespace, phase, phase+"-0a1b2c3d-2-0"), aliceToken, 404, "nothing of the log"},
		"a read behind the end":         {read + "?offset=21", aliceToken, 416, "20 bytes of it are stored"},
		"a read from two places":        {read + "?offset=1&tail=1", aliceToken, 400, "choose"},
		"a read of minus a line":        {read + "?tail=-1", aliceToken, 400, "tail="},
		"a read since yesterday":        {read + "?since=yesterday", aliceToken, 400, "is no time such as"},
		"anything else":                 {"GET /", aliceToken, 404, "there is nothing here"},
		"a deletion":                    {"DELETE " + writePath, podToken, 404, "there is nothing here"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			status, body := r.does(t, method, path, test.token, "x")
			var answer struct{ Error string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != test.status || !strings.Contains(body, test.message) || answer.Error == "" {
				t.Errorf("answered %d %s", status, body)
			}
			if strings.Contains(body, "secret of the build") {
				t.Error("the log is in it")
			}
		})
	}
	if strings.Contains(r.logged.String(), "token-of") {
		t.Errorf("a token was logged: %s", r.logged.String())
	}
}

func TestTheTokenMayComeInAHeaderThatTheProxyPasses(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", true)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+readPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(contract.HeaderLogAuthorization, "bearer "+aliceToken)
	request.Header.Set("Authorization", "Bearer "+bobToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("answered %s", response.Status)
	}
}

// The API server is asked once for what is asked again soon, and what it refused is asked again.
func TestTheAPIServerIsAskedOnce(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.put(t, 0, "one\n", false)
		r.does(t, http.MethodGet, readPath, aliceToken, "")
	}
	if diff := cmp.Diff([]string{"token", "token", "access"}, r.asked); diff != "" {
		t.Error(diff)
	}
	r.asked = nil
	for range 2 {
		r.does(t, http.MethodGet, readPath, bobToken, "")
	}
	if diff := cmp.Diff([]string{"token", "access", "access"}, r.asked); diff != "" {
		t.Error(diff)
	}
	r.down = true
	status, body := r.does(t, http.MethodPut, writePath, otherPodToken, "x")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "try again") {
		t.Errorf("answered %d %s without an API server", status, body)
	}
	r.put(t, 4, "two\n", false)
}

func TestAChunkHasSoManyBytesAtMostWhateverItSaysOfItself(t *testing.T) {
	r := newRig(t)
	for name, body := range map[string]io.Reader{
		"it tells how many":  bytes.NewReader(make([]byte, contract.MaxLogChunk+1)),
		"it tells not":       struct{ io.Reader }{bytes.NewReader(make([]byte, contract.MaxLogChunk+1))},
		"it goes on forever": struct{ io.Reader }{forever{}},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+writePath+"?offset=0", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+podToken)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // it was cut while it still sent
		}
		response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: answered %s", name, response.Status)
		}
	}
	if got := keys(t, r.store.bucket); len(got) > 0 {
		t.Errorf("%q is stored", got)
	}
	if got := r.put(t, 0, string(make([]byte, contract.MaxLogChunk)), false); got.Bytes != contract.MaxLogChunk {
		t.Errorf("%d bytes are stored", got.Bytes)
	}
	for range 2 { // what the log has no room for
		status, body := r.does(t, http.MethodPut, fmt.Sprintf("%s?offset=%d", writePath, contract.MaxLogChunk), podToken, string(make([]byte, contract.MaxLogChunk)))
		if status == http.StatusOK {
			status, body = r.does(t, http.MethodPut, fmt.Sprintf("%s?offset=%d", writePath, 2*contract.MaxLogChunk), podToken, string(make([]byte, contract.MaxLogChunk)))
		}
		if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "--max-log-bytes") {
			t.Errorf("answered %d %s", status, body)
		}
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

func TestAFollowerGetsWhatComesUntilTheEnd(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	response := r.send(t, http.MethodGet, readPath+"?follow=true&tail=1", aliceToken, nil)
	if got := response.Header.Get(contract.HeaderLogComplete); got != "false" {
		t.Errorf("complete is %q", got)
	}
	lines := bufio.NewReader(response.Body)
	expect := func(want string) {
		t.Helper()
		if got, err := lines.ReadString('\n'); got != want || (err != nil && want != "") {
			t.Fatalf("%q comes, not %q: %v", got, want, err)
		}
	}
	expect("one\n")
	r.put(t, 4, "two\n", false)
	expect("two\n")
	other := NewStore(r.store.bucket, clock.RealClock{}, 1<<20) // another replica
	if _, err := other.Append(t.Context(), aLog, 8, strings.NewReader("three\n"), true); err != nil {
		t.Fatal(err)
	}
	expect("three\n")
	if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end comes %v", err)
	}
}

// A reader has to be able to tell an end from a cut.
func TestAFollowerIsCutWhenTheStoreStops(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	response := r.send(t, http.MethodGet, readPath+"?follow=true", aliceToken, nil)
	lines := bufio.NewReader(response.Body)
	if got, err := lines.ReadString('\n'); got != "one\n" {
		t.Fatal(got, err)
	}
	close(r.stopping)
	if _, err := lines.ReadByte(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ends with %v", err)
	}
}

func TestALogIsFollowedBySoManyAtMost(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	followers := make([]reply, maxFollowers)
	for i := range followers {
		followers[i] = r.send(t, http.MethodGet, readPath+"?follow=true", aliceToken, nil)
	}
	status, body := r.does(t, http.MethodGet, readPath+"?follow=true", aliceToken, "")
	if status != http.StatusTooManyRequests || !strings.Contains(body, "others follow this log") {
		t.Errorf("answered %d %s", status, body)
	}
	if status, _ := r.does(t, http.MethodGet, readPath, aliceToken, ""); status != http.StatusOK {
		t.Errorf("reading is answered %d", status)
	}
	for _, follower := range followers {
		follower.Body.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); status != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatalf("still answered %d when all have gone", status)
		}
		response := r.send(t, http.MethodGet, readPath+"?follow=true", aliceToken, nil)
		response.Body.Close()
		status = response.StatusCode
	}
}

func TestABodyThatIsCutLeavesNothing(t *testing.T) {
	r := newRig(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+writePath+"?offset=0", broken(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+podToken)
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Fatal("it was answered", response.Status)
	}
	if got := r.put(t, 0, "", false); got.Bytes != 0 { // which waits for the one before
		t.Errorf("%d bytes are stored", got.Bytes)
	}
}
