package comment

import (
	"cmp"
	"slices"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/markdown"
)

// skew is how far GitHub's clock and the cluster's may be apart.
const skew = time.Minute

// cancel is "cancel": of what was asked for before the comment, since it may be looked at late, or again.
func cancel(in Input) Decision {
	var decision Decision
	var names, later []string
	for _, run := range in.Runs {
		switch {
		case run.Annotations[v1alpha1.AnnotationCancelledOnGitHub] == By(in.Comment): // at an earlier look
			names = append(names, run.Name)
		case run.Status.State.Terminal() || run.Spec.Cancelled:
		case askedBefore(run, in.Comment):
			decision.Cancel = append(decision.Cancel, run)
			names = append(names, run.Name)
		default:
			later = append(later, run.Name)
		}
	}
	slices.Sort(later)
	switch {
	case len(names) == 0 && len(later) > 0:
		return confused("%s began after this was written: look at it, then say so again", markdown.Codes(later))
	case len(names) == 0:
		return confused("nothing of this pull request is under way")
	}
	slices.Sort(names)
	decision.Reaction, decision.Answer = Obeyed, "cancelled "+markdown.Codes(names)
	return decision
}

// askedBefore tells whether a run was asked for before a comment was written:
//   - one that a comment asked for, by the numbers of the two comments;
//   - one that a trigger made, when it was made in an earlier second than the comment. It may be of a commit that was pushed after the
//     comment, which nobody would run again: clocks that are apart count against "cancel";
//   - one that somebody made by hand, also when it is a little younger.
func askedBefore(run *v1alpha1.CIRun, comment Comment) bool {
	if id := commentIn(run.Annotations[v1alpha1.AnnotationAskedOnGitHub]); id != 0 {
		return id < comment.ID
	}
	switch v1alpha1.TriggerName(run.Labels[v1alpha1.LabelTrigger]) {
	case v1alpha1.TriggerPullRequest, v1alpha1.TriggerPush:
		return run.CreationTimestamp.Time.Before(comment.Created)
	default:
		return !run.CreationTimestamp.After(comment.Created.Add(skew))
	}
}

// approve is "approve": of the one phase of the name that waited when the comment was written, of the newest commit's where
// several do. One that began to wait later is of a run that the author of the comment did not see.
func approve(in Input) Decision {
	name := in.Command.Phases[0]
	var waiting, later []*v1alpha1.Phase
	for _, phase := range in.Phases {
		asked := phase.Status.Approval
		switch {
		case phase.Spec.Name != name:
		case phase.Annotations[v1alpha1.AnnotationApprovedOnGitHub] == By(in.Comment): // at an earlier look
			return obeyed("%s", approved(phase))
		case phase.Status.State != v1alpha1.PhaseWaitingForApproval || phase.Spec.Approved || asked == nil:
		case asked.RequestTime.After(in.Comment.Created):
			later = append(later, phase)
		default:
			waiting = append(waiting, phase)
		}
	}
	if ofHead := ofCommit(waiting, in.Pull.HeadSHA); len(waiting) > 1 && len(ofHead) > 0 {
		waiting = ofHead
	}
	switch {
	case len(waiting) > 1:
		return confused("phase %s waits in several runs: approve it with `kubectl katkit approve RUN PHASE -n %s`; they are %s",
			markdown.Code(name), in.Link.Namespace, markdown.Codes(runsOf(waiting)))
	case len(waiting) == 0 && len(later) > 0:
		return confused("phase %s of %s began to wait after this was written: look at it, then say so again", markdown.Code(name), markdown.Codes(runsOf(later)))
	case len(waiting) == 0:
		return confused("no phase %s of this pull request waits for approval", markdown.Code(name))
	}
	decision := obeyed("%s", approved(waiting[0]))
	decision.Approve = waiting[0]
	return decision
}

func approved(phase *v1alpha1.Phase) string {
	return "approved phase " + markdown.Code(phase.Spec.Name) + " of run " + markdown.Code(phase.Spec.Run.Name) + ", commit " + markdown.Code(phase.Spec.SHA)
}

func ofCommit(phases []*v1alpha1.Phase, sha string) []*v1alpha1.Phase {
	return slices.DeleteFunc(slices.Clone(phases), func(phase *v1alpha1.Phase) bool { return phase.Spec.SHA != sha })
}

func runsOf(phases []*v1alpha1.Phase) []string {
	names := make([]string, 0, len(phases))
	for _, phase := range phases {
		names = append(names, phase.Spec.Run.Name)
	}
	slices.Sort(names)
	return names
}

// OfPull are those of a namespace's runs that are of a link and a pull request: those that name it, and their re-runs.
func OfPull(runs []*v1alpha1.CIRun, link string, number int32) []*v1alpha1.CIRun {
	named := make(map[string]*v1alpha1.CIRun, len(runs))
	for _, run := range runs {
		named[run.Name] = run
	}
	pullOf := func(run *v1alpha1.CIRun) int32 {
		for range maxRepeats {
			if run == nil {
				return 0
			}
			if pull := cmp.Or(run.Status.PullRequest, run.Spec.Commit.PullRequest); pull != 0 {
				return pull
			}
			run = named[run.Spec.RerunOf]
		}
		return 0
	}
	return slices.DeleteFunc(slices.Clone(runs), func(run *v1alpha1.CIRun) bool {
		return run.Spec.Link.Name != link || pullOf(run) != number
	})
}

// maxRepeats is how many runs may repeat one another in a row.
const maxRepeats = 32
