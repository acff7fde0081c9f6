package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"katkit.dev/katkit/internal/contract"
)

func TestFlags(t *testing.T) {
	for name, test := range map[string]struct{ args, want string }{
		"no bucket":             {"", "--bucket is missing"},
		"no such flag":          {"--nonsense", "flag provided but not defined"},
		"an argument":           {"--bucket=mem:// x", `unexpected argument "x"`},
		"logs of half an hour":  {"--bucket=mem:// --retention=30m", "less than an hour"},
		"a key without a cert":  {"--bucket=mem:// --tls-key-file=x", "go together"},
		"no byte":               {"--bucket=mem:// --max-log-bytes=0", "1 at least"},
		"fewer than no byte":    {"--bucket=mem:// --max-namespace-bytes=-1", "a number of bytes"},
		"any number of bytes":   {"--bucket=mem:// --max-namespace-bytes=0", ""},
		"logs that are kept":    {"--bucket=mem:// --retention=0", ""},
		"logs of S3":            {"--bucket=s3://logs?region=eu-central-1&prefix=katkit/", ""},
		"a retention in months": {"--bucket=mem:// --retention=3months", "invalid value"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := parse(strings.Fields(test.args)); (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

const (
	namespace, phase = "d-shop", "app-1-0-build"
	pod              = phase + "-0a1b2c3d-1-0"
	podUID           = types.UID("8b1e7f6c-0000-4000-8000-000000000001")
)

// tokenOf is a token that says of itself that it is a Pod's. Nobody asks who signed it but the API server.
func tokenOf(namespace, pod string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil,
		`{"iss":"https://kubernetes.default.svc","aud":[%q],"kubernetes.io":{"namespace":%q,"pod":{"name":%q,"uid":%q}}}`,
		contract.LogAudience, namespace, pod, podUID)) + ".e30"
}

var tokens = regexp.MustCompile(`e30\.([\w-]+)\.e30`)

// userOf is who bears the token that a review is about, as the token says.
func userOf(review io.Reader) authenticationv1.UserInfo {
	asked, _ := io.ReadAll(review) // whatever it is encoded as
	var said struct {
		Kubernetes struct {
			Namespace string
			Pod       struct{ Name, UID string }
		} `json:"kubernetes.io"`
	}
	if found := tokens.FindSubmatch(asked); found != nil {
		claims, _ := base64.RawURLEncoding.DecodeString(string(found[1]))
		_ = json.Unmarshal(claims, &said)
	}
	bound := said.Kubernetes
	return authenticationv1.UserInfo{
		Username: "system:serviceaccount:" + bound.Namespace + ":default",
		Extra: map[string]authenticationv1.ExtraValue{
			"authentication.kubernetes.io/pod-name": {bound.Pod.Name}, "authentication.kubernetes.io/pod-uid": {bound.Pod.UID},
		},
	}
}

// apiServer answers every review with yes, and returns a kubeconfig.
func apiServer(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var answer any = authorizationv1.SubjectAccessReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
			Status:   authorizationv1.SubjectAccessReviewStatus{Allowed: true},
		}
		if strings.HasSuffix(r.URL.Path, "tokenreviews") {
			answer = authenticationv1.TokenReview{
				TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"},
				Status:   authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{contract.LogAudience}, User: userOf(r.Body)},
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	tb.Cleanup(server.Close)
	file := filepath.Join(tb.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL}
	config.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	config.CurrentContext = "c"
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		tb.Fatal(err)
	}
	return file
}

// binary is the store, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "logstore")
	if err == nil {
		binary = filepath.Join(folder, "logstore")
		err = exec.CommandContext(context.Background(), "go", "build", "-o", binary, ".").Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the log store:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// store is a log store that is started and killed.
type store struct {
	kubeconfig, address, bucket string
	process                     *exec.Cmd
}

// newStore is one with a bucket, of which "" is a folder.
func newStore(tb testing.TB, bucket string) *store {
	tb.Helper()
	if bucket == "" {
		bucket = "file://" + filepath.Join(tb.TempDir(), "logs")
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &store{kubeconfig: apiServer(tb), address: listener.Addr().String(), bucket: bucket}
	listener.Close()
	return s
}

func (s *store) start(tb testing.TB, flags ...string) {
	tb.Helper()
	s.process = s.command(tb, flags...)
	s.process.Stderr = tb.Output()
	if err := s.process.Start(); err != nil {
		tb.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		connection, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", s.address)
		if err == nil {
			connection.Close()
			return
		}
		if time.Now().After(deadline) {
			tb.Fatal("it does not serve:", err)
		}
	}
}

func (s *store) command(tb testing.TB, flags ...string) *exec.Cmd {
	tb.Helper()
	flags = append(flags, "--bucket="+s.bucket, "--bind-address="+s.address, "--health-probe-bind-address=0")
	command := exec.CommandContext(tb.Context(), binary, flags...)
	command.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	return command
}

func (s *store) end(signal syscall.Signal) error {
	if err := s.process.Process.Signal(signal); err != nil {
		return err
	}
	return s.process.Wait()
}

func (s *store) send(ctx context.Context, method, path string, body io.Reader) (int, []byte, error) {
	return s.sendAs(ctx, tokenOf(namespace, pod), method, path, body)
}

func (s *store) sendAs(ctx context.Context, token, method, path string, body io.Reader) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, body)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, content, err
}

func (s *store) put(ctx context.Context, offset int64, complete bool, body io.Reader) (contract.LogState, error) {
	return s.putTo(ctx, namespace, pod, offset, complete, body)
}

func (s *store) putTo(ctx context.Context, namespace, pod string, offset int64, complete bool, body io.Reader) (state contract.LogState, err error) {
	path := fmt.Sprintf("%s?offset=%d&complete=%v", contract.LogPath(namespace, pod), offset, complete)
	status, answer, err := s.sendAs(ctx, tokenOf(namespace, pod), http.MethodPut, path, body)
	if err != nil {
		return state, err
	}
	if status != http.StatusOK {
		return state, fmt.Errorf("answered %d %s", status, answer)
	}
	return state, json.Unmarshal(answer, &state)
}

// holds checks that what is read of the log is the content.
func (s *store) holds(t *testing.T, content []byte) {
	t.Helper()
	status, answer, err := s.send(t.Context(), http.MethodGet, contract.ReadLogPath(namespace, phase, pod), nil)
	if err != nil || status != http.StatusOK || !bytes.Equal(answer, content) {
		t.Errorf("%d bytes are read (%d, %v), and they are not the %d that were written", len(answer), status, err, len(content))
	}
}

// takesTheRest checks that the store has what it acknowledged, brings the rest of the content as a writer does, and ends the store.
func (s *store) takesTheRest(t *testing.T, content []byte, acknowledged int64) {
	t.Helper()
	var state contract.LogState
	status, answer, err := s.send(t.Context(), http.MethodGet, contract.LogPath(namespace, pod), nil)
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &state) != nil || state.Bytes < acknowledged {
		t.Fatalf("%d bytes were acknowledged, and %d %s is left: %v", acknowledged, status, answer, err)
	}
	if state, err = s.put(t.Context(), state.Bytes, true, bytes.NewReader(content[state.Bytes:])); err != nil || !state.Complete {
		t.Fatal(state, err)
	}
	s.holds(t, content)
	s.endsWell(t)
}

func (s *store) endsWell(t *testing.T) {
	t.Helper()
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("told to end it ends with %v", err)
	}
}

// mark is a reader of nothing that does something when it is reached.
type mark func()

func (m mark) Read([]byte) (int, error) {
	m()
	return 0, io.EOF
}

// However a store is killed while it is written to, what it acknowledged is there, byte for byte, and the writer goes on where it was.
func TestWhatIsAcknowledgedOutlivesKill9(t *testing.T) {
	outlives(t, newStore(t, ""), 25)
}

func outlives(t *testing.T, s *store, lives int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var content []byte
	var acknowledged int64
	more := func() []byte {
		for range 1 + random.IntN(200_000) {
			content = append(content, byte(random.IntN(256)))
		}
		return content[acknowledged:]
	}
	for life := range lives {
		s.start(t)
		for range random.IntN(6) {
			body := more()
			state, err := s.put(t.Context(), acknowledged, false, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			acknowledged = state.Bytes
		}
		body := more()
		kill := mark(func() { _ = s.process.Process.Kill() })
		half := random.IntN(len(body) + 1)
		source := io.MultiReader(bytes.NewReader(body[:half]), kill, bytes.NewReader(body[half:]))
		if life%2 == 0 { // while it stores or answers, perhaps
			source = io.MultiReader(bytes.NewReader(body), mark(func() { go kill() }))
		}
		if state, err := s.put(t.Context(), acknowledged, false, source); err == nil {
			acknowledged = state.Bytes
		}
		_ = s.process.Wait() // killed
	}
	s.start(t)
	s.takesTheRest(t, content, acknowledged)
}
