package logs

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/contract"
)

// TestALogThatTheStoreHasNotAllOf is not shown as if it were whole, and the end, which tells why a build failed, is shown if it was kept.
func TestALogThatTheStoreHasNotAllOf(t *testing.T) {
	cut := &v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete, Bytes: 4, Message: "the store is full\nof logs"}
	gap := &v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete, Bytes: 8, Message: "a line of it tells what is missing"}
	long := strings.Repeat("more\n", contract.LogTailBytes/5)
	for name, c := range map[string]struct {
		has    string
		stored *v1alpha1.StoredLog
		tail   int64
		kept   string
		want   string
		said   string // all of it, or how it begins
	}{
		"all of it":          {has: "one\ntwo\n", stored: &v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: 8}, tail: -1, kept: "two\n", want: "one\ntwo\n"},
		"its end is missing": {has: "one\n", stored: cut, tail: -1, kept: "two\n", want: "one\ntwo\n", said: "BUILD: the log store has not all of its log: the store is full of logs; BUILD: its last 4 bytes, which were kept beside the log store:"},
		"its end is missing, of which the last line is asked for": {has: "one\n", stored: cut, tail: 1, kept: "two\nthree\n", want: "one\nthree\n", said: "BUILD: the log store has not all of its log: the store is full of logs; BUILD: its last 6 bytes, "},
		"something in the midst":                                  {has: "one\n…\ntwo\n", stored: gap, tail: -1, kept: "two\n", want: "one\n…\ntwo\n", said: "BUILD: the log store has not all of its log: a line of it tells what is missing"},
		"something in a long one":                                 {has: "…\n" + long + long, stored: gap, tail: -1, kept: long, want: "…\n" + long + long, said: "BUILD: the log store has not all of its log: a line of it tells what is missing"},
		"the rest is on its way":                                  {has: "one\n", stored: &v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering, Bytes: 4}, tail: -1, kept: "two\n", want: "one\n", said: "BUILD: the rest of its log, from byte 4 on, is still on its way to the log store: look again later"},
		"it was not to be in the store":                           {has: "one\n", tail: -1, kept: "two\n", want: "one\n"},
	} {
		t.Run(name, func(t *testing.T) {
			phase := &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: here.namespace, Name: here.phase}, Spec: v1alpha1.PhaseSpec{Name: "BUILD"}}
			replica := v1alpha1.ReplicaStatus{Pod: here.pod, Reason: string(contract.ReasonCIScriptFailed), Log: &v1alpha1.LogStatus{Bytes: 8, Tail: c.kept, Stored: c.stored}}
			phase.Status.Attempts = []v1alpha1.AttemptStatus{{Number: 1, Replicas: []v1alpha1.ReplicaStatus{replica}}}
			store := newFakeStore(t, c.has, false)
			r, notes := reading(t, serve(t, store), &rest.Config{})
			r.tail, r.live = c.tail, fake.NewClientBuilder().WithScheme(cli.Scheme()).WithObjects(phase).Build()
			var out strings.Builder
			ended := make(chan struct{})
			close(ended)
			if err := r.read(t.Context(), target{phase: phase, replica: replica}, ended, &out); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("shown: %.100q, want %.100q", out.String(), c.want)
			}
			if said := strings.Join(notes.said, "; "); !strings.HasPrefix(said, c.said) || c.said == "" && said != "" {
				t.Errorf("said %s", said)
			}
		})
	}
}
