// Package rerequest decides what comes of GitHub's button Re-run. It is pure; the link controller observes and acts.
//
//	annotation, record ──Pending──▶ clicks, each with its check runs ──Decide──▶ a run, if GitHub says that it was pressed
//
// What always holds: a check run is repeated once, since its run's name is made of its number; nothing is repeated but a run of the
// link, which the check run names by its UID; a run is repeated by rerunOf, so that a fork's stays a fork's.
package rerequest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
	"katkit.dev/katkit/internal/domain/comment"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/domain/run"
)

// Check is a check run of the link's GitHub App.
type Check struct {
	// ID is GitHub's number of it, Suite that of its check suite.
	ID, Suite int64
	// Name and ExternalID are what Katkit called it: see reporting.CheckID.
	Name, ExternalID string
}

// Input is all that Decide looks at.
type Input struct {
	Link *v1alpha1.TenantRepoLink
	// Tenant is the name of the link's.
	Tenant string
	// Kind of the button that was pressed.
	Kind click.Kind
	// Checks are the check run of the button, or those of all its suite; none: GitHub knows none of the link's App.
	Checks []Check
	// Runs of the namespace.
	Runs []*v1alpha1.CIRun
}

// Decision is what comes of a click. The zero value is nothing at all.
type Decision struct {
	// Create is a run to be made, if the check suite Suite is to be run again, which GitHub tells; one of its name that is there
	// already is this one. No other is made of the check run Check.
	Create *v1alpha1.CIRun
	Suite  int64
	// Check is the check run that it is made of.
	Check int64
	// order of the phase that it begins with.
	order int32
	// Reason and Note are of an event that tells why nothing is made; "": none tells.
	Reason, Note string
}

// Decide tells what comes of a click.
func Decide(in Input) Decision {
	check, phase, repeated := aim(in)
	if repeated == nil {
		return orphaned(in)
	}
	again := newRun(in.Link, check.ID)
	again.Spec.RerunOf = repeated.Name
	from, order, why := begin(in.Kind, repeated, phase)
	cause := run.Repeatable(again, repeated)
	going := underWay(in, repeated)
	switch {
	case Made(in.Link, check.ID, in.Runs):
		return Decision{}
	case !comment.Obeys(in.Link, v1alpha1.CommandRerun):
		return Decision{Reason: v1alpha1.ReasonRerunNotObeyed, Note: fmt.Sprintf(
			"somebody pressed Re-run on GitHub for run %s, which the link does not obey: for that, set spec.triggers.comments, and have %q among its commands, if it lists any",
			repeated.Name, v1alpha1.CommandRerun)}
	case cause != nil:
		return Decision{Reason: cause.Reason, Note: "Re-run on GitHub: " + cause.Message}
	case repeated.Status.TrimTime != nil:
		return Decision{Reason: v1alpha1.ReasonRerunNotPossible, Note: fmt.Sprintf(
			"Re-run on GitHub: the Phases of run %s were removed by the link's retention: start a run of the commit", repeated.Name)}
	case going != nil:
		return Decision{Reason: v1alpha1.ReasonRerunNotPossible, Note: fmt.Sprintf(
			"Re-run on GitHub: run %s repeats run %s already, and has not ended", going.Name, repeated.Name)}
	case why != "":
		return Decision{Reason: v1alpha1.ReasonRerunNotPossible, Note: why}
	}
	again.Spec.FromPhase = from
	return Decision{Create: again, Suite: check.Suite, Check: check.ID, order: order}
}

// Choose leaves, of runs that repeat the same run, the one that begins first: what failed is run by it, too, and GitHub's button for all
// that failed comes as a click for each.
func Choose(decisions []Decision) []Decision {
	var chosen []Decision
	for _, decision := range decisions {
		at := slices.IndexFunc(chosen, func(other Decision) bool { return other.Create.Spec.RerunOf == decision.Create.Spec.RerunOf })
		switch {
		case at < 0:
			chosen = append(chosen, decision)
		case decision.order < chosen[at].order:
			chosen[at] = decision
		}
	}
	return chosen
}

// Unproven is the decision about a click that GitHub does not know of.
func (d Decision) Unproven() Decision {
	return Decision{Reason: v1alpha1.ReasonRerunNotObeyed, Note: fmt.Sprintf(
		"GitHub does not say that Re-run was pressed for run %s, or another check run of the commit changed since: press it again, if it was", d.Create.Spec.RerunOf)}
}

// Made tells whether the run that a check run's button makes is there, or was, as far as is remembered.
func Made(target *v1alpha1.TenantRepoLink, check int64, runs []*v1alpha1.CIRun) bool {
	wanted := newRun(target, check)
	return made(target, check) || slices.ContainsFunc(runs, func(existing *v1alpha1.CIRun) bool { return existing.Name == wanted.Name && Same(wanted, existing) })
}

// Same tells whether a run that is there already is the one that was to be made.
func Same(wanted, existing *v1alpha1.CIRun) bool {
	by := v1alpha1.AnnotationAskedOnGitHub
	return existing.Spec.Link == wanted.Spec.Link && existing.Annotations[by] == wanted.Annotations[by]
}

// aim finds the check run that the button is of, the phase that it shows, and the link's run: of a suite, the newest run's first one.
func aim(in Input) (target Check, phase string, repeated *v1alpha1.CIRun) {
	for _, check := range in.Checks {
		uid, name, ok := reporting.ParseCheckID(check.ExternalID)
		at := slices.IndexFunc(in.Runs, func(known *v1alpha1.CIRun) bool { return known.UID == uid && known.Spec.Link.Name == in.Link.Name })
		if !ok || at < 0 {
			continue
		}
		found := in.Runs[at]
		if repeated == nil || cmp.Or(-newer(found, repeated), cmp.Compare(check.ID, target.ID)) < 0 {
			target, phase, repeated = check, name, found
		}
	}
	return target, phase, repeated
}

// newer is positive when a was made after b.
func newer(a, b *v1alpha1.CIRun) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}

// orphaned is about a button whose run is not there, or another link's, of which nothing is said.
func orphaned(in Input) Decision {
	for _, check := range in.Checks {
		_, phase, ok := reporting.ParseCheckID(check.ExternalID)
		if ok && reporting.Shows(check.Name, in.Tenant, in.Link.Spec.Folder(), phase) && comment.Obeys(in.Link, v1alpha1.CommandRerun) {
			return Decision{Reason: v1alpha1.ReasonRerunNotFound, Note: fmt.Sprintf(
				"Re-run on GitHub: the run that check run %d shows is not there any more: start a run of the commit", check.ID)}
		}
	}
	return Decision{}
}

// begin is the phase that a run is repeated from, with its order; "": from the first that did not succeed, or, of one that could not
// begin, from the first. why tells of one that cannot be.
func begin(kind click.Kind, repeated *v1alpha1.CIRun, phase string) (from string, order int32, why string) {
	phases := slices.Clone(repeated.Status.Phases)
	slices.SortStableFunc(phases, func(a, b v1alpha1.RunPhaseStatus) int { return cmp.Compare(a.Order, b.Order) })
	switch {
	case len(phases) == 0:
		return "", 0, ""
	case kind == click.CheckSuite, phase == reporting.ConfigPhase:
		return phases[0].Name, phases[0].Order, ""
	}
	at := slices.IndexFunc(phases, func(p v1alpha1.RunPhaseStatus) bool { return p.Name == phase })
	if at < 0 {
		return "", 0, fmt.Sprintf("Re-run on GitHub: run %s has no such phase as the check run names", repeated.Name)
	}
	for _, before := range phases {
		if before.Order < phases[at].Order && before.State != v1alpha1.PhaseSucceeded {
			return "", before.Order, ""
		}
	}
	return phase, phases[at].Order, ""
}

// underWay is a run that a button made, which repeats a run and has not ended; nil when there is none.
func underWay(in Input, repeated *v1alpha1.CIRun) *v1alpha1.CIRun {
	at := slices.IndexFunc(in.Runs, func(other *v1alpha1.CIRun) bool {
		return other.Spec.RerunOf == repeated.Name && other.Spec.Link.Name == in.Link.Name && !other.Status.State.Terminal() &&
			strings.HasPrefix(other.Annotations[v1alpha1.AnnotationAskedOnGitHub], byButton)
	})
	if at < 0 {
		return nil
	}
	return in.Runs[at]
}

// byButton begins the annotation of who asked for a run, of one that a button made.
const byButton = "Re-run of check run "

// newRun is the run that a check run's button makes, but for what it repeats.
func newRun(target *v1alpha1.TenantRepoLink, check int64) *v1alpha1.CIRun {
	const hashInName = 8
	number := strconv.FormatInt(check, 10)
	sum := sha256.Sum256([]byte(number))
	return &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: target.Namespace, Name: link.RunName(target.Name, "rerun-"+hex.EncodeToString(sum[:hashInName])),
			Labels:      map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelTrigger: string(v1alpha1.TriggerComments)},
			Annotations: map[string]string{v1alpha1.AnnotationAskedOnGitHub: byButton + number},
		},
		Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: target.Name}},
	}
}
