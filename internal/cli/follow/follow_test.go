package follow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
)

// server answers with what a test wrote down. A client method that it lacks is a nil pointer's.
type server struct {
	client.WithWatch
	// lists are the answers to reading the run: a state, or an error. The last one stays.
	lists []any
	// watches are the events of each watch of the run, after which it ends. The last one stays.
	watches [][]watch.Event
	from    []string
}

func (s *server) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	runs, ok := list.(*v1alpha1.CIRunList)
	if !ok {
		list.SetResourceVersion("phases-7")
		return nil
	}
	switch answer := next(&s.lists).(type) {
	case error:
		return answer
	case v1alpha1.RunState:
		runs.Items = []v1alpha1.CIRun{*inState(answer)}
	}
	runs.ResourceVersion = "runs-7"
	return nil
}

func (s *server) Watch(_ context.Context, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
	var o client.ListOptions
	o.ApplyOptions(opts)
	s.from = append(s.from, o.Raw.ResourceVersion)
	if _, ok := list.(*v1alpha1.CIRunList); !ok {
		return watch.NewFake(), nil
	}
	var events []watch.Event
	if len(s.watches) > 0 {
		events = next(&s.watches)
	}
	fake := watch.NewFakeWithChanSize(len(events), false)
	for _, event := range events {
		fake.Action(event.Type, event.Object)
	}
	fake.Stop()
	return fake, nil
}

func next[T any](answers *[]T) T {
	answer := (*answers)[0]
	if len(*answers) > 1 {
		*answers = (*answers)[1:]
	}
	return answer
}

func inState(state v1alpha1.RunState) *v1alpha1.CIRun {
	return &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x7k2p", UID: "1"}, Status: v1alpha1.CIRunStatus{State: state}}
}

func modified(state v1alpha1.RunState) watch.Event {
	return watch.Event{Type: watch.Modified, Object: inState(state)}
}

// shown is a display that remembers the states.
type shown []string

func (s *shown) show(now view.Snapshot) { *s = append(*s, string(now.Run.Status.State)) }
func (*shown) tick() <-chan time.Time   { return nil }
func (*shown) close()                   {}
func (s *shown) states() string         { return strings.Join(*s, " ") }
func failure(code int) watch.Event      { return watch.Event{Type: watch.Error, Object: status(code)} }
func status(code int) *metav1.Status {
	return new(apierrors.NewGenericServerResponse(code, "watch", schema.GroupResource{}, "", "", 0, true).ErrStatus)
}

func TestFollow(t *testing.T) {
	lost := errors.New("connection refused")
	other := inState(v1alpha1.RunRunning)
	other.UID = "2"
	for name, c := range map[string]struct {
		server server
		state  v1alpha1.RunState
		failed string // the error
		shown  string
		waits  string // the tries before which it was waited
		said   int    // lines
	}{
		"it has ended already": {
			server: server{lists: []any{v1alpha1.RunFailed}}, state: v1alpha1.RunFailed, shown: "Failed"},
		"it ends while it is watched": {
			server: server{lists: []any{v1alpha1.RunRunning, v1alpha1.RunSucceeded}, watches: [][]watch.Event{{modified(v1alpha1.RunQueued), modified(v1alpha1.RunSucceeded)}}},
			state:  v1alpha1.RunSucceeded, shown: "Running Queued Succeeded"},
		"a watch that ends goes on at once": {
			server: server{lists: []any{v1alpha1.RunPending, v1alpha1.RunRunning, v1alpha1.RunFailed},
				watches: [][]watch.Event{{modified(v1alpha1.RunRunning)}, {modified(v1alpha1.RunFailed)}}},
			state: v1alpha1.RunFailed, shown: "Pending Running Running Failed"},
		"a watch that has expired is begun anew, after a while": {
			server: server{lists: []any{v1alpha1.RunPending, v1alpha1.RunSucceeded}, watches: [][]watch.Event{{failure(410)}}},
			state:  v1alpha1.RunSucceeded, shown: "Pending Succeeded", waits: "1"},
		"a connection that is lost is tried again, each time later": {
			server: server{lists: []any{lost, lost, lost, v1alpha1.RunCancelled}}, state: v1alpha1.RunCancelled, shown: "Cancelled", waits: "1 2 3", said: 1},
		"a watch that fails is tried again": {
			server: server{lists: []any{v1alpha1.RunRunning, v1alpha1.RunSucceeded}, watches: [][]watch.Event{{failure(500)}}},
			state:  v1alpha1.RunSucceeded, shown: "Running Succeeded", waits: "1", said: 1},
		"a server that stays away": {
			server: server{lists: []any{lost}}, failed: "reading the run: connection refused",
			waits: "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", said: 1},
		"somebody who may not": {
			server: server{lists: []any{apierrors.NewForbidden(schema.GroupResource{Resource: "ciruns"}, "", lost)}}, failed: "forbidden"},
		"a run that is deleted": {
			server: server{lists: []any{v1alpha1.RunRunning}, watches: [][]watch.Event{{{Type: watch.Deleted, Object: inState(v1alpha1.RunRunning)}}}},
			failed: "the run was deleted", shown: "Running"},
		"another run of its name": {
			server: server{lists: []any{v1alpha1.RunRunning}, watches: [][]watch.Event{{{Type: watch.Added, Object: other}}}},
			failed: "the run was deleted", shown: "Running"},
		"a run that is deleted while the connection is lost": {
			server: server{lists: []any{v1alpha1.RunRunning, lost, nil}}, failed: "the run was deleted", shown: "Running", waits: "1 2"},
	} {
		t.Run(name, func(t *testing.T) {
			var display shown
			var waits []string
			said := 0
			f := follower{live: &c.server, run: inState(""), show: &display, say: func(string) { said++ },
				wait: func(_ context.Context, tries int) { waits = append(waits, fmt.Sprint(tries)) }}
			state, err := f.follow(t.Context())
			if state != c.state || (err == nil) != (c.failed == "") || err != nil && !strings.Contains(err.Error(), c.failed) {
				t.Errorf("ended as %q, %v, want %q, %q", state, err, c.state, c.failed)
			}
			if got := strings.Join(waits, " "); display.states() != c.shown || got != c.waits || said != c.said {
				t.Errorf("shown %q, waited %q, said %d lines", display.states(), got, said)
			}
			for i, version := range c.server.from {
				if want := []string{"runs-7", "phases-7"}[i%2]; version != want {
					t.Errorf("watched from %q, want %q", version, want)
				}
			}
		})
	}
}

func TestResult(t *testing.T) {
	for state, want := range map[v1alpha1.RunState]string{
		v1alpha1.RunSucceeded: "<nil>", v1alpha1.RunFailed: "exit code 1", v1alpha1.RunRunning: "exit code 2", v1alpha1.RunCancelled: "exit code 3",
	} {
		if got := fmt.Sprint(Result(state)); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}

// TestDrawn holds what a terminal of 31 by 6 is sent.
func TestDrawn(t *testing.T) {
	var out strings.Builder
	d := newDrawn(&out, func() (width, height int) { return 31, 6 })
	sent := func() string {
		defer out.Reset()
		return out.String()
	}
	run := inState(v1alpha1.RunPending)
	run.Spec.Link.Name, run.Spec.Cancelled = "shop", true
	d.show(view.Snapshot{Run: run})
	if got, want := sent(), "Run:    d-shop/shop-x7k2p\x1b[K\nLink:   shop\x1b[K\nState:  Pending, being cancel…\x1b[K\n\x1b[J"; got != want {
		t.Errorf("drawn %q, want %q", got, want)
	}
	run.Status.State, run.Status.Author, run.Status.Message, run.Status.Ref, run.Status.Warnings = v1alpha1.RunRunning, "ann", "Mend", "main", []string{"one"}
	d.show(view.Snapshot{Run: run})
	if got := sent(); !strings.HasPrefix(got, "\r\x1b[3ARun: ") || strings.Count(got, "\n") != 5 || !strings.HasSuffix(got, "… 3 more lines\x1b[K\n\x1b[J") {
		t.Errorf("drawn %q", got)
	}
	d.close()
	if got := sent(); !strings.HasPrefix(got, "\r\x1b[5ARun: ") || strings.Count(got, "\n") != 7 || !strings.Contains(got, "Running, being cancelled\x1b[K\n") {
		t.Errorf("drawn at the end %q", got)
	}
}
