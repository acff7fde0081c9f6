package source

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/github"
)

// conclusions are the states of check runs that are completed, in GitHub's words.
var conclusions = map[reporting.State]string{
	reporting.Success: "success", reporting.Failure: "failure",
	// Not "skipped": a rule that requires the check would take it for passed.
	reporting.Stopped: "cancelled",
}

// stateOf is the state that a check run shows.
func stateOf(conclusion string) reporting.State {
	if conclusion == "" {
		return reporting.Pending
	}
	for state, known := range conclusions {
		if known == conclusion {
			return state
		}
	}
	return reporting.State(conclusion) // somebody else's word
}

// checks are the App's newest check runs of a commit by their names, which are contexts, and the numbers of those of a run.
func (r *Repository) checks(ctx context.Context, sha string, run types.UID, contexts []string) (map[string]reporting.Status, map[string]int64, *problem.Problem) {
	checks, err := r.client.CheckRuns(ctx, r.name, sha, contexts)
	if err != nil {
		return nil, nil, r.unreported(err, r.statuses())
	}
	found, numbers := make(map[string]reporting.Status, len(checks)), map[string]int64{}
	for _, check := range checks {
		key, status := reporting.Key(check.Name), reporting.Status{Context: check.Name, State: stateOf(check.Conclusion)}
		if owner, _, ours := reporting.ParseCheckID(check.ExternalID); ours && owner == run {
			status.Description, numbers[key] = check.Title, check.ID
		}
		found[key] = status
	}
	return found, numbers, nil
}

// tellCheck makes a check run, or changes the one of a number.
func (r *Repository) tellCheck(ctx context.Context, sha string, status reporting.Status, number int64, details reporting.Details) (int64, *problem.Problem) {
	check := github.CheckRun{
		ID: number, Name: status.Context, ExternalID: details.ID, Conclusion: conclusions[status.State.As(true)],
		Started: details.Began, Title: status.Description, Summary: details.Summary, Text: details.Text,
	}
	if check.Conclusion != "" {
		check.Completed = details.Ended
	}
	for _, remark := range details.Annotations {
		check.Annotations = append(check.Annotations, github.CheckAnnotation{
			Path: remark.Path, StartLine: remark.StartLine, EndLine: remark.EndLine, StartColumn: remark.StartColumn, EndColumn: remark.EndColumn,
			Level: string(remark.Level), Title: remark.Title, Message: remark.Message,
		})
	}
	if number != 0 {
		return number, r.gone(r.client.UpdateCheckRun(ctx, r.name, check), r.statuses())
	}
	number, err := r.client.CreateCheckRun(ctx, r.name, sha, check)
	return number, r.unreported(err, r.statuses())
}
