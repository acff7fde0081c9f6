package receiver

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var bothLinks = []string{"d-one/app push", "d-two/api push"}

func TestSignature(t *testing.T) {
	right := "sha256=" + sign(sha256.New, secret, pushed)
	set := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-Hub-Signature-256"] = values }
	}
	for name, c := range map[string]struct {
		prepare func(*http.Request)
		right   bool
	}{
		"the right one":                       {set(right), true},
		"in upper-case hex":                   {set("sha256=" + strings.ToUpper(right[7:])), true},
		"of another secret":                   {set("sha256=" + sign(sha256.New, "another-secret-of-this-length", pushed)), false},
		"of no secret":                        {set("sha256=" + sign(sha256.New, "", pushed)), false},
		"of another body":                     {set("sha256=" + sign(sha256.New, secret, append(slices.Clone(pushed), ' '))), false},
		"one digit off":                       {set(flip(right)), false},
		"none at all":                         {func(r *http.Request) { r.Header.Del("X-Hub-Signature-256"); r.Header.Del("X-Hub-Signature") }, false},
		"SHA-1 alone":                         {func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, false},
		"SHA-1 in the header of SHA-256":      {set("sha1=" + sign(sha1.New, secret, pushed)), false},
		"SHA-1 that says it were SHA-256":     {set("sha256=" + sign(sha1.New, secret, pushed)), false},
		"empty":                               {set(""), false},
		"without digits":                      {set("sha256="), false},
		"without its name":                    {set(right[7:]), false},
		"with another name's case":            {set("SHA256=" + right[7:]), false},
		"cut":                                 {set(right[:len(right)-1]), false},
		"cut by a byte":                       {set(right[:len(right)-2]), false},
		"longer":                              {set(right + "00"), false},
		"of digits that are none":             {set("sha256=" + strings.Repeat("zz", 32)), false},
		"with a blank":                        {set("sha256= " + right[8:]), false},
		"several, the right one first":        {set(right, flip(right)), false},
		"several, the right one last":         {set(flip(right), right), false},
		"several in one header, right at all": {set(right + "," + right), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			request := delivery("push", pushed)
			c.prepare(request)
			wantStatus, wantAsked, wantResult := http.StatusUnauthorized, []string(nil), "forged"
			if c.right {
				wantStatus, wantAsked, wantResult = http.StatusAccepted, bothLinks, "accepted"
			}
			if status := r.deliver(request).StatusCode; status != wantStatus {
				t.Errorf("answered %d, want %d", status, wantStatus)
			}
			if diff := cmp.Diff(wantAsked, r.takeAsked()); diff != "" {
				t.Errorf("links asked for (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{wantResult: 1}, r.counts(t)); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			if c.right != (r.found > 0) {
				t.Errorf("links were looked for %d times", r.found)
			}
		})
	}
}

// flip changes the last digit.
func flip(signature string) string {
	digit := "0"
	if strings.HasSuffix(signature, "0") {
		digit = "1"
	}
	return signature[:len(signature)-1] + digit
}

func TestAnswers(t *testing.T) {
	form := []byte("payload=" + url.QueryEscape(string(pushed)))
	for name, c := range map[string]struct {
		request *http.Request
		prepare func(*rig, *http.Request)
		status  int
		result  string
		text    string
		asked   []string
	}{
		"a push":         {request: delivery("push", pushed), status: 202, result: "accepted", asked: bothLinks},
		"a pull request": {request: delivery("pull_request", pushed), status: 202, result: "accepted", asked: []string{"d-one/app pull_request", "d-two/api pull_request"}},
		"a comment":      {request: delivery("issue_comment", pushed), status: 202, result: "accepted", asked: []string{"d-one/app issue_comment", "d-two/api issue_comment"}},
		"a button": {request: delivery("check_run", []byte(`{"action":"rerequested","check_run":{"id":4711},"repository":{"full_name":"acme/taskrunner"}}`)),
			status: 202, result: "accepted", asked: []string{"d-one/app check_run/4711", "d-two/api check_run/4711"}},
		"a check run that was made": {request: delivery("check_run", []byte(`{"action":"created","check_run":{"id":4711},"repository":{"full_name":"acme/taskrunner"}}`)),
			status: 202, result: "ignored"},
		"of an unknown repository": {request: delivery("push", []byte(`{"repository":{"full_name":"acme/other"}}`)), status: 202, result: "accepted"},
		"a ping":                   {request: delivery("ping", []byte(`{"zen":"Design for failure."}`)), status: 200, result: "ping", text: "pong"},
		"an event of no interest":  {request: delivery("star", pushed), status: 202, result: "ignored"},
		"an event without a name":  {request: delivery("", pushed), status: 202, result: "ignored"},
		"a repository that is described anew": {
			request: delivery("repository", []byte(`{"action":"edited","repository":{"full_name":"acme/taskrunner"}}`)), status: 202, result: "ignored"},
		"JSON with a charset": {request: delivery("push", pushed), status: 202, result: "accepted", asked: bothLinks,
			prepare: func(_ *rig, r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }},
		"a form, as the webhook's setting has it at first": {request: delivery("push", form), status: 415, result: "wrong_type", text: `choose "application/json"`,
			prepare: func(_ *rig, r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		"of no type": {request: delivery("push", pushed), status: 415, result: "wrong_type",
			prepare: func(_ *rig, r *http.Request) { r.Header.Del("Content-Type") }},
		"an empty body":       {request: delivery("push", nil), status: 400, result: "malformed"},
		"not JSON":            {request: delivery("push", []byte("{")), status: 400, result: "malformed"},
		"JSON of another":     {request: delivery("push", []byte(`{"repository":"acme/taskrunner"}`)), status: 400, result: "malformed"},
		"of no repository":    {request: delivery("push", []byte(`{}`)), status: 400, result: "malformed"},
		"while links are not": {request: delivery("push", pushed), status: 503, result: "unavailable", prepare: func(r *rig, _ *http.Request) { r.down = true }},
		"from GitHub Enterprise": {request: delivery("push", pushed), status: 202, result: "accepted", asked: []string{"d-three/app push"},
			prepare: func(r *rig, request *http.Request) {
				r.links["ghe.example.com/acme/taskrunner"] = append(r.links["ghe.example.com/acme/taskrunner"], link("d-three", "app"))
				request.Header.Set("X-GitHub-Enterprise-Host", "GHE.example.com")
			}},
		"got":       {request: httptest.NewRequest(http.MethodGet, Path, nil), status: 405, result: "unrouted"},
		"elsewhere": {request: httptest.NewRequest(http.MethodPost, "/", nil), status: 404, result: "unrouted"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.prepare != nil {
				c.prepare(r, c.request)
			}
			response := r.deliver(c.request)
			if text := response.Text; response.StatusCode != c.status || !strings.Contains(text, c.text) {
				t.Errorf("answered %d %q, want %d and %q in it", response.StatusCode, text, c.status, c.text)
			}
			if retry := response.Header.Get("Retry-After"); (c.status == 503) != (retry != "") {
				t.Errorf("Retry-After is %q", retry)
			}
			if diff := cmp.Diff(c.asked, r.takeAsked()); diff != "" {
				t.Errorf("links asked for (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{c.result: 1}, r.counts(t)); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

// What would be answered or remembered of a delivery whose signature is right shows nowhere when it is wrong.
func TestNothingIsReadBeforeTheSignatureIsRight(t *testing.T) {
	form := func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
	star := func(r *http.Request) { r.Header.Set("X-GitHub-Event", "star") }
	ping := func(r *http.Request) { r.Header.Set("X-GitHub-Event", "ping") }
	same := func(*http.Request) {}
	var forgeries []string
	for name, c := range map[string]struct {
		body       []byte
		prepare    func(*http.Request)
		whenSigned int
	}{
		"a push":            {pushed, same, 202},
		"a ping":            {pushed, ping, 200},
		"an unknown event":  {pushed, star, 202},
		"a form":            {pushed, form, 415},
		"no JSON":           {[]byte("{"), same, 400},
		"an empty body":     {nil, same, 400},
		"JSON that is deep": {bytes.Repeat([]byte("["), 1<<20), same, 400},
	} {
		r := newRig(t)
		request := delivery("push", c.body)
		request.Header.Set(signatureHeader, flip(request.Header.Get(signatureHeader)))
		c.prepare(request)
		response := r.deliver(request)
		forgeries = append(forgeries, response.String())
		if r.found > 0 || len(r.takeAsked()) > 0 || r.logged.Len() > 0 {
			t.Errorf("%s: links were looked for %d times, the log says %s", name, r.found, r.logged)
		}
		// The same GUID, now signed: it comes for the first time.
		request = delivery("push", c.body)
		c.prepare(request)
		if status := r.deliver(request).StatusCode; status != c.whenSigned {
			t.Errorf("%s, signed, is answered with %d, want %d: so the table does not tell what is read", name, status, c.whenSigned)
		}
		if asked := r.takeAsked(); name == "a push" && len(asked) != 2 {
			t.Errorf("after a forgery of the same GUID the links asked for are %v", asked)
		}
	}
	if slices.Sort(forgeries); len(slices.Compact(forgeries)) != 1 {
		t.Errorf("forgeries are told apart by what they are answered:\n%s", strings.Join(forgeries, "\n"))
	}
}

func TestAnAnswerDoesNotTellWhatIsLinked(t *testing.T) {
	r := newRig(t)
	answers := map[string]string{
		"linked":     r.deliver(delivery("push", pushed)).String(),
		"replayed":   r.deliver(delivery("push", pushed)).String(),
		"not linked": r.deliver(delivery("push", []byte(`{"repository":{"full_name":"acme/other"}}`))).String(),
		"ignored":    r.deliver(delivery("star", pushed)).String(),
	}
	if distinct := slices.Compact(slices.Sorted(maps.Values(answers))); len(distinct) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
}

func TestReplays(t *testing.T) {
	other := []byte(`{"ref":"refs/heads/other","repository":{"full_name":"acme/taskrunner"}}`)
	with := func(guid string, body []byte) *http.Request {
		request := delivery("push", body)
		request.Header.Set("X-GitHub-Delivery", guid)
		return request
	}
	for name, c := range map[string]struct {
		first, second *http.Request
		again         bool
	}{
		"the same delivery":                      {with("a", pushed), with("a", pushed), false},
		"the same body by another GUID":          {with("a", pushed), with("b", pushed), false},
		"the same body by no GUID":               {with("a", pushed), with("", pushed), false},
		"another body by the same GUID":          {with("a", pushed), with("a", other), false},
		"another delivery":                       {with("a", pushed), with("b", other), true},
		"another delivery, neither with GUID":    {with("", pushed), with("", other), true},
		"another delivery, GUIDs without an end": {with(strings.Repeat("a", 9000), pushed), with("b"+strings.Repeat("a", 9000), other), true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.deliver(c.first)
			if diff := cmp.Diff(bothLinks, r.takeAsked()); diff != "" {
				t.Errorf("at first (-want +got):\n%s", diff)
			}
			if status := r.deliver(c.second).StatusCode; status != http.StatusAccepted {
				t.Errorf("answered %d", status)
			}
			if asked := r.takeAsked(); (len(asked) > 0) != c.again {
				t.Errorf("then it asked for %v", asked)
			}
		})
	}

	t.Run("a delivery that came to nothing may come again", func(t *testing.T) {
		r := newRig(t)
		r.down = true
		r.deliver(delivery("push", pushed))
		r.down = false
		r.deliver(delivery("push", pushed))
		if diff := cmp.Diff(bothLinks, r.takeAsked()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("memory has an end, and forgets the oldest first", func(t *testing.T) {
		s := newSeen(100)
		for i := range 1000 {
			key := string(rune(i))
			if !s.first(key, []byte(key)) {
				t.Fatalf("delivery %d was not seen before", i)
			}
		}
		if n := s.recent.Len(); n != 200 {
			t.Errorf("%d are remembered", n)
		}
		if s.first(string(rune(999)), []byte("x")) || !s.first(string(rune(1)), []byte{1}) {
			t.Error("not the newest are remembered")
		}
	})
}

func TestRotation(t *testing.T) {
	r := newRig(t)
	status := func(key string) int {
		request := delivery("push", pushed)
		request.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, key, pushed))
		return r.deliver(request).StatusCode
	}
	expect := func(when string, older, newer int) {
		t.Helper()
		if gotOlder, gotNewer := status(olderSecret), status(secret); gotOlder != older || gotNewer != newer {
			t.Errorf("%s: the older secret is answered with %d and the newer with %d, want %d and %d", when, gotOlder, gotNewer, older, newer)
		}
	}
	expect("one secret", 401, 202)
	r.write(t, olderSecret, "", secret)
	expect("two, not read yet", 401, 202)
	r.clock.Step(reloadInterval)
	expect("two", 202, 202)
	r.write(t, olderSecret)
	r.clock.Step(reloadInterval)
	expect("the other alone", 202, 401)

	for name, broken := range map[string]string{"empty": "", "white space": " \n\t\n", "short": "short"} {
		r.write(t, broken)
		r.clock.Step(reloadInterval)
		expect("a file that is "+name, 202, 401)
	}
	r.logged.Reset()
	for range 10 {
		r.clock.Step(reloadInterval)
		status(secret)
	}
	if text := r.logged.String(); text != "" {
		t.Errorf("what is wrong with the file is told more than once: %s", text)
	}
	r.write(t, secret)
	r.clock.Step(reloadInterval)
	expect("mended", 401, 202)
}

func TestNothingSecretIsLogged(t *testing.T) {
	r := newRig(t)
	r.down = true
	for _, body := range [][]byte{pushed, []byte(`{"password":"hunter2-in-the-body"`), []byte(`{"repository":{"full_name":7,"x":"hunter2-in-the-body"}}`)} {
		request := delivery("push", body)
		r.deliver(request)
		signature := request.Header.Get(signatureHeader)
		request = delivery("push", body)
		request.Header.Set(signatureHeader, flip(signature))
		r.deliver(request)
		for _, part := range []string{secret, signature[7:], "hunter2-in-the-body", "TaskRunner"} {
			if strings.Contains(r.logged.String(), part) {
				t.Errorf("the log holds %q: %s", part, r.logged)
			}
		}
	}
	r.write(t, "short")
	r.clock.Step(time.Minute)
	r.deliver(delivery("push", pushed))
	if text := r.logged.String(); !strings.Contains(text, "line 1") || strings.Contains(text, "short") {
		t.Errorf("the log says of a file that cannot be used: %s", text)
	}
}
