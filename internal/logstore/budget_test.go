package logstore

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	testclock "k8s.io/utils/clock/testing"

	"katkit.dev/katkit/internal/contract"
)

// logOf is a log of a namespace.
func logOf(namespace string, n int) Log {
	return Log{Namespace: namespace, Pod: fmt.Sprintf("pod-%d", n), UID: "1"}
}

// budgeted is a store in which a namespace has room for so many objects with so many bytes beside.
func budgeted(bucket *Bucket, objects, bytes int64) *Store {
	return NewStore(bucket, testclock.NewFakeClock(at), Limits{LogBytes: 1 << 30, NamespaceBytes: objects*objectCost + bytes})
}

func appendTo(t *testing.T, s *Store, log Log, offset int, text string, complete bool) error {
	t.Helper()
	_, err := s.Append(t.Context(), log, int64(offset), strings.NewReader(text), complete)
	return err
}

func sweep(t *testing.T, s *Store) {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Sweeper{Store: s, Metrics: metrics, Log: logr.Discard()}).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A namespace has so many bytes at most, and its fullness is no other one's.
func TestANamespaceHasSoManyBytesAtMost(t *testing.T) {
	s := budgeted(aFolder(t), 2, 10)
	if err := errors.Join(appendTo(t, s, logOf("full", 1), 0, "12345", false), appendTo(t, s, logOf("full", 2), 0, "123", false)); err != nil {
		t.Fatal(err)
	}
	for range 3 { // what is refused does not count
		if err := appendTo(t, s, logOf("full", 1), 5, "678", false); !errors.Is(err, ErrNoRoom) {
			t.Fatalf("the error is %v", err)
		}
		if err := appendTo(t, s, logOf("full", 3), 0, "1", false); err != nil && !errors.Is(err, ErrNoRoom) {
			t.Fatal(err)
		}
	}
	if err := appendTo(t, s, logOf("other", 1), 0, "1234567890", false); err != nil {
		t.Error("another namespace:", err)
	}
	if err := appendTo(t, s, logOf("full", 1), 0, "12345", false); err != nil {
		t.Error("what is stored already is sent again:", err)
	}
	if got, want := s.budget.of("other"), int64(10+objectCost); got != want {
		t.Errorf("of another namespace %d bytes count, not %d", got, want)
	}
}

// Where there is no room a log can still end, with some words, and with no more than that.
func TestALogCanEndWhereThereIsNoRoom(t *testing.T) {
	for name, limits := range map[string]Limits{
		"of the log":       {LogBytes: 5},
		"of the namespace": {LogBytes: 1 << 30, NamespaceBytes: 5 + objectCost},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore(aFolder(t), testclock.NewFakeClock(at), limits)
			if err := appendTo(t, s, aLog, 0, "12345", false); err != nil {
				t.Fatal(err)
			}
			words := strings.Repeat("x", contract.MaxLastWords)
			for text, complete := range map[string]bool{"x": false, words + "x": true} {
				if err := appendTo(t, s, aLog, 5, text, complete); !errors.Is(err, ErrTooLong) && !errors.Is(err, ErrNoRoom) {
					t.Errorf("%d bytes, complete %v: the error is %v", len(text), complete, err)
				}
			}
			for range 2 { // the answer may get lost
				if err := appendTo(t, s, aLog, 5, words, true); err != nil {
					t.Fatal(err)
				}
			}
			if got := stored(t, s); got != "12345"+words {
				t.Errorf("%d bytes are stored", len(got))
			}
		})
	}
}

// An object counts beside its bytes, so that a million logs of a byte are too many as well.
func TestObjectsCount(t *testing.T) {
	s := budgeted(aFolder(t), 3, 0)
	n := 0
	for ; n < 10 && appendTo(t, s, logOf("d-shop", n), 0, "x", false) == nil; n++ {
	}
	if n != 3 {
		t.Errorf("%d logs of a byte are stored", n)
	}
}

// What fails to be stored does not count; what grows an object counts once.
func TestWhatCountsIsWhatIsThere(t *testing.T) {
	for name, open := range buckets(t) {
		t.Run(name, func(t *testing.T) {
			clock := testclock.NewFakeClock(at)
			s := NewStore(open(t), clock, Limits{LogBytes: 1 << 30, NamespaceBytes: 100 * objectCost})
			want := int64(0)
			for second := range 30 {
				if _, err := s.Append(t.Context(), aLog, want, broken(make([]byte, 1000)), false); err == nil {
					t.Fatal("a body that broke off was stored")
				}
				for range 2 {
					if err := appendTo(t, s, aLog, int(want), "12345", false); err != nil {
						t.Fatal(second, err)
					}
					want += 5
					clock.Step(growEvery)
				}
			}
			if err := appendTo(t, s, aLog, int(want), "", true); err != nil {
				t.Fatal(err)
			}
			counted := s.budget.of(aLog.Namespace)
			if objects := int64(len(keys(t, s.bucket))); counted != want+objects*objectCost {
				t.Errorf("%d bytes count, of %d in %d objects", counted, want, objects)
			}
			sweep(t, s)
			if got := s.budget.of(aLog.Namespace); got != counted {
				t.Errorf("a sweep counts %d, not %d", got, counted)
			}
		})
	}
}

// A process that begins anew, or another one, knows by its first sweep what is there; and what has gone does not count.
func TestASweepCountsWhatIsThere(t *testing.T) {
	bucket := aFolder(t)
	one, other := budgeted(bucket, 2, 8), budgeted(bucket, 2, 8)
	for n, namespace := range []string{"full", "full", "free"} {
		if err := appendTo(t, one, logOf(namespace, n), 0, "1234", false); err != nil {
			t.Fatal(err)
		}
	}
	sweep(t, other)
	if diff := cmp.Diff(map[string]int64{"full": 8 + 2*objectCost, "free": 4 + objectCost}, other.budget.all()); diff != "" {
		t.Error(diff)
	}
	if err := appendTo(t, other, logOf("full", 3), 0, "1", false); !errors.Is(err, ErrNoRoom) {
		t.Errorf("the error is %v", err)
	}
	for _, key := range keys(t, bucket) {
		if strings.HasPrefix(key, "full/") {
			if err := bucket.remove(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweep(t, other)
	if diff := cmp.Diff(map[string]int64{"free": 4 + objectCost}, other.budget.all()); diff != "" {
		t.Error(diff)
	}
	if err := appendTo(t, other, logOf("full", 3), 0, "1", false); err != nil {
		t.Error("there is room again:", err)
	}
}

// What a process's first sweep removes it has never counted, and what is left counts.
func TestWhatTheFirstSweepRemovesDoesNotCount(t *testing.T) {
	bucket := aFolder(t)
	clock := testclock.NewFakeClock(time.Now())
	before := NewStore(bucket, clock, Limits{LogBytes: 1 << 30})
	for n := range 3 {
		if err := appendTo(t, before, logOf("d-shop", n), 0, "1234", false); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keys(t, bucket)[1:] {
		when := clock.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(bucket.dir+"/"+key, when, when); err != nil {
			t.Fatal(err)
		}
	}
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{NewStore(bucket, clock, Limits{LogBytes: 1 << 30}), before} { // the other one still counts what is gone
		if err := (&Sweeper{Store: s, Keep: time.Hour, Metrics: metrics, Log: logr.Discard()}).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int64{"d-shop": 4 + objectCost}, s.budget.all()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTheAnswerTellsOfTheNamespacesRoom(t *testing.T) {
	r := newRig(t)
	r.store.budget.most = 10
	status, body := r.does(t, http.MethodPut, writePath+"?offset=0", podToken, "12345678901")
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "--max-namespace-bytes") {
		t.Errorf("answered %d %s", status, body)
	}
}

// The metric has a bounded number of series, and their sum is all that is held.
func TestHeldBytesAreOfTheLargestNamespaces(t *testing.T) {
	b := &budget{held: map[string]int64{}}
	for n := range int64(50) {
		b.add(fmt.Sprintf("d-%02d", n), n)
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(b); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].Metric) != shownNamespaces+1 {
		t.Fatalf("%v: %v", err, families)
	}
	held := map[string]float64{}
	sum := float64(0)
	for _, m := range families[0].Metric {
		held[m.Label[0].GetValue()] = m.Gauge.GetValue()
		sum += m.Gauge.GetValue()
	}
	if held["d-49"] != 49 || held["d-30"] != 30 || held[otherNamespaces] != 29*30/2 || sum != 49*50/2 {
		t.Errorf("%v", held)
	}
}
