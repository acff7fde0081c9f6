package fairqueue_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"katkit.dev/katkit/internal/fairqueue"
)

func newQueue(t *testing.T, workers int) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	t.Helper()
	queue := fairqueue.New(workers)("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	return queue
}

func request(name string) reconcile.Request {
	tenant, object, _ := strings.Cut(name, "/")
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: tenant, Name: object}}
}

func add(queue workqueue.TypedRateLimitingInterface[reconcile.Request], names ...string) {
	for _, name := range names {
		queue.Add(request(name))
	}
}

// take works off so many requests and tells their order.
func take(queue workqueue.TypedRateLimitingInterface[reconcile.Request], n int) string {
	var names []string
	for range n {
		got, _ := queue.Get()
		queue.Done(got)
		names = append(names, got.String())
	}
	return strings.Join(names, " ")
}

func TestTenantsTakeTurns(t *testing.T) {
	queue := newQueue(t, 8)
	add(queue, "a/1", "a/2", "a/3", "a/1", "b/1", "c/1", "c/2") // a/1 again: it waits once
	if got, want := take(queue, 3), "a/1 b/1 c/1"; got != want {
		t.Errorf("first %s, want %s", got, want)
	}
	add(queue, "b/2", "a/1")
	if got, want := take(queue, queue.Len()), "a/2 c/2 b/2 a/3 a/1"; got != want {
		t.Errorf("then %s, want %s", got, want)
	}
	if queue.Len() != 0 {
		t.Errorf("%d are left", queue.Len())
	}
}

func TestASingleOneDoesNotWaitForAThousandOfAnotherTenant(t *testing.T) {
	queue := newQueue(t, 8)
	for i := range 1000 {
		add(queue, fmt.Sprintf("big/%d", i))
	}
	add(queue, "small/1")
	if got, want := take(queue, 2), "big/0 small/1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := queue.Len(); got != 999 {
		t.Errorf("%d wait", got)
	}
}

// TestAnObjectIsWorkedOnByOne: what is added while it is worked on comes again when that is done, and not before.
func TestAnObjectIsWorkedOnByOne(t *testing.T) {
	queue := newQueue(t, 8)
	add(queue, "a/1")
	working, _ := queue.Get()
	add(queue, "a/1", "a/2")
	if got := take(queue, 1); got != "a/2" {
		t.Errorf("got %s while a/1 is worked on", got)
	}
	if queue.Len() != 0 {
		t.Fatalf("%d wait", queue.Len())
	}
	queue.Done(working)
	if got := take(queue, 1); got != "a/1" {
		t.Errorf("got %s", got)
	}
}

// TestATenantHasItsShareOfTheWorkers: what is over it waits until one of the tenant's is done, and others pass it.
func TestATenantHasItsShareOfTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := fairqueue.New(8)("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()) // so that the share is 2
		defer queue.ShutDown()
		given := make(chan string)
		for range 8 {
			go func() {
				for {
					got, shutdown := queue.Get()
					if shutdown {
						return
					}
					given <- got.String()
				}
			}()
		}
		next := func(n int) string {
			names := make([]string, 0, n)
			for range n {
				names = append(names, <-given)
			}
			synctest.Wait()
			select {
			case more := <-given:
				t.Fatalf("%s is given as well", more)
			default:
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		for _, name := range []string{"slow/1", "slow/2", "slow/3", "slow/4", "quick/1", "slow/4", "quick/2", "slow/5"} {
			add(queue, name)
			if over := slices.Contains([]string{"slow/3", "slow/4", "slow/5"}, name); over {
				next(0)
			} else if got := next(1); got != name {
				t.Fatalf("got %s instead of %s", got, name)
			}
		}
		for _, step := range []struct{ done, next string }{{"slow/2", "slow/3"}, {"slow/3", "slow/4"}, {"slow/1", "slow/5"}} {
			queue.Done(request(step.done))
			if got := next(1); got != step.next {
				t.Fatalf("after %s: %s, want %s", step.done, got, step.next)
			}
		}
		queue.Done(request("slow/4"))
		queue.Done(request("slow/5"))
		add(queue, "slow/1", "slow/2")
		if got, want := next(2), "slow/1 slow/2"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// TestWhatComesAgainAndAgainLetsOthersOfItsTenantIn: each is worked on for long, and asks for itself anew meanwhile.
func TestWhatComesAgainAndAgainLetsOthersOfItsTenantIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := fairqueue.New(8)("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()) // so that the share is 2
		var mu sync.Mutex
		times := map[string]int{}
		for i := range 20 {
			add(queue, fmt.Sprintf("slow/%d", i))
		}
		for range 8 {
			go func() {
				for {
					got, shutdown := queue.Get()
					if shutdown {
						return
					}
					mu.Lock()
					times[got.Name]++
					mu.Unlock()
					queue.Add(got)
					pass(10 * time.Second)
					queue.Done(got)
				}
			}()
		}
		pass(301 * time.Second) // 2 at once, of 10 s: 3 times 20
		mu.Lock()
		for name, n := range times {
			if n < 3 || n > 4 {
				t.Errorf("%s had its turn %d times", name, n)
			}
		}
		if len(times) != 20 {
			t.Errorf("%d of 20 had a turn", len(times))
		}
		mu.Unlock()
		queue.ShutDown()
		pass(time.Hour) // for what is left
	})
}

// TestNothingIsLostOrDoneTwiceAtOnce: whatever is added while workers are busy is worked on afterwards, by one at a time.
func TestNothingIsLostOrDoneTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := fairqueue.New(6)("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		asked, seen, working := map[string]int{}, map[string]int{}, map[string]int{}
		for range 6 {
			go func() {
				for {
					got, shutdown := queue.Get()
					if shutdown {
						return
					}
					mu.Lock()
					seen[got.String()] = asked[got.String()] // all that was asked for until now
					working[got.Namespace]++
					if working[got.Namespace] > 1 {
						t.Errorf("%d workers are busy with %s", working[got.Namespace], got.Namespace)
					}
					mu.Unlock()
					pass(time.Millisecond)
					mu.Lock()
					working[got.Namespace]--
					mu.Unlock()
					queue.Done(got)
				}
			}()
		}
		for range 3000 {
			name := fmt.Sprintf("t%d/%d", random.IntN(5), random.IntN(20))
			mu.Lock()
			asked[name]++
			mu.Unlock()
			add(queue, name)
			if random.IntN(10) == 0 {
				pass(time.Duration(random.IntN(5)) * time.Millisecond)
			}
		}
		pass(time.Minute)
		queue.ShutDown()
		if diff := cmp.Diff(asked, seen); diff != "" {
			t.Errorf("(-asked for +worked on)\n%s", diff)
		}
	})
}

// pass lets the bubble's time go on.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // nothing sleeps: the clock is synctest's
