package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// severity are the reasons of troubles, the worst first.
var severity = []string{
	v1alpha1.ReasonBlocked, v1alpha1.ReasonImagePullFailed, v1alpha1.ReasonContainerConfig, v1alpha1.ReasonCrashLoop, v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonFailedCreate,
	v1alpha1.ReasonUnschedulable, v1alpha1.ReasonProbeFailing, v1alpha1.ReasonNodeTrouble, v1alpha1.ReasonNotReady,
}

// maxTrouble bounds a trouble's message, in bytes. Half of it is kept for a clue.
const maxTrouble = 1024

// Trouble is what keeps the Pods of a service's newest revision from becoming available.
type Trouble struct {
	// Reason is a condition reason of api/v1alpha1.
	Reason string
	// Message names the Pod and the container and says what is wrong, in one line of 1 KiB at most.
	Message string
	// Blocker is the Pod that has to go for the rollout to go on; nil when there is none.
	Blocker *Blocker
	// Final: it does not pass by itself, so the rollout has failed.
	Final bool
	// Clue is where more is to be read about it; nil when the message tells all.
	Clue *Clue
}

// Clue names what tells more of a trouble: the log of a container that crashed, or what the kubelet said of it in an event.
type Clue struct {
	// Pod of the service's namespace, and its UID.
	Pod string
	UID types.UID
	// Container is empty when the Pod as a whole is meant.
	Container string
	// Log: the container's log, of the instance before the present one when Previous is set. Else the newest warning event.
	Log, Previous bool
}

// Blocker is a Pod of the service's namespace.
type Blocker struct {
	Name string
	UID  types.UID
}

// Diagnose tells the worst that is wrong with the Pods of a service's newest revision, or with the service itself, where
// service.Trouble says so. It is nil when there is nothing to tell (yet: see Recheck).
func Diagnose(service Service, pods []corev1.Pod, now time.Time) *Trouble {
	worst, all := worstOf(pods, now)
	if len(all) == 0 {
		return service.Trouble
	}
	if own := service.Trouble; own != nil && compare(finding{reason: own.Reason, final: own.Final}, worst) < 0 {
		return own
	}
	return &Trouble{Reason: worst.reason, Message: worst.message(all, len(pods)), Final: worst.final, Clue: worst.clue}
}

// worstOf returns the worst that is to be told of Pods by now, and all of it.
func worstOf(pods []corev1.Pod, now time.Time) (worst finding, all []finding) {
	for i := range pods {
		all = append(all, told(findings(&pods[i], now), now)...)
	}
	if len(all) > 0 {
		worst = slices.MinFunc(all, compare)
	}
	return worst, all
}

// Recheck tells after which time a trouble of the Pods may have to be told though nothing of them changes, as with a probe
// that does not pass; 0: only when something changes.
func Recheck(pods []corev1.Pod, now time.Time) time.Duration {
	var soonest time.Duration
	for i := range pods {
		for _, found := range findings(&pods[i], now) {
			if left := found.due.Sub(now); left > 0 && (soonest == 0 || left < soonest) {
				soonest = left
			}
		}
	}
	return soonest
}

// FailedCreate is the trouble of a workload whose Pods the API server does not accept. message is that of the workload's
// condition or event.
func FailedCreate(message string) *Trouble {
	reason := v1alpha1.ReasonFailedCreate
	if strings.Contains(message, "exceeded quota") {
		reason = v1alpha1.ReasonQuotaExceeded
	}
	// The name of the Pod that could not be made is another one at each try.
	if _, why, found := strings.Cut(message, " is forbidden: "); found {
		message = why
	}
	return &Trouble{Reason: reason, Message: text.Cut("a new Pod cannot be created: "+text.Line(message), maxTrouble)}
}

// Blocked is the trouble of a StatefulSet that waits for Pods of other revisions to become ready before it replaces them, as
// those of podManagementPolicy OrderedReady do. It is nil when nothing is wrong with the Pods.
func Blocked(pods []corev1.Pod, now time.Time) *Trouble {
	worst, all := worstOf(pods, now)
	if len(all) == 0 {
		return nil
	}
	var blocker *Blocker
	for i := range pods {
		if worst.final && pods[i].Name == worst.pod {
			blocker = &Blocker{Name: pods[i].Name, UID: pods[i].UID}
		}
	}
	return &Trouble{Reason: v1alpha1.ReasonBlocked, Final: worst.final, Blocker: blocker, Message: text.Cut(text.Line(fmt.Sprintf(
		"Pod %[1]s is of another revision, and the StatefulSet waits for it to become ready instead of replacing it: "+
			"kubectl delete pod %[1]s -n %[2]s lets it go on. Container %[3]s of that Pod: %[4]s",
		worst.pod, pods[0].Namespace, worst.container, worst.what)), maxTrouble)}
}

// WithLog adds the last lines of a log, as many as there is room for.
func (t Trouble) WithLog(lines string) *Trouble {
	kept := make([]string, 0, 10)
	room := maxTrouble - len(t.Message) - len(logMark)
	for _, line := range slices.Backward(strings.Split(lines, "\n")) {
		line = text.Line(line)
		if line == "" {
			continue
		}
		if len(kept) == 0 {
			line = text.Cut(line, max(room, minLine))
		}
		if room -= len(line) + len(lineMark); room < 0 && len(kept) > 0 {
			break
		}
		kept = append(kept, line)
	}
	if len(kept) > 0 {
		slices.Reverse(kept)
		t.Message = text.Cut(t.Message+logMark+strings.Join(kept, lineMark), maxTrouble)
	}
	return &t
}

// WithEvent adds what an event says.
func (t Trouble) WithEvent(message string) *Trouble {
	if line := text.Line(message); line != "" {
		t.Message = text.Cut(t.Message+": "+line, maxTrouble)
	}
	return &t
}

const (
	logMark  = "; its log ends with: "
	lineMark = " | "
	// minLine is the least room in which a line is cut, in bytes.
	minLine = 16
)

// finding is one thing that is wrong with a Pod.
type finding struct {
	reason         string
	final          bool
	pod, container string
	what           string
	// due is when it is told; before, it may be how every Pod begins.
	due  time.Time
	clue *Clue
}

func told(found []finding, now time.Time) []finding {
	return slices.DeleteFunc(found, func(f finding) bool { return f.due.After(now) })
}

// compare puts the worse finding first, and those that are as bad in the order of their Pods.
func compare(a, b finding) int {
	if a.final != b.final {
		if a.final {
			return -1
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(slices.Index(severity, a.reason), slices.Index(severity, b.reason)),
		cmp.Compare(a.pod, b.pod),
	)
}

// message tells of a finding, and how many of the Pods have the same.
func (f finding) message(all []finding, pods int) string {
	alike := map[string]bool{}
	for _, other := range all {
		if other.reason == f.reason && other.container == f.container {
			alike[other.pod] = true
		}
	}
	where := "Pod " + f.pod
	if pods > 1 {
		where += fmt.Sprintf(" (%d of %d new Pods)", len(alike), pods)
	}
	if f.container != "" {
		where += ", container " + f.container
	}
	limit := maxTrouble
	if f.clue != nil {
		limit /= 2
	}
	return text.Cut(strings.TrimSuffix(text.Line(where+": "+f.what), "."), limit)
}
