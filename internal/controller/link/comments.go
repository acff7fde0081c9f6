package link

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/source"
)

// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=katkit.dev,resources=phases,verbs=list;watch;patch

const (
	// maxCommands is how many are looked at in one look at the link; the others' turn comes with the next one.
	maxCommands = 30
	// soon is when the next look comes when there are more, later when GitHub gave no answer.
	soon, later = time.Second, 15 * time.Second
)

// conversation is one look at the new comments of a link's repository.
type conversation struct {
	*Controller
	link       *v1alpha1.TenantRepoLink
	repository *source.Repository
	pulls      []domain.PullRequest
	// permissions are what was asked for in this look, by login.
	permissions map[string]domain.Permission
	// answers are to be given, by the pull request's number, self is the number of the account that gives them.
	answers map[int32][]comment.Answer
	self    int64
}

// obey looks at the comments since the last look, and notes in the plan how far it came. What did not succeed, and may, is tried again: all of
// it may be done again.
func (c *Controller) obey(ctx context.Context, observation domain.Observation, repository *source.Repository, plan *domain.Plan) error {
	before := comment.CursorOf(plan.Status.Triggers)
	if observation.Link.Spec.Triggers.Comments == nil {
		plan.Status.Triggers = comment.Cursor{}.Record(plan.Status.Triggers)
		return nil
	}
	if !found(observation) {
		return nil
	}
	talk := &conversation{
		Controller: c, link: observation.Link, repository: repository, pulls: observation.Findings.PullRequests,
		permissions: map[string]domain.Permission{}, answers: map[int32][]comment.Answer{},
	}
	after, more, cause, err := talk.follow(ctx, before)
	plan.Status.Triggers = after.Record(plan.Status.Triggers)
	switch {
	case cause != nil && cause.Transient:
		wait := later
		if cause.RetryAfter > 0 {
			wait = cause.RetryAfter
		}
		plan.RequeueAfter = min(wait, plan.RequeueAfter)
	case cause != nil:
		talk.complain(&plan.Status, cause)
	case more:
		plan.RequeueAfter = min(soon, plan.RequeueAfter)
	}
	return err
}

// found tells whether the link's repository was found. What stands in the way of other triggers does not stand in the way of comments.
func found(observation domain.Observation) bool {
	return observation.Findings != nil && domain.Replaced(observation.Link, observation.Findings.Repository) == nil
}

// follow obeys the comments after a cursor, and tells how far it came, and whether there are more.
func (t *conversation) follow(ctx context.Context, before comment.Cursor) (after comment.Cursor, more bool, cause *problem.Problem, err error) {
	comments, complete, cause := t.repository.Comments(ctx, before)
	if cause != nil {
		return before, false, cause, nil
	}
	after = before
	if !before.Active { // what was there before the trigger is not obeyed
		after.Active = true
		for _, one := range comments {
			after = after.Past(one.ID, one.Created)
		}
		return after, false, nil, nil
	}
	if !complete {
		t.warn(v1alpha1.ReasonCommentsNotRead, "there were too many comments since the last look: the oldest of them were not looked at")
	}
	looked := 0
	for _, one := range comments {
		if command, found, misread := comment.Parse(one.Body); found && one.MayCommand() {
			if looked++; looked > maxCommands {
				more = true
				break
			}
			if cause, err = t.answer(ctx, one, command, misread); cause != nil || err != nil {
				break
			}
		}
		after = after.Past(one.ID, one.Created)
	}
	if unanswered := t.publish(ctx); unanswered != nil { // all of them are looked at again
		return before, false, unanswered, err
	}
	return after, more, cause, err
}

// answer looks at one command. A problem is one to stop at: it passes by itself, or is one of all comments.
func (t *conversation) answer(ctx context.Context, one comment.Comment, command comment.Command, misread string) (*problem.Problem, error) {
	if cause := t.permit(ctx, one.Login, &one.Author); cause != nil || !one.Author.MayWrite() {
		return cause, nil
	}
	pull, ours, cause := t.pull(ctx, one.Number)
	if cause != nil || !ours {
		return cause, nil
	}
	in := comment.Input{Link: t.link, Comment: one, Command: command, Problem: misread, Pull: pull}
	if command.NeedsOpener() && !pull.Fork {
		if cause := t.permit(ctx, pull.Author, &in.Pull.Opener); cause != nil {
			return cause, nil
		}
	}
	if command.NeedsRuns() {
		if err := t.observe(ctx, &in); err != nil {
			return nil, err
		}
	}
	decision := comment.Decide(in)
	if decision.Silent() {
		return nil, nil
	}
	decision, err := t.act(ctx, one, decision)
	if err != nil {
		return nil, err
	}
	self, cause := t.repository.React(ctx, one.ID, decision.Reaction)
	switch {
	case cause != nil && cause.Transient:
		return cause, nil
	case cause != nil: // who we are is not known, so that no comment is ours either
		t.warn(v1alpha1.ReasonCommentNotAnswered, notAnswered(cause))
		return nil, nil
	}
	t.self = self
	t.answers[one.Number] = append(t.answers[one.Number], comment.Answered(one, pull, command, decision))
	return nil, nil
}

// permit asks what somebody may do, once in a look.
func (t *conversation) permit(ctx context.Context, login string, actor *domain.Actor) *problem.Problem {
	permission, known := t.permissions[login]
	if !known && actor.ID > 0 {
		var cause *problem.Problem
		if permission, cause = t.repository.Permission(ctx, login); cause != nil {
			return cause
		}
		t.permissions[login] = permission
	}
	actor.Permission = permission
	return nil
}

// pull finds the pull request that a comment is on. It is not ours where it is into another branch, or another issue.
func (t *conversation) pull(ctx context.Context, number int32) (pull comment.Pull, ours bool, cause *problem.Problem) {
	at := slices.IndexFunc(t.pulls, func(pull domain.PullRequest) bool { return pull.Number == number })
	if at >= 0 {
		return comment.Pull{PullRequest: t.pulls[at], Base: t.link.Spec.HomeBranch, Open: true}, true, nil
	}
	pull, found, cause := t.repository.Pull(ctx, number)
	return pull, found && pull.Base == t.link.Spec.HomeBranch, cause
}

// publish gives the answers, in one comment on each pull request.
func (t *conversation) publish(ctx context.Context) *problem.Problem {
	for number, answers := range t.answers {
		cause := t.repository.Answer(ctx, number, t.self, func(known string) string {
			return comment.Render(t.link.Namespace, t.link.Name, known, answers)
		})
		switch {
		case cause != nil && cause.Transient:
			return cause
		case cause != nil:
			t.warn(v1alpha1.ReasonCommentNotAnswered, notAnswered(cause))
		}
	}
	return nil
}

func notAnswered(cause *problem.Problem) string {
	return "a comment was looked at, and could not be answered; to answer, the token needs write access to the repository's pull requests: " + cause.Message
}

func (t *conversation) warn(reason, note string) {
	report.Events(t.Recorder, t.link, []report.Event{{Warning: true, Reason: reason, Action: "Comment", Note: note}})
}

// complain tells in the link's condition, and once in an event, why no comment is obeyed. Runs do not need comments: the link is ready.
func (t *conversation) complain(status *v1alpha1.TenantRepoLinkStatus, cause *problem.Problem) {
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	note := "comments are not obeyed: " + cause.Message
	ready.Message += "; " + note
	if known := meta.FindStatusCondition(t.link.Status.Conditions, v1alpha1.ConditionReady); known == nil || !strings.Contains(known.Message, note) {
		t.warn(v1alpha1.ReasonCommentsNotRead, note)
	}
}
