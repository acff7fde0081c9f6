package source

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/github"
)

const sha = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"

// answers is a GitHub that answers a method and a path as told.
type answers func(request string) (int, string)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := a(r.Method + " " + r.URL.Path)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// opened is a link's repository acme/app, whose number is known.
func opened(t *testing.T, credential github.Credential, answer answers) *Repository {
	t.Helper()
	factory, err := github.NewFactory(github.Options{Transport: answer})
	if err != nil {
		t.Fatal(err)
	}
	client, err := factory.Client("github.com", credential, github.Scope{Repository: "acme/app", ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	link := &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	link.Spec.SecretRef = &v1alpha1.ObjectName{Name: "github"}
	link.Status.Repository = &v1alpha1.RepositoryStatus{ID: 1, FullName: "acme/app"}
	return &Repository{link: link, name: "acme/app", client: client}
}

func TestATokenThatIsNotAcceptedIsNotSentAgainToReport(t *testing.T) {
	var asked []string
	r := opened(t, github.Credential{Token: "old"}, func(request string) (int, string) {
		asked = append(asked, request)
		return 401, `{"message": "Bad credentials"}`
	})
	for range 3 {
		if _, _, cause := r.ToReport(t.Context(), ""); cause == nil || cause.Reason != v1alpha1.ReasonTokenRejected {
			t.Fatalf("%v, want TokenRejected", cause)
		}
	}
	if len(asked) != 1 {
		t.Errorf("asked %q", asked)
	}
}

func TestAnAppThatGetsNoTokenIsNotOneThatMayNotReport(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		installation, reason, words string
	}{
		"may not": {`{"account": {"login": "acme"}, "permissions": {"contents": "read"}}`, v1alpha1.ReasonReportRefused, "Commit statuses: Read and write"},
		"suspended": {`{"account": {"login": "acme"}, "permissions": {"contents": "read"}, "suspended_at": "2026-01-02T03:04:05Z"}`,
			v1alpha1.ReasonTokenRejected, "the installation is suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			app := &github.App{ID: 42, InstallationID: 7, PrivateKey: private}
			r := opened(t, github.Credential{App: app}, func(request string) (int, string) {
				switch {
				case strings.HasSuffix(request, "/access_tokens"):
					return 201, `{"token": "ghs_1", "expires_at": "2126-01-02T03:04:05Z"}`
				case strings.Contains(request, "/installations/"):
					return 200, c.installation
				}
				return 403, `{"message": "Resource not accessible by integration"}`
			})
			_, cause := r.TellStatus(t.Context(), sha, reporting.Status{Context: "c", State: reporting.Success}, 0, reporting.Details{})
			if cause == nil || cause.Reason != c.reason || cause.Transient || !strings.Contains(cause.Message, c.words) {
				t.Errorf("%v, want %s", cause, c.reason)
			}
		})
	}
}
