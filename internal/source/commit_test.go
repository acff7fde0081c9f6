package source

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

// hub is a GitHub with the repository acme/app, a fork of it, and a link that has been looked at before anything of the fork was there.
type hub struct {
	*testing.T
	server    *fakegithub.Server
	app, fork *fakegithub.Repository
	link      *v1alpha1.TenantRepoLink
	host      github.Host
}

func newHub(t *testing.T) *hub {
	t.Helper()
	server, err := fakegithub.New(fakegithub.Options{Dir: t.TempDir(), Tokens: map[string]fakegithub.Account{
		"token": {Login: "bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Read}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(openapi.Check(t, server))
	t.Cleanup(func() { listener.Close(); server.Close() })
	h := &hub{T: t, server: server, link: &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}}
	h.link.Spec.HomeBranch = "main"
	if h.app, err = server.CreateRepository("acme/app", fakegithub.RepositoryOptions{DefaultBranch: "main"}); err != nil {
		t.Fatal(err)
	}
	h.commit(h.app, "main", "")
	h.commit(h.app, "release", "main")
	if h.fork, err = server.Fork("acme/app", "mallory/app"); err != nil {
		t.Fatal(err)
	}
	if h.host, err = github.ParseHost("github.example.com=" + listener.URL); err != nil {
		t.Fatal(err)
	}
	return h
}

// commit adds a commit to a branch, which begins at another one if that is named.
func (h *hub) commit(to *fakegithub.Repository, branch, from string) string {
	h.Helper()
	sha, err := to.Commit(fakegithub.Commit{Branch: branch, From: from, Message: to.Name() + " " + branch})
	if err != nil {
		h.Fatal(err)
	}
	return sha
}

// pull opens a pull request of a branch and returns its number.
func (h *hub) pull(from *fakegithub.Repository, branch string) int {
	h.Helper()
	number, err := h.app.OpenPullRequest(fakegithub.PullRequest{Title: branch, Head: branch, HeadRepository: from.Name()})
	if err != nil {
		h.Fatal(err)
	}
	return number
}

// open is the repository as a process of its own knows it, which remembers nothing.
func (h *hub) open() *Repository {
	h.Helper()
	factory, err := github.NewFactory(github.Options{Hosts: []github.Host{h.host}})
	if err != nil {
		h.Fatal(err)
	}
	client, err := factory.Client("github.example.com", github.Credential{Token: "token"}, github.Scope{Repository: "acme/app"})
	if err != nil {
		h.Fatal(err)
	}
	return &Repository{link: h.link, name: "acme/app", client: client}
}

// asks tells what was asked for meanwhile, in words, as far as it costs rate limit.
func (h *hub) asks(meanwhile func()) string {
	before := len(h.server.Requests())
	meanwhile()
	var asked []string
	for _, request := range h.server.Requests()[before:] {
		path, _, _ := strings.Cut(strings.TrimPrefix(request.Path, "/api/v3/repos/acme/app/"), "?")
		kind, name, _ := strings.Cut(path, "/")
		_, part, _ := strings.Cut(name, "/")
		if request.Status != http.StatusNotModified {
			asked = append(asked, cmp.Or(part, kind))
		}
	}
	return strings.Join(asked, " ")
}

// head is the newest commit of a branch of acme/app.
func (h *hub) head(branch string) string {
	h.Helper()
	sha, err := h.app.Head(branch)
	if err != nil {
		h.Fatal(err)
	}
	return sha
}

func TestACommitThatIsNamedAloneIsTheRepositorysOnlyWhereThatIsShown(t *testing.T) {
	h := newHub(t)
	merged := h.commit(h.fork, "good", "main")
	h.pull(h.fork, "good")
	if err := h.app.FastForward("main", merged, "ann"); err != nil {
		t.Fatal(err)
	}
	away := h.commit(h.app, "main", "")
	again, err := h.app.Commit(fakegithub.Commit{Branch: "main", From: merged, Force: true, Message: "again"})
	if err != nil {
		t.Fatal(err)
	}
	newest := h.commit(h.app, "main", "")

	h.commit(h.fork, "release", "") // and a pull request that has the repository's own commit, too
	h.pull(h.fork, "release")
	middle := h.commit(h.app, "next", "main")
	h.commit(h.app, "next", "")
	inPull := h.commit(h.app, "topic", "main")
	h.commit(h.app, "topic", "")
	h.pull(h.app, "topic")
	theirs := h.commit(h.fork, "mine", "main")
	theirHead := h.commit(h.fork, "mine", "")
	h.pull(h.fork, "mine")
	closed := h.commit(h.fork, "closed", "main")
	if err := h.app.ClosePullRequest(h.pull(h.fork, "closed")); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		sha   string
		fork  bool
		calls string
	}{
		"the newest of the home branch":                {newest, false, "commits branches"},
		"an older one of it":                           {again, false, "commits branches compare"},
		"a fork's that was merged":                     {merged, false, "commits branches compare"},
		"the newest of a branch, in a fork's pull too": {h.head("release"), false, "commits branches compare branches-where-head"},
		"one of a pull request":                        {inPull, false, "commits branches compare branches-where-head pulls"},
		"one within a branch, and of no pull request":  {middle, true, "commits branches compare branches-where-head pulls"},
		"one that was forced away":                     {away, true, "commits branches compare branches-where-head pulls"},
		"the newest of a fork's pull request":          {theirHead, true, "commits branches compare branches-where-head pulls"},
		"an older one of that":                         {theirs, true, "commits branches compare branches-where-head pulls"},
		"one of a fork's that was closed":              {closed, true, "commits branches compare branches-where-head pulls"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := h.asks(func() {
				commit, cause := h.open().Resolve(t.Context(), v1alpha1.CommitSelector{SHA: c.sha})
				if cause != nil || commit.SHA != c.sha || commit.Ref != "" || commit.Fork != c.fork {
					t.Errorf("%+v, %v", commit, cause)
				}
			})
			if asked != c.calls {
				t.Errorf("asked for %q, want %q", asked, c.calls)
			}
		})
	}
}

func TestACommitIsOnTheBranchOrPullRequestThatIsNamedBesideIt(t *testing.T) {
	h := newHub(t)
	theirs := h.commit(h.fork, "mine", "main")
	foreign := int32(h.pull(h.fork, "mine"))
	older := h.commit(h.app, "main", "")
	ancient := older
	for range maxCommits {
		older = h.commit(h.app, "main", "")
	}
	newest := h.commit(h.app, "main", "")
	topic := h.commit(h.app, "topic", "release")
	tip := h.commit(h.app, "topic", "")
	own := int32(h.pull(h.app, "topic"))
	const refused = "(any more): name"

	for name, c := range map[string]struct {
		selector v1alpha1.CommitSelector
		fork     bool
		refused  bool
		calls    string // after a look
	}{
		"a branch alone":                      {selector: v1alpha1.CommitSelector{Branch: "topic"}, calls: "branches"},
		"the newest of the home branch":       {selector: v1alpha1.CommitSelector{SHA: newest, Branch: "main"}},
		"one of its last pushes":              {selector: v1alpha1.CommitSelector{SHA: older, Branch: "main"}},
		"an old one of it":                    {selector: v1alpha1.CommitSelector{SHA: ancient, Branch: "main"}, calls: "commits compare"},
		"one within another branch":           {selector: v1alpha1.CommitSelector{SHA: topic, Branch: "topic"}, calls: "branches commits compare"},
		"one that is on another branch":       {selector: v1alpha1.CommitSelector{SHA: tip, Branch: "main"}, refused: true, calls: "commits compare"},
		"a fork's on the home branch":         {selector: v1alpha1.CommitSelector{SHA: theirs, Branch: "main"}, refused: true, calls: "commits compare"},
		"a pull request alone":                {selector: v1alpha1.CommitSelector{PullRequest: own}, calls: "pulls commits"},
		"its newest commit":                   {selector: v1alpha1.CommitSelector{SHA: tip, PullRequest: own}, calls: "pulls commits"},
		"an older one of it":                  {selector: v1alpha1.CommitSelector{SHA: topic, PullRequest: own}, calls: "pulls commits compare"},
		"a fork's of another":                 {selector: v1alpha1.CommitSelector{SHA: theirs, PullRequest: own}, refused: true, calls: "pulls commits compare"},
		"a fork's":                            {selector: v1alpha1.CommitSelector{PullRequest: foreign}, fork: true, calls: "pulls commits"},
		"any other of a fork's pull request":  {selector: v1alpha1.CommitSelector{SHA: newest, PullRequest: foreign}, fork: true, calls: "pulls"},
		"one that was the newest at the look": {selector: v1alpha1.CommitSelector{SHA: "SEEN", PullRequest: own}, calls: "commits"},
		"a fork's newest at the look":         {selector: v1alpha1.CommitSelector{SHA: "SEEN", PullRequest: foreign}, fork: true, calls: "commits"},
	} {
		t.Run(name, func(t *testing.T) {
			r := h.open()
			h.link.Status.PullRequests = nil
			if _, cause := r.Look(t.Context()); cause != nil {
				t.Fatal(cause)
			}
			if c.selector.SHA == "SEEN" {
				c.selector.SHA = theirs // any that the branch does not have by now
				h.link.Status.PullRequests = []v1alpha1.PullRequestStatus{{Number: c.selector.PullRequest, HeadRef: "was", HeadSHA: theirs, Fork: c.fork}}
			}
			asked := h.asks(func() {
				commit, cause := r.Resolve(t.Context(), c.selector)
				if c.refused {
					if cause == nil || cause.Transient || cause.Reason != v1alpha1.ReasonCommitNotFound || !strings.Contains(cause.Message, refused) {
						t.Errorf("%+v, %v", commit, cause)
					}
					return
				}
				if cause != nil || c.selector.SHA != "" && commit.SHA != c.selector.SHA || commit.Ref == "" || commit.Fork != c.fork {
					t.Errorf("%+v, %v", commit, cause)
				}
			})
			if asked != c.calls {
				t.Errorf("asked for %q, want %q", asked, c.calls)
			}
		})
	}
}

func TestWhoseACommitIsIsNotGuessedWhenGitHubDoesNotAnswer(t *testing.T) {
	h := newHub(t)
	theirs := h.commit(h.fork, "mine", "main")
	h.pull(h.fork, "mine")
	for _, path := range []string{"/branches/main", "/compare/", "/branches-where-head", "/commits/" + theirs + "/pulls"} {
		if err := h.server.Inject(fakegithub.Fault{Path: "/repos/acme/app.*" + path, Status: http.StatusForbidden, Times: 100}); err != nil {
			t.Fatal(err)
		}
		commit, cause := h.open().Resolve(t.Context(), v1alpha1.CommitSelector{SHA: theirs})
		if cause == nil || commit.SHA != "" {
			t.Errorf("without %s: %+v, %v", path, commit, cause)
		}
		h.server.ForgetFaults()
	}
}
