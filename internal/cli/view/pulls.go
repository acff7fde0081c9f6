package view

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// Pulls lists a link's open pull requests, in their order, with the newest run of each, below a line of headings. runs are
// those of the link.
func Pulls(link *v1alpha1.TenantRepoLink, runs []v1alpha1.CIRun) []string {
	newest := map[int32]*v1alpha1.CIRun{}
	for i := range runs {
		run := &runs[i]
		number := cmp.Or(run.Status.PullRequest, run.Spec.Commit.PullRequest)
		if last := newest[number]; last == nil || last.CreationTimestamp.Before(&run.CreationTimestamp) {
			newest[number] = run
		}
	}
	rows := [][]string{{"PR", "COMMIT", "BRANCH", "AUTHOR", "LAST RUN", "STATE", "TITLE"}}
	for _, pull := range link.Status.PullRequests {
		name, state := "-", "-"
		if last := newest[pull.Number]; last != nil {
			name, state = text.Line(last.Name), text.Line(string(State(last)))
			if sha := last.Status.SHA; sha != "" && sha != pull.HeadSHA {
				state += " (of " + short(sha) + ")"
			}
		}
		rows = append(rows, []string{
			fmt.Sprintf("#%d", pull.Number), short(pull.HeadSHA), branch(pull), text.Line(pull.Author), name, state, title(pull),
		})
	}
	return columns(rows)
}

// branch is where a pull request comes from.
func branch(pull v1alpha1.PullRequestStatus) string {
	if pull.Fork {
		return text.Line(pull.HeadRef) + " (fork)"
	}
	return text.Line(pull.HeadRef)
}

func title(pull v1alpha1.PullRequestStatus) string {
	if pull.Draft {
		return "[draft] " + text.Line(pull.Title)
	}
	return text.Line(pull.Title)
}

// NotReady tells why a link does not work, or is not known to, in one line. "" when it does.
func NotReady(link *v1alpha1.TenantRepoLink) string {
	ready := Ready(link)
	switch {
	case ready == nil:
		return "it has not been checked yet as it is now: is Katkit's manager running?"
	case ready.Status == metav1.ConditionTrue:
		return ""
	}
	return text.Line(ready.Reason + ": " + ready.Message)
}
