package openapi

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"katkit.dev/katkit/test/fakegithub"
)

// Test is what reports; a *testing.T is one, and so is Ginkgo's GinkgoT().
type Test interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// apiRoot is where an Enterprise Server has the API that the description has at the root of api.github.com.
const apiRoot = "/api/v3"

// Check serves next. At the end of the test, when what is registered after it has been cleaned up, every difference
// between the description and what was asked or answered fails the test; the same difference of one endpoint is told once.
func Check(t Test, next http.Handler) http.Handler {
	t.Helper()
	d, err := github()
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("GitHub's OpenAPI description is needed under CI: %v: run the tests with %s=$(hack/octokit-assets.sh)", err, EnvAssets)
	}
	if err != nil {
		t.Logf("not checked against GitHub's OpenAPI description, which is not there: run the tests with %s=$(hack/octokit-assets.sh)", EnvAssets)
		return next
	}
	return check(t, d, next)
}

func check(t Test, d *description, next http.Handler) http.Handler {
	t.Helper()
	c := &checker{description: d, next: next, told: map[string]bool{}}
	t.Cleanup(func() {
		t.Helper()
		if found := c.found(); len(found) > 0 {
			t.Errorf("GitHub's OpenAPI description says otherwise:\n%s", strings.Join(found, "\n"))
		}
	})
	return c
}

// checker is the handler that Check makes.
type checker struct {
	description *description
	next        http.Handler

	mu         sync.Mutex
	violations []string
	told       map[string]bool
}

// ServeHTTP implements [http.Handler].
func (c *checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, apiRoot+"/") {
		c.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		body = nil // the client went away
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	input := c.request(r, body)
	answer := &answerCopy{ResponseWriter: w, status: http.StatusOK}
	c.next.ServeHTTP(answer, r)
	if w.Header().Get(fakegithub.HeaderFault) == "" {
		c.answer(r, input, answer)
	}
}

// request checks a request. The result is nil when the description doesn't know what is asked for.
func (c *checker) request(r *http.Request, body []byte) *openapi3filter.RequestValidationInput {
	for _, problem := range headerProblems(r) {
		c.violated(r, "request", problem)
	}
	path, parameters, known := c.description.find(r.Method, described(r))
	if path == "" {
		problem := "no such path"
		if known {
			problem = "no such method"
		}
		c.violated(r, "request", problem)
		return nil
	}
	doc, err := c.description.path(path)
	if err != nil {
		c.violated(r, "request", err.Error())
		return nil
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	item := doc.Paths.Value(path)
	input := &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: parameters, QueryParams: r.URL.Query(), Options: options(),
		Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		c.violated(r, "request", reasons(err)...)
	}
	for _, problem := range unknownToOperation(input, body) {
		c.violated(r, "request", problem)
	}
	return input
}

func options() *openapi3filter.Options {
	return &openapi3filter.Options{
		MultiError: true, IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
		AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableFormatValidation(), openapi3.WithStringFormatValidators(formats())},
	}
}

var byID = regexp.MustCompile(`^/repositories/[0-9]+`)

// described is the path as the description has it. That a repository is also found by its ID, where redirects and Link
// lead, it says nowhere; nor that the path of the root's contents is empty.
func described(r *http.Request) string {
	path := byID.ReplaceAllString(strings.TrimPrefix(r.URL.EscapedPath(), apiRoot), "/repos/id/id")
	if strings.HasSuffix(path, "/contents/") {
		path += "%2F"
	}
	return path
}

// maxReasons and maxReason bound what is told of one request or answer.
const (
	maxReasons = 5
	maxReason  = 200
)

// violated notes a difference.
func (c *checker) violated(r *http.Request, what string, reasons ...string) {
	if len(reasons) > maxReasons {
		reasons = append(reasons[:maxReasons:maxReasons], fmt.Sprintf("and %d more", len(reasons)-maxReasons))
	}
	for i, reason := range reasons {
		if len(reason) > maxReason {
			reasons[i] = reason[:maxReason] + "..."
		}
	}
	why := what + ":\n    " + strings.Join(reasons, "\n    ")
	endpoint, _, _ := c.description.find(r.Method, described(r))
	key := r.Method + " " + cmp.Or(endpoint, r.URL.RequestURI()) + " " + why
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.told[key] {
		c.told[key] = true
		c.violations = append(c.violations, r.Method+" "+r.URL.RequestURI()+": "+why)
	}
}

func (c *checker) found() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.violations)
}
