package approve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/text"
)

// Result is what Approve did.
type Result struct {
	// Phase is the name of the Phase object, By the user.
	Phase, By string
	// Note says why nothing was to be done; "" when something was.
	Note string
}

// Approve lets a phase begin, as the user that the client is. phase is its name in the workflow.
func Approve(ctx context.Context, live client.Client, namespace, name, phase string) (Result, error) {
	run, err := find.Run(ctx, live, namespace, name)
	if err != nil {
		return Result{}, err
	}
	phases, err := find.Phases(ctx, live, run)
	if err != nil {
		return Result{}, err
	}
	at := slices.IndexFunc(phases, func(p v1alpha1.Phase) bool { return p.Spec.Name == phase })
	if at < 0 {
		return Result{}, missing(run, phase)
	}
	object := &phases[at]
	if object.Spec.Approved {
		by := cmp.Or(object.Spec.ApprovedBy, "somebody")
		return Result{Phase: object.Name, By: text.Line(by), Note: fmt.Sprintf("phase %s of run %s is approved already, by %s", text.Line(phase), name, text.Line(by))}, nil
	}
	if err := check(run, object); err != nil {
		return Result{}, err
	}
	user, err := whoAmI(ctx, live)
	if err != nil {
		return Result{}, err
	}
	if err := patch(ctx, live, object, user); err != nil {
		return Result{}, err
	}
	return Result{Phase: object.Name, By: text.Line(user)}, nil
}

// check tells why a phase cannot be approved.
func check(run *v1alpha1.CIRun, phase *v1alpha1.Phase) error {
	name := text.Line(phase.Spec.Name)
	switch {
	case phase.Spec.Approval != v1alpha1.ApprovalManual:
		return fmt.Errorf("phase %s of run %s begins by itself, it needs no approval: %s", name, run.Name, waitingLine(run))
	case phase.Status.State.Terminal():
		return fmt.Errorf("phase %s of run %s has ended already (%s): kubectl katkit rerun %s -n %s repeats the run once it has ended",
			name, run.Name, phase.Status.State, run.Name, run.Namespace)
	case run.Status.State.Terminal():
		return fmt.Errorf("run %s has ended already (%s): kubectl katkit rerun %s -n %s repeats it", run.Name, run.Status.State, run.Name, run.Namespace)
	case run.Spec.Cancelled:
		return fmt.Errorf("run %s is being cancelled, so phase %s does not begin any more", run.Name, name)
	}
	return nil
}

// missing tells of a phase that the run has not, or has no object of.
func missing(run *v1alpha1.CIRun, phase string) error {
	for _, known := range run.Status.Phases {
		switch {
		case known.Name != phase:
		case known.CarriedFrom != "":
			return fmt.Errorf("phase %s of run %s was carried over from run %s, it needs no approval: %s",
				text.Line(phase), run.Name, known.CarriedFrom, waitingLine(run))
		case run.Status.State.Terminal():
			return fmt.Errorf("run %s has ended already (%s): kubectl katkit rerun %s -n %s repeats it", run.Name, run.Status.State, run.Name, run.Namespace)
		default:
			return fmt.Errorf("the Phase %s of run %s is gone: kubectl katkit get %s -n %s shows what became of the run",
				known.PhaseName, run.Name, run.Name, run.Namespace)
		}
	}
	return fmt.Errorf("run %s has no phase %q: %s", run.Name, phase, waitingLine(run))
}

// waitingLine lists the phases that could be approved.
func waitingLine(run *v1alpha1.CIRun) string {
	names := waiting(run)
	if len(names) == 0 {
		return "none of its phases waits for approval now"
	}
	return "waiting for approval: " + strings.Join(names, ", ")
}

func waiting(run *v1alpha1.CIRun) []string {
	var names []string
	for _, phase := range run.Status.Phases {
		if phase.State == v1alpha1.PhaseWaitingForApproval {
			names = append(names, text.Line(phase.Name))
		}
	}
	return names
}

// whoAmI asks the API server for the user's name.
func whoAmI(ctx context.Context, live client.Client) (string, error) {
	var review authenticationv1.SelfSubjectReview
	if err := live.Create(ctx, &review); err != nil {
		return "", fmt.Errorf("asking the API server for your user name: %w", err)
	}
	if review.Status.UserInfo.Username == "" {
		return "", fmt.Errorf("the API server does not tell your user name: kubectl auth whoami shows what it knows")
	}
	return review.Status.UserInfo.Username, nil
}

func patch(ctx context.Context, live client.Client, phase *v1alpha1.Phase, user string) error {
	// The UID keeps the approval from a new Phase of the same name.
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": phase.UID},
		"spec":     map[string]any{"approved": true, "approvedBy": user},
	})
	if err != nil {
		return fmt.Errorf("making the patch: %w", err)
	}
	err = live.Patch(ctx, phase, client.RawPatch(types.MergePatchType, body), client.FieldOwner(v1alpha1.ManagedBy))
	// An admission policy may answer with another code than RBAC does.
	if apierrors.IsForbidden(err) || err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
		return fmt.Errorf(`you (%s) may not approve phases in namespace %s: the verb "approve" on phases.katkit.dev is needed. An admin of the tenant grants it:
  kubectl create rolebinding %s --clusterrole=katkit-approver --user=%s -n %s
The API server said: %w`, text.Line(user), phase.Namespace, "katkit-approver-"+slug(user), view.Quote(user), phase.Namespace, err)
	}
	if err != nil {
		return fmt.Errorf("approving Phase %s/%s: %w", phase.Namespace, phase.Name, err)
	}
	return nil
}

// slug makes a user's name a part of an object's name.
func slug(user string) string {
	lower := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(user))
	return cmp.Or(strings.Trim(lower[:min(len(lower), 200)], "-"), "user")
}
