package rerequest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
	"katkit.dev/katkit/internal/domain/comment"
	"katkit.dev/katkit/internal/domain/problem"
)

// clicks are those of the link's annotation.
func clicks(link *v1alpha1.TenantRepoLink) []click.Click {
	return click.Parse(link.Annotations[v1alpha1.AnnotationRerunRequested])
}

// known tells whether a click needs no look any more.
func known(link *v1alpha1.TenantRepoLink, one click.Click) bool {
	return link.Status.Triggers != nil && slices.Contains(link.Status.Triggers.Pressed, one.String())
}

// Pending are the clicks that a link was told of, and that need a look.
func Pending(link *v1alpha1.TenantRepoLink) []click.Click {
	return slices.DeleteFunc(clicks(link), func(one click.Click) bool { return known(link, one) })
}

// made tells whether a run was made of a check run's button, as far back as is remembered.
func made(link *v1alpha1.TenantRepoLink, check int64) bool {
	return link.Status.Triggers != nil && slices.Contains(link.Status.Triggers.Pressed, button(check))
}

func button(check int64) string { return click.Button{Kind: click.CheckRun, ID: check}.String() }

// maxMade is how many buttons of which runs were made are remembered.
const maxMade = 16

// Record puts into a link's record of its triggers, which may be nil, which clicks of its annotation need no look any more: those
// that needed none before, and those that are done now; and which check runs were repeated last. It returns nil when there is nothing
// in the record.
func Record(link *v1alpha1.TenantRepoLink, done []click.Click, repeated []int64, record *v1alpha1.TriggersStatus) *v1alpha1.TriggersStatus {
	var buttons, pressed []string
	if link.Status.Triggers != nil {
		buttons = slices.DeleteFunc(slices.Clone(link.Status.Triggers.Pressed), func(entry string) bool { return strings.Contains(entry, "@") })
	}
	for _, check := range repeated {
		if !slices.Contains(buttons, button(check)) {
			buttons = append(buttons, button(check))
		}
	}
	for _, one := range clicks(link) {
		if known(link, one) || slices.Contains(done, one) {
			pressed = append(pressed, one.String())
		}
	}
	pressed = append(buttons[max(0, len(buttons)-maxMade):], pressed...)
	if record == nil && len(pressed) == 0 {
		return nil
	}
	after := record.DeepCopy()
	if after == nil {
		after = &v1alpha1.TriggersStatus{}
	}
	after.Pressed = pressed
	if len(after.Pressed) == 0 && len(after.Active) == 0 && len(after.Handled) == 0 && after.LastComment == 0 {
		return nil
	}
	return after
}

// TriedAgain tells whether a click is looked at again after a problem of GitHub's with it, while the others wait. A rate limit is of all
// of them, and passes.
func TriedAgain(one click.Click, cause *problem.Problem, now time.Time) bool {
	return cause.Transient && (cause.Reason == v1alpha1.ReasonRateLimited || now.Sub(one.At) < click.Age)
}

// PassedOver is the decision about a click that GitHub does not tell enough of.
func PassedOver(link *v1alpha1.TenantRepoLink, one click.Click, cause *problem.Problem) Decision {
	if !comment.Obeys(link, v1alpha1.CommandRerun) {
		return Decision{} // it would not be obeyed either, and may be another link's
	}
	return Decision{Reason: v1alpha1.ReasonRerunNotObeyed, Note: fmt.Sprintf(
		"somebody may have pressed Re-run of %s %d on GitHub, which cannot be looked at: %s", one.Kind, one.ID, cause.Message)}
}
