package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/test/install"
)

// round is one run beside bare Pods, in the same minute.
type round struct {
	run trace
	// untilSucceeded and untilTerminated are chains of bare Pods, the next one made at that mark of the one before.
	untilSucceeded, untilTerminated time.Duration
}

// trace is what was seen of one run.
type trace struct {
	name             string
	created          time.Time
	succeededAt      time.Time
	total            time.Duration // from the request to create it until it was seen as succeeded
	phases           []phaseTrace
	createdToPod     time.Duration
	terminatedToPods []time.Duration
}

type phaseTrace struct{ phase, pod entry }

// measure does all measurements, those that wait for a quiet cluster first. With an error come the results
// that there are until then, or nil.
func (b *bench) measure(ctx context.Context) (*results, error) {
	r := &results{settings: b.settings, images: b.images}
	if err := b.describe(ctx, r); err != nil {
		return nil, err
	}
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	if err := b.measureIdle(ctx, r); err != nil {
		return nil, err
	}
	if b.burst == 0 {
		return r, nil
	}
	if err := b.measureBurst(ctx, r); err != nil {
		r.settings.burst = 0 // what was measured before is worth telling
		return r, err
	}
	return r, nil
}

// warmUp brings the images to the node and fills the caches.
func (b *bench) warmUp(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "  warming up")
	if _, err := b.katkitRun(ctx, "warm-up"); err != nil {
		return err
	}
	_, err := b.chain(ctx, "warm-up", succeeded, b.barePod)
	if err != nil {
		return err
	}
	return b.settle(ctx)
}

func (b *bench) measureIdle(ctx context.Context, r *results) error {
	position, err := b.audit.position()
	if err != nil {
		return err
	}
	before, err := b.manager.usage(ctx)
	if err != nil {
		return err
	}
	for i := range b.idle {
		fmt.Fprintf(os.Stderr, "  idle cluster: round %d of %d\n", i+1, b.idle)
		round, err := b.round(ctx, i)
		if err != nil {
			return err
		}
		r.rounds = append(r.rounds, round)
	}
	after, err := b.manager.usage(ctx)
	if err != nil {
		return err
	}
	r.idleMemory, r.idleCPU = after.memory, (after.cpu-before.cpu)/time.Duration(b.idle)
	if r.writes, err = b.audit.writesSince(position, b.tenant); err != nil {
		return err
	}
	r.stored, err = b.storedBytes(ctx, r.rounds[0].run.name)
	return err
}

// round measures a run and both chains, in turning order, each on a cluster that the one before has left.
func (b *bench) round(ctx context.Context, i int) (round, error) {
	var done round
	steps := []func() error{
		func() (err error) { done.run, err = b.katkitRun(ctx, fmt.Sprintf("idle-%03d", i)); return err },
		func() (err error) {
			done.untilSucceeded, err = b.chain(ctx, fmt.Sprintf("succeeded-%03d", i), succeeded, b.barePod)
			return err
		},
		func() (err error) {
			done.untilTerminated, err = b.chain(ctx, fmt.Sprintf("terminated-%03d", i), terminated, b.barePod)
			return err
		},
	}
	turn := i % len(steps)
	for _, step := range slices.Concat(steps[turn:], steps[:turn]) {
		if err := step(); err != nil {
			return done, err
		}
		if err := b.settle(ctx); err != nil {
			return done, err
		}
	}
	return done, nil
}

func (b *bench) measureBurst(ctx context.Context, r *results) error {
	var err error
	if r.burstBare, err = b.chainsAtOnce(ctx, "once", b.barePod); err != nil {
		return err
	}
	if r.burstShaped, err = b.chainsAtOnce(ctx, "idle-builder", b.idleBuilder); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  %d runs at once\n", b.burst)
	position, err := b.audit.position()
	if err != nil {
		return err
	}
	watching := b.manager.watch(ctx)
	r.burst, err = b.atOnce(func(i int) error {
		_, err := b.katkitRun(ctx, fmt.Sprintf("once-%03d", i))
		return err
	})
	peak, cpu, usageErr := watching.end(ctx)
	if err != nil {
		return err
	}
	if usageErr != nil {
		return usageErr
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	r.peakMemory, r.burstCPU = peak, cpu/time.Duration(b.burst)
	r.burstWrites, err = b.audit.writesSince(position, b.tenant)
	return err
}

// chainsAtOnce tells how long chains of such Pods take, all at the same time. prefix is their names' alone.
func (b *bench) chainsAtOnce(ctx context.Context, prefix string, build podBuilder) (time.Duration, error) {
	fmt.Fprintf(os.Stderr, "  %d chains of Pods at once (%s)\n", b.burst, prefix)
	took, err := b.atOnce(func(i int) error {
		_, err := b.chain(ctx, fmt.Sprintf("%s-%03d", prefix, i), succeeded, build)
		return err
	})
	if err != nil {
		return 0, err
	}
	return took, b.settle(ctx)
}

// atOnce does something for each number of the burst at the same time and tells how long all of it took.
func (b *bench) atOnce(do func(i int) error) (time.Duration, error) {
	began := time.Now()
	failures := make([]error, b.burst)
	var all sync.WaitGroup
	for i := range b.burst {
		all.Go(func() { failures[i] = do(i) })
	}
	all.Wait()
	took := time.Since(began)
	for _, err := range failures {
		if err != nil {
			return 0, err
		}
	}
	return took, nil
}

// katkitRun makes a run and waits until it has succeeded.
func (b *bench) katkitRun(ctx context.Context, name string) (trace, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("after %s", settleTimeout))
	defer cancel()
	began := time.Now()
	if err := b.cluster.Run(ctx, install.NewRun(b.tenant, name, linkName, b.sha)); err != nil {
		return trace{}, err
	}
	ended, err := b.katkitJournal.await(ctx, kindRun, name, succeeded)
	if err != nil {
		return trace{}, fmt.Errorf("%w; see: kubectl describe -n %s cirun %s", err, b.tenant, name)
	}
	t := trace{name: name, succeededAt: ended, total: ended.Sub(began)}
	if t.created, err = b.katkitJournal.await(ctx, kindRun, name, created); err != nil {
		return t, err
	}
	t.phases, err = b.phasesOf(ctx, name)
	if err != nil {
		return t, err
	}
	t.createdToPod = t.phases[0].pod.at[created].Sub(t.created)
	for i := range t.phases[1:] {
		t.terminatedToPods = append(t.terminatedToPods, t.phases[i+1].pod.at[created].Sub(t.phases[i].pod.at[terminated]))
	}
	return t, nil
}

// phasesOf joins the Phases of a run with their builder Pods, in the order in which those were made.
func (b *bench) phasesOf(ctx context.Context, run string) ([]phaseTrace, error) {
	pods := b.katkitJournal.all(func(e *entry) bool { return e.kind == kindPod && e.run == run })
	if len(pods) != phases {
		return nil, fmt.Errorf("run %s had %d builder Pods, not %d", run, len(pods), phases)
	}
	slices.SortFunc(pods, func(a, c entry) int { return a.at[created].Compare(c.at[created]) })
	traces := make([]phaseTrace, 0, len(pods))
	for _, pod := range pods {
		if _, err := b.katkitJournal.await(ctx, kindPhase, pod.phase, succeeded); err != nil {
			return nil, err
		}
		phase := b.katkitJournal.all(func(e *entry) bool { return e.kind == kindPhase && e.name == pod.phase })
		traces = append(traces, phaseTrace{phase: phase[0], pod: pod})
	}
	return traces, nil
}

// chain makes Pods one after the other, each at a mark of the one before, and tells how long it took until the last one
// had it.
func (b *bench) chain(ctx context.Context, name string, next mark, build podBuilder) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("after %s", settleTimeout))
	defer cancel()
	began := time.Now()
	ended := began
	for i := range phases {
		pod := build(fmt.Sprintf("%s-%d", name, i))
		if err := b.cluster.Client.Create(ctx, pod); err != nil {
			return 0, fmt.Errorf("creating a bare Pod: %w", err)
		}
		var err error
		if ended, err = b.bareJournal.await(ctx, kindPod, pod.Name, next); err != nil {
			return 0, err
		}
	}
	return ended.Sub(began), nil
}

// settle removes the bare Pods and waits until no Pod is left, so that nothing of one measurement is in the next.
func (b *bench) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("after %s", settleTimeout))
	defer cancel()
	if err := b.cluster.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(b.bare)); err != nil {
		return fmt.Errorf("removing the bare Pods: %w", err)
	}
	if err := b.bareJournal.podsGone(ctx); err != nil {
		return err
	}
	return b.katkitJournal.podsGone(ctx)
}
