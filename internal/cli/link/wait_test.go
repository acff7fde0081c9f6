package link

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/follow"
)

// server answers with what a test wrote down. A client method that it lacks is a nil pointer's.
type server struct {
	client.WithWatch
	// lists are the answers to reading the link: a link, nil for none, or an error. The last one stays.
	lists []any
	// watches are the events of each watch, or an error; a watch that has none stays open.
	watches []any
	read    int
	from    []string
}

func (s *server) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	s.read++
	answer := s.lists[0]
	if len(s.lists) > 1 {
		s.lists = s.lists[1:]
	}
	switch answer := answer.(type) {
	case error:
		return answer
	case *v1alpha1.TenantRepoLink:
		list.(*v1alpha1.TenantRepoLinkList).Items = []v1alpha1.TenantRepoLink{*answer}
	}
	list.SetResourceVersion("7")
	return nil
}

func (s *server) Watch(_ context.Context, _ client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
	var o client.ListOptions
	o.ApplyOptions(opts)
	s.from = append(s.from, o.Raw.ResourceVersion)
	if len(s.watches) == 0 {
		return watch.NewFake(), nil
	}
	answer := s.watches[0]
	s.watches = s.watches[1:]
	if err, failed := answer.(error); failed {
		return nil, err
	}
	events := answer.([]watch.Event)
	fake := watch.NewFakeWithChanSize(len(events), false)
	for _, event := range events {
		fake.Action(event.Type, event.Object)
	}
	fake.Stop()
	return fake, nil
}

func modified(link *v1alpha1.TenantRepoLink) watch.Event {
	return watch.Event{Type: watch.Modified, Object: link}
}

// TestWait takes the waiter through what an API server may answer, in a time that passes by itself.
func TestWait(t *testing.T) {
	unchecked, other := checked("", "", ""), ready()
	other.UID = "2"
	changed := ready()
	changed.Generation++
	expired := watch.Event{Type: watch.Error, Object: &metav1.Status{Code: 410, Reason: metav1.StatusReasonExpired}}
	resource := schema.GroupResource{Group: "katkit.dev", Resource: "tenantrepolinks"}
	forbidden := apierrors.NewForbidden(resource, "", errors.New(`User "ann" cannot watch resource "tenantrepolinks" in API group "katkit.dev"`))
	for name, c := range map[string]struct {
		lists   []any
		watches []any
		stale   *v1alpha1.TenantRepoLink
		status  metav1.ConditionStatus // in which it ends
		err     string
		after   time.Duration // at the earliest, and not a second later
		said    string
	}{
		"it is known":                            {lists: []any{ready()}, status: metav1.ConditionTrue},
		"it is known not to work":                {lists: []any{rejected()}, status: metav1.ConditionFalse},
		"it is told":                             {lists: []any{unchecked}, watches: []any{[]watch.Event{modified(unchecked), modified(ready())}}, status: metav1.ConditionTrue},
		"it is told at last":                     {lists: []any{unchecked}, watches: []any{[]watch.Event{modified(unavailable()), modified(unavailable()), modified(rejected())}}, status: metav1.ConditionFalse, said: "not yet, Katkit tries again: GitHubUnavailable: GitHub host github.com: no answer"},
		"what is known is of an earlier spec":    {lists: []any{changed}, watches: []any{[]watch.Event{modified(rejected())}}, status: metav1.ConditionFalse},
		"nobody tells":                           {lists: []any{unchecked}, err: "context deadline exceeded", after: 2 * time.Minute},
		"the watch ends":                         {lists: []any{unchecked, ready()}, watches: []any{[]watch.Event{}}, status: metav1.ConditionTrue, after: time.Second},
		"the watch has expired":                  {lists: []any{unchecked, ready()}, watches: []any{[]watch.Event{expired}}, status: metav1.ConditionTrue, after: time.Second, said: "the connection is lost, trying again: "},
		"the connection is lost, and comes back": {lists: []any{errors.New("refused"), errors.New("refused"), ready()}, status: metav1.ConditionTrue, after: 3 * time.Second, said: "the connection is lost, trying again: list tenantrepolinks.katkit.dev in namespace d-shop: refused"},
		"the connection stays lost":              {lists: []any{errors.New("refused")}, err: "context deadline exceeded", after: 2 * time.Minute, said: "the connection is lost"},
		"it may not be watched":                  {lists: []any{unchecked}, watches: []any{forbidden}, err: `you may not watch tenantrepolinks.katkit.dev in namespace d-shop: the verb "watch" on tenantrepolinks.katkit.dev is needed there`},
		"it is gone":                             {lists: []any{nil}, err: "was deleted"},
		"it is another":                          {lists: []any{other}, err: "was deleted"},
		"it goes away":                           {lists: []any{unchecked}, watches: []any{[]watch.Event{{Type: watch.Deleted, Object: unchecked}}}, err: "was deleted"},
		"an old verdict that is followed by a new": {lists: []any{rejected()}, watches: []any{[]watch.Event{modified(rejected()), modified(ready())}}, stale: rejected(),
			status: metav1.ConditionTrue},
		"an old verdict that stays": {lists: []any{rejected()}, stale: rejected(), status: metav1.ConditionFalse, after: 75 * time.Second},
		"a good one that stays":     {lists: []any{ready()}, stale: ready(), status: metav1.ConditionTrue, after: 75 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{lists: c.lists, watches: c.watches}
				var said []string
				w := waiter{live: s, now: checked("", "", ""), say: func(line string) { said = append(said, line) }, pause: follow.Pause}
				if c.stale != nil {
					w.stale = &c.stale.Status
				}
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				err := w.wait(ctx)
				if took := time.Since(begin); took < c.after || took > c.after+time.Second {
					t.Errorf("it took %s, want %s", took, c.after)
				}
				if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
					t.Fatalf("%v, want %s", err, c.err)
				}
				if c.err == "" && w.now.Status.Conditions[0].Status != c.status {
					t.Errorf("it ended with %s, want %s", w.now.Status.Conditions[0].Status, c.status)
				}
				if c.said == "" && len(said) > 0 || c.said != "" && (len(said) != 1 || !strings.HasPrefix(said[0], c.said)) {
					t.Errorf("said %q, want %q", said, c.said)
				}
				if s.read > 20 || len(s.from) > 0 && s.from[0] != "7" {
					t.Errorf("it was read %d times, and watched from %v", s.read, s.from)
				}
			})
		})
	}
}

// TestHide holds that an API server which repeats the token does not make it known.
func TestHide(t *testing.T) {
	secret := &corev1.Secret{Data: map[string][]byte{"token": []byte(github)}}
	for _, said := range []string{"denied: " + github, "denied: Z2hwXzAxMjM0NTY3ODlhYmNkZWZnaGlqQUJDREVGR0hJSjAxMjM0NQ=="} {
		if got := hide(errors.New(said), secret).Error(); got != "denied: …" {
			t.Errorf("%s became %s", said, got)
		}
	}
	if err := errors.New("denied"); hide(err, secret) != err { //nolint:errorlint // The very same is wanted.
		t.Error("an error without the token was changed")
	}
}
