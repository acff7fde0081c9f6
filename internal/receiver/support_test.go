package receiver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"

	"katkit.dev/katkit/internal/domain/click"
)

const (
	secret      = "the-secret-of-the-webhook"
	olderSecret = "the-secret-of-last-summer"
)

var pushed = []byte(`{"ref":"refs/heads/main","repository":{"id":1,"full_name":"Acme/TaskRunner"}}`)

// rig is a handler between a GitHub and a cluster that the test plays.
type rig struct {
	*Handler
	clock    *testclock.FakeClock
	path     string // of the secrets
	registry *prometheus.Registry
	logged   *bytes.Buffer

	mu    sync.Mutex
	links map[string][]types.NamespacedName // by repositoryKey
	down  bool                              // the cache
	found int                               // how often links were looked for
	asked []string                          // namespace/name, and cause or kind/number of a button
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	r := &rig{
		clock: testclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), path: filepath.Join(tb.TempDir(), "secret"),
		registry: prometheus.NewRegistry(), logged: &bytes.Buffer{},
		links: map[string][]types.NamespacedName{"github.com/acme/taskrunner": {{Namespace: "d-one", Name: "app"}, {Namespace: "d-two", Name: "api"}}},
	}
	r.write(tb, secret)
	var mu sync.Mutex
	log := funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		r.logged.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 10})
	secrets, err := OpenSecrets(r.path, r.clock, log)
	if err != nil {
		tb.Fatal(err)
	}
	r.Handler = NewHandler(secrets, r, r, newMetrics(tb, r.registry), log)
	return r
}

func newMetrics(tb testing.TB, registry *prometheus.Registry) *Metrics {
	tb.Helper()
	metrics, err := NewMetrics(registry)
	if err != nil {
		tb.Fatal(err)
	}
	return metrics
}

func (r *rig) write(tb testing.TB, secrets ...string) {
	tb.Helper()
	if err := os.WriteFile(r.path, []byte(strings.Join(secrets, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// Find plays the cache.
func (r *rig) Find(_ context.Context, host string, repositories []string) ([]types.NamespacedName, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found++
	if r.down {
		return nil, errors.New("the cache is not there")
	}
	var links []types.NamespacedName
	for _, repository := range repositories {
		links = append(links, r.links[repositoryKey(host, repository)]...)
	}
	return links, nil
}

// Request plays the requester.
func (r *rig) Request(link types.NamespacedName, cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, link.String()+" "+cause)
}

// Press plays the requester.
func (r *rig) Press(link types.NamespacedName, button click.Button) {
	r.Request(link, fmt.Sprint(button.Kind, "/", button.ID))
}

// takeAsked returns what was asked since it was called last.
func (r *rig) takeAsked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// counts are the deliveries by result.
func (r *rig) counts(tb testing.TB) map[string]int {
	tb.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		if family.GetName() == "katkit_receiver_deliveries_total" {
			for _, metric := range family.GetMetric() {
				counts[metric.GetLabel()[0].GetValue()] = int(metric.GetCounter().GetValue())
			}
		}
	}
	return counts
}

// reply is what a request was answered with.
type reply struct {
	StatusCode int
	Header     http.Header
	Text       string
}

// deliver sends a request straight to the handler.
func (r *rig) deliver(request *http.Request) reply {
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, request)
	return reply{StatusCode: recorder.Code, Header: recorder.Header(), Text: recorder.Body.String()}
}

// String is all of it.
func (r reply) String() string { return fmt.Sprint(r.StatusCode, "\n", r.Header, "\n", r.Text) }

func sign(algorithm func() hash.Hash, key string, body []byte) string {
	mac := hmac.New(algorithm, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// delivery is a request as GitHub makes it, signed with the secret.
func delivery(event string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://katkit.example.com"+Path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	r.Header.Set("X-Hub-Signature", "sha1="+sign(sha1.New, secret, body))
	r.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, secret, body))
	return r
}

func link(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}
