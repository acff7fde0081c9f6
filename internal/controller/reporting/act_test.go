package reporting

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	domain "katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/internal/source"
)

const sha = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"

// stub is a GitHub that gives these answers, "STATUS BODY", by what a request begins with; and what it was asked.
type stub struct {
	answers map[string]string
	asked   []string
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	request := r.Method + strings.TrimPrefix(r.URL.Path, "/repos/acme/app")
	s.asked = append(s.asked, request)
	code, body, _ := strings.Cut(s.answers[request], " ")
	status := map[string]int{"200": 200, "201": 201, "404": 404, "503": 503}[code]
	if status == 0 {
		status, body = http.StatusTeapot, "{}"
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// secrets all hold a token.
type secrets struct{ client.Reader }

func (secrets) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if secret, is := o.(*corev1.Secret); is {
		secret.Data = map[string][]byte{v1alpha1.SecretKeyToken: []byte("writer")}
	}
	return nil
}

// teller tells a GitHub of a run of the linked repository acme/app.
type teller struct {
	*Controller
	stub *stub
	o    *domain.Observation
}

func newTeller(t *testing.T, answers map[string]string) teller {
	t.Helper()
	gh := &stub{answers: answers}
	factory, err := github.NewFactory(github.Options{Transport: gh})
	if err != nil {
		t.Fatal(err)
	}
	link := &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	link.Spec.Host, link.Spec.Repository, link.Spec.SecretRef = "github.com", "acme/app", &v1alpha1.ObjectName{Name: "github"}
	link.Status.Repository = &v1alpha1.RepositoryStatus{ID: 1, FullName: "acme/app"}
	answers["GET"] = `200 {"id": 1, "full_name": "acme/app"}`
	return teller{
		Controller: &Controller{Source: &source.Opener{Secrets: secrets{}, GitHub: factory}, records: lru.New(9)},
		stub:       gh, o: &domain.Observation{Link: link, Run: &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{UID: "1"}}},
	}
}

func statuses(contexts ...string) domain.Desired {
	desired := domain.Desired{SHA: sha, Contexts: contexts}
	for _, context := range contexts {
		desired.Statuses = append(desired.Statuses, domain.Status{Context: context, State: domain.Success})
	}
	return desired
}

func deploys() domain.Desired {
	return domain.Desired{SHA: sha, Deployment: &domain.Deployment{Task: "t", Environment: "DEV", Run: "r", RunUID: "1", State: domain.InProgress}}
}

// wants checks a problem's reason; "": there is none.
func wants(t *testing.T, cause *problem.Problem, reason string, transient bool) {
	t.Helper()
	if got := cause; (got == nil) != (reason == "") || (got != nil && (got.Reason != reason || got.Transient != transient)) {
		t.Errorf("%v, want %q", cause, reason)
	}
}

// TestWhatIsReadIsNoProgress: an attempt that writes nothing waits longer each time, however much GitHub says.
func TestWhatIsReadIsNoProgress(t *testing.T) {
	for name, c := range map[string]struct {
		desired domain.Desired
		write   string
	}{
		"a status":                {statuses("a"), "POST/statuses/" + sha},
		"a deployment":            {deploys(), "POST/deployments/7/statuses"},
		"a deployment to be made": {deploys(), "POST/deployments"},
		"more than one":           {statuses("a", "b"), "POST/statuses/" + sha},
	} {
		t.Run(name, func(t *testing.T) {
			found := `200 [{"id": 7, "payload": {"runUID": "1"}}]`
			if c.write == "POST/deployments" {
				found = "200 []"
			}
			k := newTeller(t, map[string]string{
				"GET/commits/" + sha + "/statuses": "200 []", "GET/deployments": found, "GET/deployments/7/statuses": "200 []", c.write: "503 {}",
			})
			for range 3 {
				cause, progress := k.tell(t.Context(), k.o, c.desired)
				if wants(t, cause, v1alpha1.ReasonGitHubUnavailable, true); progress {
					t.Errorf("progress after %q", k.stub.asked)
				}
			}
			if !slices.Contains(k.stub.asked, c.write) {
				t.Errorf("asked %q", k.stub.asked)
			}
		})
	}
}

// TestWhatIsTakenIsProgressOnce: not again, should GitHub show something else of it than it was told.
func TestWhatIsTakenIsProgressOnce(t *testing.T) {
	k := newTeller(t, map[string]string{
		"GET/commits/" + sha + "/statuses": "200 []", "POST/statuses/" + sha: "201 {}", "GET/deployments": "503 {}",
	})
	desired := statuses("a", "b")
	desired.Deployment = deploys().Deployment
	for _, want := range []bool{true, false, false} {
		cause, progress := k.tell(t.Context(), k.o, desired)
		if wants(t, cause, v1alpha1.ReasonGitHubUnavailable, true); progress != want {
			t.Errorf("progress %t after %q", progress, k.stub.asked)
		}
		known, _ := k.records.Get(k.o.Run.UID)
		known.(*record).Statuses = nil
	}
}

func TestADeploymentThatIsThereAndCannotBeWrittenIsRefusedForGood(t *testing.T) {
	k := newTeller(t, map[string]string{
		"GET/deployments": `200 [{"id": 7, "payload": {"runUID": "1"}}]`, "GET/deployments/7/statuses": "200 []", "POST/deployments/7/statuses": "404 {}",
	})
	for range 2 {
		cause, _ := k.tell(t.Context(), k.o, deploys())
		wants(t, cause, v1alpha1.ReasonReportRefused, false)
	}
	if want := []string{"GET", "GET/deployments", "GET/deployments/7/statuses", "POST/deployments/7/statuses"}; !slices.Equal(k.stub.asked, want) {
		t.Errorf("asked %q", k.stub.asked)
	}
}

func TestADeploymentThatSomebodyDeletedIsMadeAgain(t *testing.T) {
	k := newTeller(t, map[string]string{"GET/deployments": "200 []", "POST/deployments": `201 {"id": 7}`, "POST/deployments/7/statuses": "201 {}"})
	desired := deploys()
	cause, _ := k.tell(t.Context(), k.o, desired)
	wants(t, cause, "", false)
	desired.Deployment.State = domain.Success
	maps.Copy(k.stub.answers, map[string]string{
		"POST/deployments/7/statuses": "404 {}", "GET/deployments/7/statuses": "404 {}",
		"POST/deployments": `201 {"id": 8}`, "POST/deployments/8/statuses": "201 {}",
	})
	for range 2 {
		cause, _ := k.tell(t.Context(), k.o, desired)
		wants(t, cause, v1alpha1.ReasonGitHubUnavailable, true)
	}
	cause, progress := k.tell(t.Context(), k.o, desired)
	if wants(t, cause, "", false); !progress {
		t.Errorf("asked %q", k.stub.asked)
	}
}
