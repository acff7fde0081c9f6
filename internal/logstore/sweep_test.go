package logstore

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	testclock "k8s.io/utils/clock/testing"
)

func TestLogsGoWhenTheirNewestByteIsOld(t *testing.T) {
	bucket := aFolder(t)
	clock := testclock.NewFakeClock(time.Now())
	s := NewStore(bucket, clock, Limits{LogBytes: 1 << 20})
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	other := Log{Namespace: "d-other", Pod: aLog.Pod, UID: "1"}
	twin := Log{Namespace: aLog.Namespace, Pod: aLog.Pod, UID: "2"}
	ages := map[string]time.Duration{}
	for log, age := range map[Log]time.Duration{aLog: 25 * time.Hour, twin: 23 * time.Hour, other: 25 * time.Hour} {
		if _, err := s.Append(t.Context(), log, 0, strings.NewReader("x"), true); err != nil {
			t.Fatal(err)
		}
		ages[log.prefix()] = age
	}
	stray := twin.chunkKey(1) + ".18a7.tmp"
	if err := os.WriteFile(bucket.dir+"/"+stray, []byte("half of a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	ages[stray] = 2 * time.Hour
	for _, key := range keys(t, bucket) {
		age, ok := ages[key]
		if !ok {
			age = ages[key[:strings.LastIndexByte(key, '/')+1]]
		}
		when := clock.Now().Add(-age)
		if err := os.Chtimes(bucket.dir+"/"+key, when, when); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(keep time.Duration) []string {
		t.Helper()
		if err := (&Sweeper{Store: s, Keep: keep, Metrics: metrics, Log: logr.Discard()}).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return keys(t, bucket)
	}
	if got := sweep(0); len(got) != 6 {
		t.Errorf("with logs kept for ever these are left: %q", got)
	}
	got := sweep(24 * time.Hour)
	if len(got) != 2 || !strings.HasPrefix(got[0], twin.prefix()) || !strings.HasPrefix(got[1], twin.prefix()) {
		t.Errorf("%q are left", got)
	}
	if diff := cmp.Diff(map[string]int64{twin.Namespace: 1 + 2*objectCost}, s.budget.all()); diff != "" {
		t.Errorf("what is left counts otherwise: %s", diff)
	}
	if _, err := os.Stat(bucket.dir + "/" + other.Namespace); !os.IsNotExist(err) {
		t.Errorf("the folder of a namespace without logs: %v", err)
	}
	clock.Step(2 * time.Hour)
	if got := sweep(24 * time.Hour); len(got) > 0 {
		t.Errorf("%q are left", got)
	}
}
