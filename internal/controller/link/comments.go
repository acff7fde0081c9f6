package link

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
	answers map[int32][]reply
	self    int64
}

// reply is what is to be said to a comment.
type reply struct {
	to     comment.Comment
	answer comment.Answer
}

// heard is what a look at the comments comes to.
type heard struct {
	// cursor is how far it came.
	cursor comment.Cursor
	// again is when the next look is to come at the latest; 0: when the link's does.
	again time.Duration
	// complaint is why no comment is obeyed, err what is wrong with the API server.
	complaint *problem.Problem
	err       error
}

// obey looks at the comments since the last look. What did not succeed, and may, is tried again: all of it may be done again.
func (c *Controller) obey(ctx context.Context, observation domain.Observation, repository *source.Repository) heard {
	before := comment.CursorOf(observation.Link.Status.Triggers)
	if observation.Link.Spec.Triggers.Comments == nil {
		return heard{}
	}
	if !found(observation) {
		return heard{cursor: before}
	}
	talk := &conversation{
		Controller: c, link: observation.Link, repository: repository, pulls: observation.Findings.PullRequests,
		permissions: map[string]domain.Permission{}, answers: map[int32][]reply{},
	}
	after, more, cause, err := talk.follow(ctx, before)
	result := heard{cursor: after}
	if err != nil {
		result.err = fmt.Errorf("obeying comments: %w", err)
	}
	switch {
	case cause != nil && cause.Transient:
		result.again = cmp.Or(cause.RetryAfter, later)
	case cause != nil:
		result.complaint = cause
	case more:
		result.again = soon
	}
	return result
}

// note puts what came of the comments into a plan of the same look.
func (c *Controller) note(link *v1alpha1.TenantRepoLink, heard heard, plan *domain.Plan) {
	plan.Status.Triggers = heard.cursor.Record(plan.Status.Triggers)
	if heard.again > 0 {
		plan.RequeueAfter = min(heard.again, plan.RequeueAfter)
	}
	if heard.complaint != nil {
		c.complain(link, &plan.Status, heard.complaint)
	}
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
	passed, more, cause, err := t.goThrough(ctx, comments)
	if unanswered, first := t.publish(ctx); unanswered != nil { // those from the first one on are looked at again
		passed = slices.DeleteFunc(passed, func(one comment.Comment) bool { return one.ID >= first })
		more, cause = false, unanswered
	}
	for _, one := range passed {
		after = after.Past(one.ID, one.Created)
	}
	return after, more, cause, err
}

// goThrough obeys comments in their order, and tells which need no look any more. It stops at what stands in the way of all of them.
func (t *conversation) goThrough(ctx context.Context, comments []comment.Comment) (passed []comment.Comment, more bool, cause *problem.Problem, err error) {
	looked := 0
	for _, one := range comments {
		if command, found, misread := comment.Parse(one.Body); found && one.MayCommand() {
			if looked++; looked > maxCommands {
				return passed, true, nil, nil
			}
			if cause, err = t.answer(ctx, one, command, misread); err != nil || t.stopsAt(one, cause) {
				return passed, false, cause, err
			}
		}
		passed = append(passed, one)
	}
	return passed, false, nil, nil
}

// stopsAt tells whether no later comment is looked at, because of a problem with one. One that is passed over instead is told in an event.
func (t *conversation) stopsAt(one comment.Comment, cause *problem.Problem) bool {
	switch {
	case cause == nil:
		return false
	case !cause.Transient, one.TriedAgain(cause, t.Clock.Now()):
		return true
	}
	t.warn(v1alpha1.ReasonCommentNotAnswered, comment.PassedOver(one, cause))
	return false
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
	t.answers[one.Number] = append(t.answers[one.Number], reply{to: one, answer: comment.Answered(one, pull, command, decision)})
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

// publish gives the answers, in one comment on each pull request. cause is why some are to be given later, first the number of the first
// comment that waits for one.
func (t *conversation) publish(ctx context.Context) (cause *problem.Problem, first int64) {
	for _, number := range slices.Sorted(maps.Keys(t.answers)) {
		refused := cause // a rate limit, which stands in the way of all of them
		if cause == nil || cause.Reason != v1alpha1.ReasonRateLimited {
			refused = t.give(ctx, number)
		}
		if refused != nil && !refused.Transient {
			t.warn(v1alpha1.ReasonCommentNotAnswered, notAnswered(refused))
			continue
		}
		for _, reply := range t.answers[number] {
			if t.stopsAt(reply.to, refused) {
				cause = refused
				first = min(cmp.Or(first, reply.to.ID), reply.to.ID)
			}
		}
	}
	return cause, first
}

func (t *conversation) give(ctx context.Context, number int32) *problem.Problem {
	answers := make([]comment.Answer, 0, len(t.answers[number]))
	for _, reply := range t.answers[number] {
		answers = append(answers, reply.answer)
	}
	return t.repository.Answer(ctx, number, t.self, func(known string) string {
		return comment.Render(t.link.Namespace, t.link.Name, known, answers)
	})
}

func notAnswered(cause *problem.Problem) string {
	return "a comment was looked at, and could not be answered; to answer, the token needs write access to the repository's pull requests: " + cause.Message
}

func (t *conversation) warn(reason, note string) { t.Controller.warn(t.link, reason, note) }

func (c *Controller) warn(link *v1alpha1.TenantRepoLink, reason, note string) {
	report.Events(c.Recorder, link, []report.Event{{Warning: true, Reason: reason, Action: "Comment", Note: note}})
}

// complain tells in the link's condition, and once in an event, why no comment is obeyed. Runs do not need comments: the link is ready.
func (c *Controller) complain(link *v1alpha1.TenantRepoLink, status *v1alpha1.TenantRepoLinkStatus, cause *problem.Problem) {
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	note := "comments are not obeyed: " + cause.Message
	ready.Message += "; " + note
	if known := meta.FindStatusCondition(link.Status.Conditions, v1alpha1.ConditionReady); known == nil || !strings.Contains(known.Message, note) {
		c.warn(link, v1alpha1.ReasonCommentsNotRead, note)
	}
}
