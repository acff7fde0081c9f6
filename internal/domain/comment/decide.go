package comment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/markdown"
)

// Comment is a comment on a pull request.
type Comment struct {
	// ID is GitHub's number of it.
	ID int64
	// Author of it, with the permission that the account has now.
	Author link.Actor
	// Login of the author.
	Login string
	// Created is when it was written, by GitHub's clock.
	Created time.Time
	// Number of the pull request, or of another issue.
	Number int32
	// Body is the text, or its first 4 KiB.
	Body string
}

// MayCommand tells whether a comment is to be looked at: it is a person's, and not one of Katkit's own, whose account may be a person's,
// too.
func (c Comment) MayCommand() bool {
	return c.Author.ID > 0 && !c.Author.Bot && !strings.HasPrefix(c.Body, ownBeginning)
}

// Pull is the pull request that a comment is on, as it is now.
type Pull struct {
	// PullRequest, with its Opener's permission for the command "run".
	link.PullRequest
	// Base is the branch that it is to be merged into.
	Base string
	// Open: it is neither merged nor closed.
	Open bool
}

// Input is all that Decide looks at.
type Input struct {
	Link    *v1alpha1.TenantRepoLink
	Comment Comment
	// Command of the comment, and what was not understood of it, in Markdown; "" when it was.
	Command Command
	Problem string
	Pull    Pull
	// Runs of the link and the pull request, as OfPull finds them, and their Phases; for other commands than help.
	Runs   []*v1alpha1.CIRun
	Phases []*v1alpha1.Phase
}

// Reaction is what GitHub shows below a comment.
type Reaction string

const (
	// Obeyed: it was done.
	Obeyed Reaction = "+1"
	// Confused: it was not understood, or cannot be done.
	Confused Reaction = "confused"
	// NotAllowed: the link does not obey this command, or not for this commit.
	NotAllowed Reaction = "-1"
)

// Decision is what comes of a command. The zero value is nothing at all: no reaction and no answer.
type Decision struct {
	// Create is a run to be made; one of its name that is there already is this one.
	Create *v1alpha1.CIRun
	// Cancel are runs to be cancelled.
	Cancel []*v1alpha1.CIRun
	// Approve is a Phase to be approved.
	Approve *v1alpha1.Phase
	// Reaction to the comment, and the Answer: a line of Markdown. Both are of a decision that was carried out.
	Reaction Reaction
	Answer   string
}

// Silent tells whether nothing at all comes of a decision.
func (d Decision) Silent() bool { return d.Reaction == "" }

// Refused is a decision that the API server does not let Katkit carry out. why is Markdown.
func (d Decision) Refused(why string) Decision {
	return Decision{Reaction: Confused, Answer: why}
}

// Decide tells what comes of a command.
func Decide(in Input) Decision {
	switch {
	case !in.Comment.Author.MayWrite():
		return Decision{}
	case in.Problem != "":
		return confused("%s", in.Problem)
	case in.Command.Verb == help:
		return Decision{Reaction: Obeyed, Answer: helpFor(in.Link)}
	case !Obeys(in.Link, in.Command.Verb):
		return Decision{Reaction: NotAllowed, Answer: fmt.Sprintf("link %s does not obey %s; %s",
			markdown.Code(in.Link.Name), markdown.Code(string(in.Command.Verb)), helpFor(in.Link))}
	}
	switch in.Command.Verb {
	case v1alpha1.CommandRun:
		return start(in)
	case v1alpha1.CommandOK:
		return allow(in)
	case v1alpha1.CommandRerun:
		return repeat(in)
	case v1alpha1.CommandCancel:
		return cancel(in)
	default:
		return approve(in)
	}
}

// NeedsOpener tells whether Decide needs to know what the opener of the pull request may do.
func (c Command) NeedsOpener() bool { return c.Verb == v1alpha1.CommandRun }

// NeedsRuns tells whether Decide needs to know the runs of the pull request.
func (c Command) NeedsRuns() bool { return c.Verb != help }

// commands are all, with what help tells of each.
var commands = []struct {
	verb v1alpha1.CommentCommand
	help string
}{
	{v1alpha1.CommandRun, "`/katkit run [PHASE…]` runs the newest commit, or some phases of it"},
	{v1alpha1.CommandRerun, "`/katkit rerun` repeats the last run from the first phase that did not succeed"},
	{v1alpha1.CommandCancel, "`/katkit cancel` cancels what is run"},
	{v1alpha1.CommandApprove, "`/katkit approve PHASE` approves a phase that waits"},
	{v1alpha1.CommandOK, "`/katkit ok SHA` runs one commit of a fork, or of somebody without write permission"},
}

// helpFor lists the commands that a link obeys.
func helpFor(link *v1alpha1.TenantRepoLink) string {
	var list []string
	for _, command := range commands {
		if Obeys(link, command.verb) {
			list = append(list, command.help)
		}
	}
	return strings.Join(list, "; ")
}

// Obeys tells whether a link obeys a command.
func Obeys(link *v1alpha1.TenantRepoLink, verb v1alpha1.CommentCommand) bool {
	trigger := link.Spec.Triggers.Comments
	return trigger != nil && (len(trigger.Commands) == 0 || slices.Contains(trigger.Commands, verb))
}

func confused(format string, args ...any) Decision {
	return Decision{Reaction: Confused, Answer: fmt.Sprintf(format, args...)}
}

func obeyed(format string, args ...any) Decision {
	return Decision{Reaction: Obeyed, Answer: fmt.Sprintf(format, args...)}
}
