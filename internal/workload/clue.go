package workload

import (
	"context"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/internal/domain/rollout"
)

const (
	// logLines and logBytes bound what is told of a crashed container's log; logRead bounds what is read of it.
	logLines, logBytes, logRead = int64(10), 1024, int64(64 << 10)
	// logPatience bounds the reading, so that a node that is gone holds nothing up.
	logPatience = 3 * time.Second
	// maxEvents is how many events of an object are looked through.
	maxEvents = 100
)

// Follow reads what a trouble's clue names, and returns the trouble with what it found: the last 10 lines (1 KiB) of a
// container's log, or what the newest warning event says. A clue that leads nowhere changes nothing: logs and events are
// kept for some time only.
func Follow(ctx context.Context, live client.Reader, core corev1client.PodsGetter, namespace string, trouble *rollout.Trouble) *rollout.Trouble {
	if trouble == nil || trouble.Clue == nil {
		return trouble
	}
	if trouble.Clue.Log {
		return trouble.WithLog(lastLines(ctx, core.Pods(namespace), *trouble.Clue))
	}
	newest, err := newestEvent(ctx, live, namespace, client.MatchingFields{
		"involvedObject.uid": string(trouble.Clue.UID), "type": corev1.EventTypeWarning,
	}, func(event *corev1.Event) bool { return about(event, trouble.Clue.Container) })
	if err != nil || newest == nil {
		return trouble
	}
	return trouble.WithEvent(newest.Message)
}

// about tells whether an event of a Pod is about a container; "" is the Pod as a whole.
func about(event *corev1.Event, container string) bool {
	path := event.InvolvedObject.FieldPath
	if container == "" {
		return !strings.HasPrefix(path, "spec.")
	}
	return strings.HasSuffix(path, "{"+container+"}") && event.Reason == "Unhealthy"
}

func lastLines(ctx context.Context, pods corev1client.PodInterface, clue rollout.Clue) string {
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	options := &corev1.PodLogOptions{Container: clue.Container, Previous: clue.Previous, TailLines: new(logLines), LimitBytes: new(logRead)}
	stream, err := pods.GetLogs(clue.Pod, options).Stream(ctx)
	if err != nil && clue.Previous { // the kubelet removes the older of two instances after a while
		options.Previous = false
		stream, err = pods.GetLogs(clue.Pod, options).Stream(ctx)
	}
	if err != nil {
		return ""
	}
	defer func() { _ = stream.Close() }() // read to its end or given up
	text, err := io.ReadAll(io.LimitReader(stream, logRead))
	if err != nil && len(text) == 0 {
		return ""
	}
	return string(text[max(len(text)-logBytes, 0):])
}

// failedCreate says why the workload's controller could not create a Pod: its newest event of that kind, unless a Pod of
// the revision was created since.
func failedCreate(ctx context.Context, live client.Reader, seen Rollout, namespace string, since time.Time) (string, error) {
	since = since.Add(-time.Nanosecond) // times of events are cut to the second
	for i := range seen.Pods {
		if created := seen.Pods[i].CreationTimestamp.Time; created.After(since) {
			since = created
		}
	}
	newest, err := newestEvent(ctx, live, namespace, client.MatchingFields{
		"involvedObject.uid": string(seen.Workload), "reason": "FailedCreate",
	}, func(event *corev1.Event) bool { return at(event).After(since) })
	if err != nil || newest == nil {
		return "", err
	}
	return newest.Message, nil
}

// newestEvent is the newest of the events that fit; nil when none does.
func newestEvent(ctx context.Context, live client.Reader, namespace string, fields client.MatchingFields, fits func(*corev1.Event) bool) (*corev1.Event, error) {
	var list corev1.EventList
	if err := live.List(ctx, &list, client.InNamespace(namespace), fields, client.Limit(maxEvents)); err != nil {
		return nil, err
	}
	var newest *corev1.Event
	for i := range list.Items {
		if event := &list.Items[i]; fits(event) && (newest == nil || at(event).After(at(newest))) {
			newest = event
		}
	}
	return newest, nil
}

// at is when an event happened last.
func at(event *corev1.Event) time.Time {
	if event.Series != nil {
		return event.Series.LastObservedTime.Time
	}
	if event.LastTimestamp.IsZero() {
		return event.EventTime.Time
	}
	return event.LastTimestamp.Time
}
