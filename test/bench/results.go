package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"katkit.dev/katkit/test/install"
)

// What is to be reached.
const (
	targetCreatedToPod    = 30 * time.Millisecond
	targetTerminatedToPod = 50 * time.Millisecond
	targetRun             = 0.65 // of the bare Pods' time
	targetBurst           = 1.5  // of the bare chains' time
	targetWrites          = 18
	targetEvents          = 8
	targetBytes           = 20_000
	targetMemory          = 64 << 20
)

// results are all that was measured.
type results struct {
	settings
	images install.Images
	node   string // its size and version

	rounds     []round
	idleMemory int64         // resident bytes of the manager after the rounds
	idleCPU    time.Duration // of the manager, a run
	writes     *writes       // of all rounds; nil: there was no audit log
	stored     stored        // of one run

	burst       time.Duration // until all runs were done
	burstBare   time.Duration // until all chains of bare Pods were done
	burstShaped time.Duration // the same of Pods like Katkit's that do nothing
	peakMemory  int64
	burstCPU    time.Duration // of the manager, a run
	burstWrites *writes
}

// describe says what is measured on.
func (b *bench) describe(ctx context.Context, r *results) error {
	nodes, err := b.cluster.Clientset.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("looking at the nodes: %w", err)
	}
	var parts []string
	for _, node := range nodes.Items {
		parts = append(parts, fmt.Sprintf("%s: %s CPUs, Kubernetes %s", node.Name, node.Status.Capacity.Cpu(), node.Status.NodeInfo.KubeletVersion))
	}
	if b.cluster.Registry.Local {
		if load, err := os.ReadFile("/proc/loadavg"); err == nil {
			parts = append(parts, "load before: "+strings.Join(strings.Fields(string(load))[:3], " "))
		}
	}
	r.node = strings.Join(parts, "; ")
	return nil
}

// write prints the table and where the time of one run went.
func (r *results) write(out io.Writer) error {
	fmt.Fprintf(out, "\n%s\nthree execution phases with an empty ci.sh beside three bare Pods; image of both: %s\n\n", r.node, r.images.Builder)
	t := &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	t.row(fmt.Sprintf("idle cluster, n = %d", len(r.rounds)), "median", "p90", "target", "")
	r.idleRows(t)
	r.writeRows(t)
	t.row("manager after these runs: resident memory", megabytes(r.idleMemory), "", "", "")
	t.row("  CPU time a run", milliseconds(r.idleCPU), "", "", "")
	if r.settings.burst > 0 {
		r.burstRows(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	r.writeKinds(out)
	r.timeline(out)
	return nil
}

func (r *results) idleRows(t *table) {
	var createdToPod, terminatedToPod, run, untilSucceeded, untilTerminated, ratios []float64
	for _, round := range r.rounds {
		createdToPod = append(createdToPod, round.run.createdToPod.Seconds())
		for _, gap := range round.run.terminatedToPods {
			terminatedToPod = append(terminatedToPod, gap.Seconds())
		}
		run = append(run, round.run.total.Seconds())
		untilSucceeded = append(untilSucceeded, round.untilSucceeded.Seconds())
		untilTerminated = append(untilTerminated, round.untilTerminated.Seconds())
		ratios = append(ratios, round.run.total.Seconds()/round.untilSucceeded.Seconds())
	}
	t.times("run created → first builder Pod created", createdToPod, targetCreatedToPod)
	t.times("last container terminated → next Pod created", terminatedToPod, targetTerminatedToPod)
	t.times("whole run", run, 0)
	t.times("  three bare Pods, next at Succeeded", untilSucceeded, 0)
	t.times("  three bare Pods, next at terminated", untilTerminated, 0)
	t.row("  run ÷ bare Pods (Succeeded)", fmt.Sprintf("%.2f", median(ratios)), fmt.Sprintf("%.2f", p90(ratios)),
		fmt.Sprintf("≤ %.2f", targetRun), verdict(median(ratios) <= targetRun))
}

func (r *results) writeRows(t *table) {
	if r.writes == nil {
		t.row("writes and events a run", "not counted: this cluster's audit log is not known, see -audit-log", "", "", "")
	} else {
		n := float64(len(r.rounds))
		each, events := float64(r.writes.total())/n, float64(r.writes.events)/n
		t.row("writes a run, events apart", fmt.Sprintf("%.1f", each), "", fmt.Sprintf("≤ %d", targetWrites), verdict(each <= targetWrites))
		t.row("event writes a run", fmt.Sprintf("%.1f", events), "", fmt.Sprintf("≤ %d", targetEvents), verdict(events <= targetEvents))
	}
	t.row("objects of a finished run", kilobytes(r.stored.objects()), "", "≤ "+kilobytes(targetBytes), verdict(r.stored.objects() <= targetBytes))
	t.row("  "+fmt.Sprintf("CIRun %s, Phases %s, ConfigMaps %s", kilobytes(r.stored.run), kilobytes(r.stored.phases), kilobytes(r.stored.configMaps)), "", "", "", "")
	t.row(fmt.Sprintf("  beside them: %d events", r.stored.katkitEvents), kilobytes(r.stored.events), "", "", "")
	t.row("  events of kubelet and scheduler about the builder Pods", fmt.Sprint(r.stored.otherEvents), "", "", "")
}

func (r *results) burstRows(t *table) {
	n := r.settings.burst
	ratio := r.burst.Seconds() / r.burstBare.Seconds()
	t.row("", "", "", "", "")
	t.row(fmt.Sprintf("%d at once", n), "", "", "target", "")
	t.row("makespan of the runs", seconds(r.burst.Seconds()), "", "", "")
	t.row("  of chains of bare Pods, next at Succeeded", seconds(r.burstBare.Seconds()), "", "", "")
	t.row("  of chains of builder Pods that do nothing", seconds(r.burstShaped.Seconds()), "", "", "")
	t.row("  builder Pods that do nothing ÷ bare chains", fmt.Sprintf("%.2f", r.burstShaped.Seconds()/r.burstBare.Seconds()), "", "", "")
	t.row("  runs ÷ bare chains", fmt.Sprintf("%.2f", ratio), "", fmt.Sprintf("≤ %.2f", targetBurst), verdict(ratio <= targetBurst))
	if r.burstWrites != nil {
		t.row("writes a run, events apart", fmt.Sprintf("%.1f", float64(r.burstWrites.total())/float64(n)), "", "", "")
		t.row("event writes a run", fmt.Sprintf("%.1f", float64(r.burstWrites.events)/float64(n)), "", "", "")
	}
	t.row("manager: most resident memory", megabytes(r.peakMemory), "", "≤ "+megabytes(targetMemory), verdict(r.peakMemory <= targetMemory))
	t.row("  CPU time a run", milliseconds(r.burstCPU), "", "", "")
}

// writeKinds lists writes by verb and resource.
func (r *results) writeKinds(out io.Writer) {
	for _, counted := range []struct {
		of string
		n  int
		w  *writes
	}{{"idle", len(r.rounds), r.writes}, {"at once", r.settings.burst, r.burstWrites}} {
		if counted.w == nil {
			continue
		}
		fmt.Fprintf(out, "\nwrites of the manager a run, %s (%d of all were refused):\n", counted.of, counted.w.refused)
		kinds := slices.SortedFunc(maps.Keys(counted.w.byKind), func(a, b string) int {
			return cmp.Or(cmp.Compare(counted.w.byKind[b], counted.w.byKind[a]), cmp.Compare(a, b))
		})
		for _, kind := range kinds {
			fmt.Fprintf(out, "  %6.1f  %s\n", float64(counted.w.byKind[kind])/float64(counted.n), kind)
		}
	}
}

// timeline tells where the time of the median run went.
func (r *results) timeline(out io.Writer) {
	runs := make([]trace, 0, len(r.rounds))
	for _, round := range r.rounds {
		runs = append(runs, round.run)
	}
	slices.SortFunc(runs, func(a, b trace) int { return cmp.Compare(a.total, b.total) })
	run := runs[(len(runs)-1)/2]
	fmt.Fprintf(out, "\nthe median run, %s; milliseconds since it was created, and since the line before\n", seconds(run.total.Seconds()))
	last := run.created
	line := func(what string, at time.Time) {
		if at.IsZero() {
			return
		}
		fmt.Fprintf(out, "  %6d  %+6d  %s\n", at.Sub(run.created).Milliseconds(), at.Sub(last).Milliseconds(), what)
		last = at
	}
	for i, phase := range run.phases {
		steps := []struct {
			what string
			at   time.Time
		}{
			{"Phase created", phase.phase.at[created]},
			{"builder Pod created", phase.pod.at[created]},
			{"scheduled", phase.pod.at[scheduled]},
			{"ci.sh began", phase.pod.steps.scriptBegan},
			{"ci.sh done", phase.pod.steps.scriptEnded},
			{"running, as the kubelet says", phase.pod.at[running]},
			{"terminated, as the kubelet says", phase.pod.at[terminated]},
			{"Phase succeeded", phase.phase.at[succeeded]},
		}
		if i > 0 {
			steps = steps[1:] // all Phases are created at the beginning
		}
		slices.SortStableFunc(steps, func(a, b struct {
			what string
			at   time.Time
		}) int {
			return a.at.Compare(b.at)
		})
		for _, step := range steps {
			line(fmt.Sprintf("%d  %s", i+1, step.what), step.at)
		}
	}
	line("   run succeeded", run.succeededAt)
}

type table struct{ *tabwriter.Writer }

func (t *table) row(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }

// times is a row of durations in seconds; a target of 0 is none.
func (t *table) times(what string, all []float64, target time.Duration) {
	limit, reached := "", ""
	if target > 0 {
		limit, reached = "≤ "+seconds(target.Seconds()), verdict(median(all) <= target.Seconds())
	}
	t.row(what, seconds(median(all)), seconds(p90(all)), limit, reached)
}

func verdict(reached bool) string {
	if reached {
		return "ok"
	}
	return "MISSED"
}

// median is the middle of the values, or between the two that are.
func median(values []float64) float64 {
	ordered := slices.Sorted(slices.Values(values))
	n := len(ordered)
	if n == 0 {
		return 0
	}
	return (ordered[(n-1)/2] + ordered[n/2]) / 2
}

// p90 is the smallest value that nine of ten do not exceed.
func p90(values []float64) float64 {
	ordered := slices.Sorted(slices.Values(values))
	if len(ordered) == 0 {
		return 0
	}
	return ordered[(9*len(ordered)+9)/10-1]
}

func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.2f s", s)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
func megabytes(bytes int64) string        { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
func kilobytes(bytes int) string          { return fmt.Sprintf("%.1f KB", float64(bytes)/1000) }
