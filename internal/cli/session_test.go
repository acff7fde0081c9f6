package cli_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// session is a verb that is under way.
type session struct {
	out, said *output
	interrupt context.CancelFunc
	ended     chan int
}

// begin starts a verb as the user.
func (u user) begin(t *testing.T, args ...string) *session {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	s := &session{out: newOutput(), said: newOutput(), interrupt: interrupt, ended: make(chan int, 1)}
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: s.out, ErrOut: s.said}
	go func() { s.ended <- u.execute(ctx, streams, args...) }()
	t.Cleanup(interrupt)
	return s
}

// code waits for the end of the verb.
func (s *session) code(t *testing.T) int {
	t.Helper()
	select {
	case code := <-s.ended:
		return code
	case <-time.After(30 * time.Second):
		t.Fatalf("the verb does not end; output:\n%s%s", s.out, s.said)
		return -1
	}
}

// output is what a verb has printed so far.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed with the next write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	text, _ := o.now()
	return text
}

func (o *output) now() (text string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

// Await waits until a text was printed.
func (o *output) Await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		text, changed := o.now()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%q is not printed; output:\n%s", want, text)
		}
	}
}
