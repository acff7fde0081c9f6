package install

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// explainedLines is how many last lines of a log Explain shows.
const explainedLines = 30

// Phases returns the Phases of a run in their order.
func (c *Cluster) Phases(ctx context.Context, run *v1alpha1.CIRun) ([]v1alpha1.Phase, error) {
	var list v1alpha1.PhaseList
	if err := c.Client.List(ctx, &list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRun: run.Name}); err != nil {
		return nil, fmt.Errorf("listing the Phases of run %s/%s: %w", run.Namespace, run.Name, err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.Phase) int {
		return cmp.Or(cmp.Compare(a.Spec.Order, b.Spec.Order), cmp.Compare(a.Name, b.Name))
	})
	return list.Items, nil
}

// Log returns what was kept of the log of a replica that has ended: its last 64 KiB.
func (c *Cluster) Log(ctx context.Context, namespace string, replica v1alpha1.ReplicaStatus) (string, error) {
	if replica.Log == nil {
		return "", fmt.Errorf("no log of builder Pod %s/%s was kept", namespace, replica.Pod)
	}
	if replica.Log.ConfigMap == "" {
		return replica.Log.Tail, nil
	}
	stored, err := c.Clientset.CoreV1().ConfigMaps(namespace).Get(ctx, replica.Log.ConfigMap, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading the log of builder Pod %s/%s: %w", namespace, replica.Pod, err)
	}
	return stored.Data["log"], nil
}

// Explain writes what is known about a run: itself, its Phases with the ends of their logs, the Pods and events of its
// namespace and the end of the manager's log. What cannot be read is named in its place.
func (c *Cluster) Explain(ctx context.Context, run *v1alpha1.CIRun, out io.Writer) {
	now := &v1alpha1.CIRun{}
	if err := c.Client.Get(ctx, client.ObjectKeyFromObject(run), now); err != nil {
		fmt.Fprintf(out, "run %s/%s: %v\n", run.Namespace, run.Name, err)
	} else {
		fmt.Fprintf(out, "run %s/%s: %s: %s\n", now.Namespace, now.Name, now.Status.State, message(now.Status.Conditions))
	}
	phases, err := c.Phases(ctx, run)
	if err != nil {
		fmt.Fprintln(out, err)
	}
	for _, phase := range phases {
		fmt.Fprintf(out, "phase %s: %s %s %s\n", phase.Name, phase.Status.State, phase.Status.FailureClass, phase.Status.Message)
		for _, attempt := range phase.Status.Attempts {
			for _, replica := range attempt.Replicas {
				c.explainReplica(ctx, phase.Namespace, replica, out)
			}
		}
	}
	if pods := c.trouble(ctx, run.Namespace, ""); pods != "" {
		fmt.Fprintln(out, pods)
	}
	c.explainEvents(ctx, run, out)
	c.explainManager(ctx, out)
}

func (c *Cluster) explainReplica(ctx context.Context, namespace string, replica v1alpha1.ReplicaStatus, out io.Writer) {
	code := "?"
	if replica.ExitCode != nil {
		code = fmt.Sprint(*replica.ExitCode)
	}
	fmt.Fprintf(out, "  builder Pod %s: exit code %s %s\n", replica.Pod, code, replica.Reason)
	log, err := c.Log(ctx, namespace, replica)
	if err != nil {
		log = err.Error()
	}
	fmt.Fprintln(out, Indent(LastLines(log, explainedLines), "  | "))
}

// explainEvents tells of the run and what it made, oldest first, and of every warning in its namespace.
func (c *Cluster) explainEvents(ctx context.Context, run *v1alpha1.CIRun, out io.Writer) {
	events, err := c.Clientset.CoreV1().Events(run.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		fmt.Fprintf(out, "events: %v\n", err)
		return
	}
	slices.SortStableFunc(events.Items, func(a, b corev1.Event) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for _, event := range events.Items {
		if event.Type != corev1.EventTypeNormal || strings.HasPrefix(event.InvolvedObject.Name, run.Name) {
			fmt.Fprintf(out, "event %s %s/%s %s: %s\n", event.Type, event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
		}
	}
}

func (c *Cluster) explainManager(ctx context.Context, out io.Writer) {
	pods, err := c.Clientset.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=manager"})
	if err != nil {
		fmt.Fprintf(out, "manager: %v\n", err)
		return
	}
	for _, pod := range pods.Items {
		log, err := c.Clientset.CoreV1().Pods(Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: new(int64(explainedLines))}).DoRaw(ctx)
		if err != nil {
			log = []byte(err.Error())
		}
		fmt.Fprintf(out, "manager %s:\n%s\n", pod.Name, Indent(strings.TrimSpace(string(log)), "  | "))
	}
}

// trouble tells what keeps Pods from running: a line for each container that waits or failed, and each Pod that cannot
// be scheduled.
func (c *Cluster) trouble(ctx context.Context, namespace, selector string) string {
	pods, err := c.Clientset.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err.Error()
	}
	var why []string
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				why = append(why, fmt.Sprintf("Pod %s: %s: %s", pod.Name, condition.Reason, condition.Message))
			}
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if waiting := status.State.Waiting; waiting != nil {
				why = append(why, fmt.Sprintf("Pod %s, container %s: %s: %s", pod.Name, status.Name, waiting.Reason, waiting.Message))
			}
			if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 {
				why = append(why, fmt.Sprintf("Pod %s, container %s: %s, exit code %d: %s", pod.Name, status.Name, ended.Reason, ended.ExitCode, clip(ended.Message, 300)))
			}
		}
	}
	return strings.Join(why, "\n")
}

// message is what the condition Succeeded or Ready says.
func message(conditions []metav1.Condition) string {
	for _, condition := range conditions {
		if condition.Type == v1alpha1.ConditionSucceeded || condition.Type == v1alpha1.ConditionReady {
			return condition.Reason + ": " + condition.Message
		}
	}
	return ""
}

// LastLines returns the last n lines of a text.
func LastLines(text string, n int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// Indent puts prefix before every line.
func Indent(text, prefix string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}
