package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// mark is something that happens to an object once.
type mark string

const (
	created    mark = "created"
	scheduled  mark = "scheduled"  // of a Pod
	running    mark = "running"    // of a Pod: all containers; may never be seen of a short one
	terminated mark = "terminated" // of a Pod: all containers
	begun      mark = "begun"      // of a Phase: its status says so
	succeeded  mark = "succeeded"
	deleted    mark = "deleted"
)

// The kinds that a journal tells apart.
const (
	kindPod   = "Pod"
	kindRun   = "CIRun"
	kindPhase = "Phase"
)

// entry is what is known of one object.
type entry struct {
	kind, name string
	// run and phase that a builder Pod belongs to, and the run of a Phase.
	run, phase string
	at         map[mark]time.Time
	// steps are the times of the agent's reports in a builder Pod.
	steps steps
	// failure is set when the object can no longer succeed.
	failure error
}

// steps are when ci.sh began and ended, on the node's clock.
type steps struct{ scriptBegan, scriptEnded time.Time }

// journal records when changes of a namespace's Pods, CIRuns and Phases were first seen.
type journal struct {
	mu      sync.Mutex
	entries map[string]*entry
	changed chan struct{} // closed and replaced with every change
	broken  error         // a watch ended
}

// keepJournal watches a namespace until ctx is done.
func keepJournal(ctx context.Context, c client.WithWatch, namespace string) (*journal, error) {
	j := &journal{entries: map[string]*entry{}, changed: make(chan struct{})}
	for _, list := range []client.ObjectList{&corev1.PodList{}, &v1alpha1.CIRunList{}, &v1alpha1.PhaseList{}} {
		watcher, err := c.Watch(ctx, list, client.InNamespace(namespace))
		if err != nil {
			return nil, fmt.Errorf("watching namespace %s: %w", namespace, err)
		}
		go j.follow(ctx, watcher)
	}
	return j, nil
}

func (j *journal) follow(ctx context.Context, watcher watch.Interface) {
	defer watcher.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, open := <-watcher.ResultChan():
			now := time.Now()
			switch {
			case !open:
				j.fail(errors.New("the API server ended a watch; start again"))
				return
			case event.Type == watch.Error:
				j.fail(fmt.Errorf("watching: %w", apierrors.FromObject(event.Object)))
				return
			}
			if object, ok := event.Object.(client.Object); ok {
				j.record(object, event.Type == watch.Deleted, now)
			}
		}
	}
}

func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.broken = err
	j.tell()
}

// tell wakes all that wait. The lock is held.
func (j *journal) tell() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// record notes what is new about an object.
func (j *journal) record(object client.Object, gone bool, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := newEntry(object)
	if known := j.entries[e.kind+"/"+e.name]; known != nil {
		e = known
	} else {
		j.entries[e.kind+"/"+e.name] = e
	}
	note := func(m mark, is bool) {
		if _, noted := e.at[m]; is && !noted {
			e.at[m] = now
		}
	}
	note(created, true)
	note(deleted, gone)
	switch o := object.(type) {
	case *corev1.Pod:
		notePod(e, o, note)
	case *v1alpha1.CIRun:
		note(succeeded, o.Status.State == v1alpha1.RunSucceeded)
		if o.Status.State.Terminal() && o.Status.State != v1alpha1.RunSucceeded {
			e.failure = fmt.Errorf("run %s: %s", o.Name, o.Status.State)
		}
	case *v1alpha1.Phase:
		note(begun, o.Status.StartTime != nil)
		note(succeeded, o.Status.State == v1alpha1.PhaseSucceeded)
	}
	j.tell()
}

func newEntry(object client.Object) *entry {
	e := &entry{name: object.GetName(), run: object.GetLabels()[v1alpha1.LabelRun], at: map[mark]time.Time{}}
	switch object.(type) {
	case *corev1.Pod:
		e.kind = kindPod
		if owner := metav1.GetControllerOf(object); owner != nil {
			e.phase = owner.Name
		}
	case *v1alpha1.CIRun:
		e.kind = kindRun
	case *v1alpha1.Phase:
		e.kind = kindPhase
	}
	return e
}

func notePod(e *entry, pod *corev1.Pod, note func(mark, bool)) {
	statuses := pod.Status.ContainerStatuses
	runs, ended := len(statuses) > 0, len(statuses) > 0
	for _, status := range statuses {
		runs = runs && status.State.Running != nil
		ended = ended && status.State.Terminated != nil
		if status.State.Terminated != nil {
			e.steps.read(status.Name, status.State.Terminated.Message)
		}
	}
	note(scheduled, pod.Spec.NodeName != "")
	note(running, runs)
	note(terminated, ended)
	note(succeeded, pod.Status.Phase == corev1.PodSucceeded)
	if pod.Status.Phase == corev1.PodFailed {
		e.failure = fmt.Errorf("pod %s failed: %s", pod.Name, pod.Status.Message)
	}
}

func (s *steps) read(container, message string) {
	if report, err := contract.ParseReport([]byte(message)); err == nil && container == contract.BuildContainer { // not of a bare Pod
		s.scriptBegan, s.scriptEnded = report.StartTime, report.FinishTime
	}
}

// await returns when a mark of an object was seen, which may be long ago. The deadline is ctx's.
func (j *journal) await(ctx context.Context, kind, name string, m mark) (time.Time, error) {
	for {
		j.mu.Lock()
		e, broken, changed := j.entries[kind+"/"+name], j.broken, j.changed
		var at time.Time
		var failure error
		if e != nil {
			at, failure = e.at[m], e.failure
		}
		j.mu.Unlock()
		switch {
		case !at.IsZero():
			return at, nil
		case failure != nil:
			return at, failure
		case broken != nil:
			return at, broken
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return at, fmt.Errorf("%s %s was not %s in time: %w", kind, name, m, context.Cause(ctx))
		}
	}
}

// all returns copies of the entries that are wanted.
func (j *journal) all(wanted func(*entry) bool) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []entry
	for _, e := range j.entries {
		if wanted(e) {
			c := *e
			c.at = maps.Clone(e.at)
			found = append(found, c)
		}
	}
	return found
}

// podsGone waits until all Pods are deleted.
func (j *journal) podsGone(ctx context.Context) error {
	for _, pod := range j.all(func(e *entry) bool { return e.kind == kindPod }) {
		if _, err := j.await(ctx, kindPod, pod.name, deleted); err != nil {
			return err
		}
	}
	return nil
}
