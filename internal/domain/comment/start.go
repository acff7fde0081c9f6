package comment

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/markdown"
)

// shaLength is that of a whole sha, in hex digits.
const shaLength = 40

// start is "run". It runs no commit of a stranger's: the comment does not name it, and another could have been pushed meanwhile.
func start(in Input) Decision {
	if !in.Pull.Open {
		return closed(in, "runs nothing of it")
	}
	if !link.Trusts(link.Change{Fork: in.Pull.Fork, Actor: in.Pull.Opener}) {
		why := "it was opened by somebody without write permission"
		if in.Pull.Fork {
			why = "it is from a fork"
		}
		return Decision{Reaction: NotAllowed, Answer: fmt.Sprintf("commits of this pull request are allowed one by one, since %s%s", why, toAllow(in))}
	}
	run := newRun(in, nameOf(in))
	run.Spec.Commit = v1alpha1.CommitSelector{SHA: in.Pull.HeadSHA, PullRequest: in.Pull.Number}
	run.Spec.PhaseNames = in.Command.Phases
	made := find(in.Runs, run.Name)
	if made != nil { // at an earlier look, at which the newest commit may have been another
		run = made
	}
	decision := obeyed("made run %s of commit %s%s", markdown.Code(run.Name), markdown.Code(run.Spec.Commit.SHA), onlyPhases(in.Command.Phases))
	if made == nil {
		decision.Create = run
	}
	return decision
}

// allow is "ok": one commit, by its whole sha, which is the pull request's newest one. Its run is made once, whoever says so.
func allow(in Input) Decision {
	sha := strings.ToLower(in.Command.SHA)
	run := newRun(in, link.RunName(in.Link.Name, link.Key(okKey, sha)))
	run.Spec.Commit = v1alpha1.CommitSelector{SHA: sha, PullRequest: in.Pull.Number}
	made := find(in.Runs, run.Name)
	switch {
	case !link.Trusts(link.Change{Fork: in.Pull.Fork, Named: true, Actor: in.Comment.Author}):
		return Decision{}
	case !wholeSHA(sha) && len(sha) >= 4 && strings.HasPrefix(in.Pull.HeadSHA, sha):
		return confused("%s could be the beginning of another commit, too: name the whole sha%s", markdown.Code(in.Command.SHA), toAllow(in))
	case !wholeSHA(sha):
		return confused("%s is not the sha of a commit%s", markdown.Code(in.Command.SHA), toAllow(in))
	case made != nil && made.Spec.Commit == run.Spec.Commit:
		return obeyed("commit %s is allowed, and run %s was made of it", markdown.Code(sha), markdown.Code(run.Name))
	case !in.Pull.Open:
		return closed(in, "runs nothing of it")
	case sha != in.Pull.HeadSHA:
		return confused("commit %s is not the newest one of this pull request: another was pushed since, or it never was%s", markdown.Code(sha), toAllow(in))
	}
	decision := obeyed("allowed commit %s, and made run %s of it", markdown.Code(sha), markdown.Code(run.Name))
	decision.Create = run
	return decision
}

// toAllow tells how the newest commit is allowed.
func toAllow(in Input) string {
	if !Obeys(in.Link, v1alpha1.CommandOK) {
		return fmt.Sprintf("; and link %s does not obey `ok`", markdown.Code(in.Link.Name))
	}
	return fmt.Sprintf(". Look at the newest one, then say %s", markdown.Code(word+" ok "+in.Pull.HeadSHA))
}

func wholeSHA(sha string) bool {
	_, err := hex.DecodeString(sha)
	return len(sha) == shaLength && err == nil
}

// repeat is "rerun": of the run that was made last, of those that have ended.
func repeat(in Input) Decision {
	run := newRun(in, nameOf(in))
	if made := find(in.Runs, run.Name); made != nil {
		return obeyed("made run %s, which repeats %s", markdown.Code(run.Name), markdown.Code(made.Spec.RerunOf))
	}
	last := lastEnded(in.Runs)
	switch {
	case !in.Pull.Open:
		return closed(in, "runs nothing of it")
	case last == nil:
		return confused("there is no run of this pull request that has ended, and could be repeated")
	case last.Status.State == v1alpha1.RunSucceeded:
		return confused("all phases of run %s succeeded: `%s run` runs them again", markdown.Code(last.Name), word)
	}
	run.Spec.RerunOf = last.Name
	decision := obeyed("made run %s, which repeats %s of commit %s from the first phase that did not succeed",
		markdown.Code(run.Name), markdown.Code(last.Name), markdown.Code(last.Status.SHA))
	decision.Create = run
	return decision
}

// lastEnded is the run that was made last of those that have ended and can be repeated.
func lastEnded(runs []*v1alpha1.CIRun) *v1alpha1.CIRun {
	ended := slices.DeleteFunc(slices.Clone(runs), func(run *v1alpha1.CIRun) bool {
		return !run.Status.State.Terminal() || run.Status.TrimTime != nil || run.Status.SHA == ""
	})
	if len(ended) == 0 {
		return nil
	}
	return slices.MaxFunc(ended, func(a, b *v1alpha1.CIRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
}

func closed(in Input, what string) Decision {
	return confused("pull request #%d is closed, and Katkit %s", in.Pull.Number, what)
}

func onlyPhases(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", of phases " + markdown.Codes(names)
}

// okKey stands for the command in the name of its run.
const okKey = v1alpha1.TriggerName(v1alpha1.CommandOK)

// nameOf is the name of the run that a comment makes: it is made once, however often the comment is looked at.
func nameOf(in Input) string {
	return link.RunName(in.Link.Name, "c"+strconv.FormatInt(in.Comment.ID, 10))
}

func newRun(in Input, name string) *v1alpha1.CIRun {
	return &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: in.Link.Namespace,
			Labels:      map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelTrigger: string(v1alpha1.TriggerComments)},
			Annotations: map[string]string{v1alpha1.AnnotationAskedOnGitHub: By(in.Comment)},
		},
		Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: in.Link.Name}},
	}
}

// Same tells whether a run that is there already is the one that was to be made.
func Same(wanted, existing *v1alpha1.CIRun) bool {
	by := v1alpha1.AnnotationAskedOnGitHub
	sameCommit := wanted.Spec.Commit.SHA != "" && existing.Spec.Commit == wanted.Spec.Commit
	return existing.Spec.Link == wanted.Spec.Link && (existing.Annotations[by] == wanted.Annotations[by] || sameCommit)
}

func find(runs []*v1alpha1.CIRun, name string) *v1alpha1.CIRun {
	at := slices.IndexFunc(runs, func(run *v1alpha1.CIRun) bool { return run.Name == name })
	if at < 0 {
		return nil
	}
	return runs[at]
}
