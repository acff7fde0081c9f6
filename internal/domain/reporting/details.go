package reporting

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/annotation"
	"katkit.dev/katkit/internal/domain/markdown"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// maxAnnotations is how many GitHub takes in one request.
	maxAnnotations = 50
	// maxLogs is of how many replicas a check run shows the last lines. GitHub takes 65,535 characters of text; of a log 4,096 bytes are kept.
	maxLogs = 8
)

// Details are what a check run shows beyond its status.
type Details struct {
	// ID says whose check run it is: see CheckID.
	ID string
	// Began and Ended are the phase's; zero: it has not.
	Began, Ended time.Time
	// Summary and Text are Markdown. Text is the last lines of the logs of what failed; "": there are none.
	Summary, Text string
	// Annotations are remarks about lines of the repository's files.
	Annotations []annotation.Annotation
}

// Detail tells what the check run shows whose context this is, in the letter case of Desired.
func Detail(o Observation, context string) Details {
	for i, known := range contexts(o.Tenant.Name, o.Link.Spec.Folder(), o.Run.Status.Phases) {
		if known == context {
			return ofPhase(o, o.Run.Status.Phases[i])
		}
	}
	d := Details{ID: CheckID(o.Run.UID, configPart), Began: o.Run.CreationTimestamp.Time, Ended: timeOf(o.Run.Status.CompletionTime)}
	d.Summary = fmt.Sprintf("Run %s could begin.\n", markdown.Code(o.Run.Name))
	if failed := meta.FindStatusCondition(o.Run.Status.Conditions, v1alpha1.ConditionSucceeded); len(o.Run.Status.Phases) == 0 && failed != nil {
		d.Summary = fmt.Sprintf("Run %s could not begin: %s\n\n%s\n%s", markdown.Code(o.Run.Name), failed.Reason, tell(failed.Reason, failed.Message).block(), end(o))
	}
	return d
}

// ofPhase tells of a phase.
func ofPhase(o Observation, entry v1alpha1.RunPhaseStatus) Details {
	d := Details{ID: CheckID(o.Run.UID, entry.Name), Began: timeOf(entry.StartTime), Ended: timeOf(entry.CompletionTime)}
	phase := o.Phases[entry.PhaseName]
	var parts []string
	parts = append(parts, lead(o, entry))
	if said := whyEnded(o, entry).block(); said != "" {
		parts = append(parts, said)
	}
	if phase != nil {
		parts = append(parts, receipts(phase)...)
	}
	d.Summary = strings.Join(append(parts, end(o)), "\n")
	if entry.State == v1alpha1.PhaseFailed && phase != nil {
		d.Text, d.Annotations = logs(o, phase)
	}
	return d
}

// lead is the first sentence.
func lead(o Observation, entry v1alpha1.RunPhaseStatus) string {
	took := ""
	if began, ended := timeOf(entry.StartTime), timeOf(entry.CompletionTime); !began.IsZero() && !ended.IsZero() {
		took = " after " + ended.Sub(began).Round(time.Second).String()
	}
	return fmt.Sprintf("Phase %s of run %s in tenant %s: **%s**%s\n", markdown.Code(entry.Name), markdown.Code(o.Run.Name), markdown.Code(o.Tenant.Name), entry.State, took)
}

// receipts list what a deployment did to each service. Why a service could not be brought back the cluster tells.
func receipts(phase *v1alpha1.Phase) []string {
	var lines []string
	for _, receipt := range phase.Status.Receipts {
		line := fmt.Sprintf("- %s (%s %s): %s", markdown.Code(receipt.Role), receipt.Kind, markdown.Code(receipt.Name), receipt.Result)
		if receipt.Message != "" && receipt.Result != v1alpha1.ReceiptRollbackFailed {
			line += ": " + markdown.Code(receipt.Message)
		}
		lines = append(lines, line)
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	return lines
}

// end tells where all of it is to be seen.
func end(o Observation) string {
	return "All of it: " + markdown.Span(more(o)) + "\n"
}

// logs are the last lines of what failed in the last attempt, and what they say about files.
func logs(o Observation, phase *v1alpha1.Phase) (shown string, found []annotation.Annotation) {
	attempts := phase.Status.Attempts
	if len(attempts) == 0 {
		return "", nil
	}
	replicas := attempts[len(attempts)-1].Replicas
	var parts []string
	for _, replica := range replicas {
		if replica.FailureClass == "" || replica.Log == nil || text.Lines(replica.Log.Tail) == "" || len(parts) == maxLogs {
			continue
		}
		title := "The last lines of the log"
		if len(replicas) > 1 {
			title += fmt.Sprintf(" of replica %d", replica.Index)
		}
		parts = append(parts, title+":\n\n"+markdown.Block(replica.Log.Tail))
		found = append(found, annotation.Find(replica.Log.Tail, o.Link.Spec.Folder(), contract.SourceDir, maxAnnotations-len(found))...)
	}
	return strings.Join(parts, "\n"), found
}

func timeOf(at *metav1.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.Time
}
