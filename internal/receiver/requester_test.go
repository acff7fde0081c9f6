package receiver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
)

// cluster plays the API server.
type cluster struct {
	latency func() time.Duration
	fail    func() error

	mu      sync.Mutex
	running map[types.NamespacedName]int
	began   map[types.NamespacedName][]time.Time
	written map[types.NamespacedName][]string // values that were taken
	clicked map[types.NamespacedName][]click.Click
	overlap bool
}

func (c *cluster) Annotate(ctx context.Context, link types.NamespacedName, hint Hint) error {
	c.mu.Lock()
	if c.began == nil {
		c.running, c.began, c.written = map[types.NamespacedName]int{}, map[types.NamespacedName][]time.Time{}, map[types.NamespacedName][]string{}
		c.clicked = map[types.NamespacedName][]click.Click{}
	}
	c.running[link]++
	c.overlap = c.overlap || c.running[link] > 1
	c.began[link] = append(c.began[link], time.Now())
	latency, fail := c.latency, c.fail
	c.mu.Unlock()
	if latency != nil {
		pass(latency())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[link]--
	if fail != nil {
		if err := fail(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if hint.Cause != "" {
		c.written[link] = append(c.written[link], hint.value())
	}
	c.clicked[link] = append(c.clicked[link], hint.Clicks...)
	return nil
}

// pass lets time go by in a bubble, where it takes none.
func pass(some time.Duration) { <-time.After(some) }

// requester runs one until the function returned is called.
func requester(t *testing.T, c *cluster) (*Requester, func()) {
	t.Helper()
	r := NewRequester(c, clock.RealClock{}, newMetrics(t, prometheus.NewRegistry()), logr.Discard())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	return r, func() { cancel(); <-done }
}

func TestAnAnnotationTellsWhenAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cluster
		r, stop := requester(t, &c)
		pass(123456789 * time.Nanosecond)
		r.Request(link("d-one", "app"), "push")
		synctest.Wait()
		stop()
		// A bubble begins with the year 2000.
		if diff := cmp.Diff(map[types.NamespacedName][]string{link("d-one", "app"): {"2000-01-01T00:00:00.123456789Z push"}}, c.written); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestHintsThatComeTogetherAreOneAnnotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cluster
		r, stop := requester(t, &c)
		one := link("d-one", "app")
		for range 100 { // over half a second
			r.Request(one, "push")
			pass(5 * time.Millisecond)
		}
		r.Request(one, "pull_request")
		pass(time.Minute)
		stop()
		want := []string{"2000-01-01T00:00:00Z push", "2000-01-01T00:00:00.5Z pull_request"}
		if diff := cmp.Diff(want, c.written[one]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Whatever comes when, and whatever fails: an annotation a second and link, and none that is older than the last hint.
func TestTheLastHintIsNeverLost(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				var c cluster
				c.latency, c.fail = locked(random, int(seed)%5)
				r, stop := requester(t, &c)
				hints := rand.New(rand.NewPCG(seed, 1))
				last, count := map[types.NamespacedName]time.Time{}, map[types.NamespacedName]int{}
				for range 300 {
					pass(time.Duration(hints.IntN(200)) * time.Millisecond)
					asked := link("d", fmt.Sprint(hints.IntN(6)))
					last[asked] = time.Now()
					count[asked]++
					r.Request(asked, "push")
				}
				if seed%2 == 0 {
					pass(10 * time.Minute)
				} else { // it ends at once, and the API server is well
					c.mu.Lock()
					c.fail, c.latency = nil, nil
					c.mu.Unlock()
				}
				stop()
				for asked, at := range last {
					written := c.written[asked]
					want := Hint{At: at, Cause: "push"}.value()
					if len(written) == 0 || written[len(written)-1] != want {
						t.Errorf("link %s has %v, want %s in the end", asked, written, want)
					}
					if len(written) > count[asked] {
						t.Errorf("link %s was annotated %d times for %d hints", asked, len(written), count[asked])
					}
					began := c.began[asked]
					if seed%2 == 1 { // the last one, at the end, waits for nothing
						began = began[:len(began)-1]
					}
					for i := 1; i < len(began); i++ {
						if gap := began[i].Sub(began[i-1]); gap < window {
							t.Errorf("link %s was annotated again after %s", asked, gap)
						}
					}
				}
				if c.overlap {
					t.Error("a link was annotated by two workers at once")
				}
				if left := len(r.wanted); left > 0 {
					t.Errorf("%d are still wanted", left)
				}
			})
		})
	}
}

// locked draws latencies up to 1.5 s, and failures of that many out of ten.
func locked(random *rand.Rand, failures int) (latency func() time.Duration, fail func() error) {
	var mu sync.Mutex
	latency = func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(random.IntN(1500)) * time.Millisecond
	}
	fail = func() error {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(10) < failures {
			return apierrors.NewServiceUnavailable("it is down")
		}
		return nil
	}
	return latency, fail
}

func TestWhatFailsForGoodIsNotTriedAgain(t *testing.T) {
	resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "tenantrepolinks"}
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"a link that is gone":       {apierrors.NewNotFound(resource, "app"), 1},
		"a refusal":                 {apierrors.NewForbidden(resource, "app", nil), 1},
		"an API server that is out": {apierrors.NewServiceUnavailable("down"), maxRetries + 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := cluster{fail: func() error { return c.err }}
				r, stop := requester(t, &cluster)
				r.Request(link("d-one", "app"), "push")
				pass(time.Hour)
				stop()
				if tried := len(cluster.began[link("d-one", "app")]); tried != c.want {
					t.Errorf("tried %d times, want %d", tried, c.want)
				}
				if len(r.wanted) > 0 || r.tried.Len() > 1 {
					t.Errorf("%d are still wanted, %d remembered", len(r.wanted), r.tried.Len())
				}
			})
		})
	}
}

func button(id int64) click.Button { return click.Button{Kind: click.CheckRun, ID: id} }

// Whatever comes when, and whatever fails for a while: each button that was pressed is told, and once.
func TestNoClickIsLost(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				var c cluster
				c.latency, c.fail = locked(random, int(seed)%5)
				r, stop := requester(t, &c)
				presses := rand.New(rand.NewPCG(seed, 1))
				one, want := link("d", "app"), map[int64]bool{}
				for id := range int64(12) {
					pass(time.Duration(presses.IntN(900)) * time.Millisecond)
					r.Press(one, button(id+1))
					want[id+1] = true
					if presses.IntN(2) == 0 {
						r.Request(one, "push")
					}
				}
				pass(10 * time.Minute)
				stop()
				got := map[int64]bool{}
				for _, one := range c.clicked[one] {
					if got[one.ID] {
						t.Errorf("button %d is told twice", one.ID)
					}
					got[one.ID] = true
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAClickIsToldWithWhatElseCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cluster
		r, stop := requester(t, &c)
		one := link("d-one", "app")
		r.Request(one, "push")
		pass(100 * time.Millisecond)
		r.Request(one, "pull_request")
		r.Press(one, button(1))
		for range 40 {
			r.Press(one, button(2))
		}
		pass(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"2000-01-01T00:00:00Z push", "2000-01-01T00:00:00.1Z pull_request"}, c.written[one]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := click.Text(c.clicked[one]); got != "check_run/1@2000-01-01T00:00:00.100Z check_run/2@2000-01-01T00:00:00.100Z" {
			t.Errorf("clicks: %s", got)
		}
		if began := c.began[one]; len(began) != 2 {
			t.Errorf("annotated %d times", len(began))
		}
	})
}

func TestClicksOfALinkThatCannotBeToldAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := cluster{fail: func() error { return apierrors.NewServiceUnavailable("down") }}
		r, stop := requester(t, &cluster)
		one := link("d-one", "app")
		for id := range int64(1000) {
			r.Press(one, button(id+1))
			pass(time.Millisecond)
		}
		r.mu.Lock()
		waiting := len(r.wanted[one].Clicks)
		r.mu.Unlock()
		if waiting != click.Max {
			t.Errorf("%d clicks wait, want %d", waiting, click.Max)
		}
		pass(time.Hour)
		stop()
		if len(r.wanted) > 0 {
			t.Errorf("%d links are still wanted", len(r.wanted))
		}
	})
}
