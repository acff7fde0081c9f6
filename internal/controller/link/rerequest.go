package link

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rerequest"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/source"
)

// buttons is one look at the buttons of which a webhook said that they were pressed.
type buttons struct {
	*Controller
	link       *v1alpha1.TenantRepoLink
	repository *source.Repository
	tenant     string
	runs       []*v1alpha1.CIRun
	// suites are what was asked for in this look, by number.
	suites map[int64]bool
	events []report.Event
}

// pressed is what a look at the buttons comes to.
type pressed struct {
	// done are the clicks that need no look any more.
	done []click.Click
	// made are the check runs of which runs were made.
	made []int64
	// again is when the next look is to come at the latest; 0: when the link's does.
	again time.Duration
	// err is what is wrong with the API server.
	err error
}

// note puts what came of the buttons into a plan of the same look.
func (p pressed) note(link *v1alpha1.TenantRepoLink, plan *domain.Plan) {
	plan.Status.Triggers = rerequest.Record(link, p.done, p.made, plan.Status.Triggers)
	if p.again > 0 {
		plan.RequeueAfter = min(p.again, plan.RequeueAfter)
	}
}

// repeat makes the runs that buttons on GitHub ask for. What did not succeed, and may, is tried again: all of it may be done again.
func (c *Controller) repeat(ctx context.Context, observation domain.Observation, repository *source.Repository) pressed {
	clicks := rerequest.Pending(observation.Link)
	switch {
	case len(clicks) == 0, !found(observation):
		return pressed{}
	case !repository.HasButtons():
		return pressed{done: clicks}
	}
	look := &buttons{Controller: c, link: observation.Link, repository: repository, suites: map[int64]bool{}}
	if err := look.observe(ctx); err != nil {
		return pressed{err: fmt.Errorf("obeying the button Re-run: %w", err)}
	}
	result := look.follow(ctx, clicks)
	report.Events(c.Recorder, look.link, look.events)
	return result
}

// observe reads the runs of the link's namespace, and the tenant's name.
func (b *buttons) observe(ctx context.Context) error {
	var namespace metav1.PartialObjectMetadata
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := b.Client.Get(ctx, types.NamespacedName{Name: b.link.Namespace}, &namespace); err != nil {
		return fmt.Errorf("reading namespace %s: %w", b.link.Namespace, err)
	}
	b.tenant = namespace.Labels[v1alpha1.LabelTenant]
	var runs v1alpha1.CIRunList
	if err := b.Client.List(ctx, &runs, client.InNamespace(b.link.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the runs of namespace %s: %w", b.link.Namespace, err)
	}
	for i := range runs.Items {
		b.runs = append(b.runs, &runs.Items[i])
	}
	return nil
}

// follow looks at clicks, and then makes their runs: the first check run of a new run is what GitHub takes for the answer to all presses
// of the commit, so none is made while there is one that GitHub could not be asked about.
func (b *buttons) follow(ctx context.Context, clicks []click.Click) (result pressed) {
	var proven []rerequest.Decision
	var waiting []click.Click
	for _, one := range clicks {
		decision, cause := b.judge(ctx, one)
		switch {
		case cause != nil && rerequest.TriedAgain(one, cause, b.Clock.Now()):
			result.again = max(result.again, cmp.Or(cause.RetryAfter, later))
			continue
		case cause != nil:
			decision = rerequest.PassedOver(b.link, one, cause)
		}
		if decision.Create != nil {
			proven, waiting = append(proven, decision), append(waiting, one)
			continue
		}
		b.tell(decision.Reason, decision.Note)
		result.done = append(result.done, one)
	}
	if result.again > 0 {
		return result
	}
	for _, decision := range rerequest.Choose(proven) {
		made, err := b.make(ctx, decision.Create)
		if err != nil {
			result.err = fmt.Errorf("obeying the button Re-run: %w", err)
			return result
		}
		if made {
			result.made = append(result.made, decision.Check)
		}
	}
	result.done = append(result.done, waiting...)
	return result
}

// judge finds out what comes of a click. A run to be made is one that GitHub says is asked for.
func (b *buttons) judge(ctx context.Context, one click.Click) (rerequest.Decision, *problem.Problem) {
	in := rerequest.Input{Link: b.link, Tenant: b.tenant, Kind: one.Kind, Runs: b.runs}
	var cause *problem.Problem
	switch {
	case one.Kind == click.CheckSuite:
		in.Checks, cause = b.repository.SuiteButtons(ctx, one.ID)
	case !rerequest.Made(b.link, one.ID, b.runs):
		in.Checks, cause = b.repository.Button(ctx, one.ID)
	}
	if cause != nil {
		return rerequest.Decision{}, cause
	}
	decision := rerequest.Decide(in)
	if decision.Create == nil {
		return decision, nil
	}
	waits, asked := b.suites[decision.Suite]
	if !asked {
		if waits, cause = b.repository.Pressed(ctx, decision.Suite); cause != nil {
			return rerequest.Decision{}, cause
		}
		b.suites[decision.Suite] = waits
	}
	if !waits {
		return decision.Unproven(), nil
	}
	return decision, nil
}

// make makes a run. One of its name that is there already may be it; otherwise, and where it is refused, an event tells why it is not made.
func (b *buttons) make(ctx context.Context, run *v1alpha1.CIRun) (made bool, err error) {
	err = b.Client.Create(ctx, run.DeepCopy(), client.FieldOwner(v1alpha1.ManagedBy))
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		b.tell(v1alpha1.ReasonRunRefused, "the API server refuses what Re-run on GitHub asks for: "+err.Error())
		return false, nil
	case !apierrors.IsAlreadyExists(err):
		return false, fmt.Errorf("creating run %s: %w", run.Name, err)
	}
	var existing v1alpha1.CIRun
	if err := b.Client.Get(ctx, client.ObjectKeyFromObject(run), &existing); err != nil {
		return false, fmt.Errorf("reading run %s, which is there already: %w", run.Name, err)
	}
	if !rerequest.Same(run, &existing) {
		b.tell(v1alpha1.ReasonNameConflict, fmt.Sprintf("Re-run on GitHub: run %s is there already, and is another one: delete it, and press the button again", run.Name))
		return false, nil
	}
	return true, nil
}

// tell keeps an event, unless there is nothing to be told.
func (b *buttons) tell(reason, note string) {
	if note != "" {
		b.events = append(b.events, report.Event{Warning: true, Reason: reason, Action: "Rerun", Note: note})
	}
}
