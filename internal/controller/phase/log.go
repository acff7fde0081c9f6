package phase

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	domain "katkit.dev/katkit/internal/domain/phase"
)

const (
	// logPatience bounds the reading of a log, so that a node that is gone does not hold up a verdict.
	logPatience = 10 * time.Second
	// defaultTailLines is asked for when the agent did not count the lines.
	defaultTailLines = int64(2000)
)

// keepLog stores the end of a replica's log in a ConfigMap of the Phase and names it in the status. A log that
// cannot be read any more is told of in Katkit's own log; the verdict does not wait for it.
func (c *Controller) keepLog(ctx context.Context, phase *v1alpha1.Phase, keep domain.KeepLog, status *v1alpha1.PhaseStatus) error {
	tail, err := c.readLog(ctx, phase.Namespace, keep)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("a builder Pod's log could not be read", "pod", keep.Pod, "error", err.Error())
		return nil
	}
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: keep.Pod + "-log", Namespace: phase.Namespace,
			Labels: map[string]string{
				v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
				v1alpha1.LabelRun:       phase.Spec.Run.Name,
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(phase, v1alpha1.GroupVersion.WithKind("Phase"))},
		},
		Immutable: new(true),
		Data:      map[string]string{v1alpha1.ConfigMapKeyLog: tail},
	}
	_, err = c.Core.ConfigMaps(phase.Namespace).Create(ctx, configMap, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("storing the log of builder Pod %s: %w", keep.Pod, err)
	}
	for i := range status.Attempts {
		for j := range status.Attempts[i].Replicas {
			replica := &status.Attempts[i].Replicas[j]
			if replica.Pod != keep.Pod {
				continue
			}
			if replica.Log == nil {
				replica.Log = &v1alpha1.LogStatus{}
			}
			if replica.Log.Bytes == 0 { // without the agent's report
				replica.Log.Bytes = int64(len(tail))
			}
			replica.Log.ConfigMap = configMap.Name
		}
	}
	return nil
}

// readLog returns the last 64 KiB of a build container's log, as valid UTF-8.
func (c *Controller) readLog(ctx context.Context, namespace string, keep domain.KeepLog) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	lines := keep.TailLines
	if lines == 0 {
		lines = defaultTailLines
	}
	stream, err := c.Core.Pods(namespace).GetLogs(keep.Pod, &corev1.PodLogOptions{
		Container: contract.BuildContainer, TailLines: &lines,
	}).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("opening the log: %w", err)
	}
	defer func() { _ = stream.Close() }() // read to its end or given up
	last := &tailBuffer{limit: contract.LogTailBytes}
	if _, err := io.Copy(last, stream); err != nil && len(last.bytes) == 0 {
		return "", fmt.Errorf("reading the log: %w", err)
	}
	return strings.ToValidUTF8(string(last.bytes), "\uFFFD"), nil
}

// tailBuffer keeps the last limit bytes of what is written to it, and never holds more than twice that.
type tailBuffer struct {
	bytes []byte
	limit int
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	written := len(p)
	if len(p) > t.limit {
		p = p[len(p)-t.limit:]
	}
	t.bytes = append(t.bytes, p...)
	if extra := len(t.bytes) - t.limit; extra > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[extra:]...)
	}
	return written, nil
}
