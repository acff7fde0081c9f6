package link

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
)

// observe reads the runs of a pull request, and their Phases.
func (t *conversation) observe(ctx context.Context, in *comment.Input) error {
	var runs v1alpha1.CIRunList
	if err := t.Client.List(ctx, &runs, client.InNamespace(t.link.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the runs of pull request #%d: %w", in.Pull.Number, err)
	}
	all := make([]*v1alpha1.CIRun, 0, len(runs.Items))
	for i := range runs.Items {
		all = append(all, &runs.Items[i])
	}
	in.Runs = comment.OfPull(all, t.link.Name, in.Pull.Number)
	if in.Command.Verb != v1alpha1.CommandApprove {
		return nil
	}
	ours := map[types.UID]bool{}
	for _, run := range in.Runs {
		ours[run.UID] = true
	}
	var phases v1alpha1.PhaseList
	err := t.Client.List(ctx, &phases, client.InNamespace(t.link.Namespace), client.MatchingLabels{v1alpha1.LabelLink: t.link.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the Phases of pull request #%d: %w", in.Pull.Number, err)
	}
	for i := range phases.Items {
		if owner := metav1.GetControllerOf(&phases.Items[i]); owner != nil && ours[owner.UID] {
			in.Phases = append(in.Phases, &phases.Items[i])
		}
	}
	return nil
}

// act carries a decision out. What the API server does not let Katkit do becomes the answer; why it does not is in an event alone, since
// everybody reads the answer.
func (t *conversation) act(ctx context.Context, one comment.Comment, decision comment.Decision) (comment.Decision, error) {
	var why string
	var err error
	switch {
	case decision.Create != nil:
		why, err = t.start(ctx, decision.Create)
	case len(decision.Cancel) > 0:
		why, err = t.cancel(ctx, one, decision.Cancel)
	case decision.Approve != nil:
		why, err = t.approve(ctx, one, decision.Approve)
	}
	if why != "" {
		return decision.Refused(why), nil
	}
	return decision, err
}

// start makes a run. One of its name that is there already may be it.
func (t *conversation) start(ctx context.Context, run *v1alpha1.CIRun) (refused string, err error) {
	err = t.Client.Create(ctx, run.DeepCopy(), client.FieldOwner(v1alpha1.ManagedBy))
	switch {
	case err == nil:
		return "", nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		t.refused(err)
		return comment.NotMade(t.link, run), nil
	case !apierrors.IsAlreadyExists(err):
		return "", fmt.Errorf("creating run %s: %w", run.Name, err)
	}
	var existing v1alpha1.CIRun
	if err := t.Client.Get(ctx, client.ObjectKeyFromObject(run), &existing); err != nil {
		return "", fmt.Errorf("reading run %s, which is there already: %w", run.Name, err)
	}
	if !comment.Same(run, &existing) {
		return comment.NameTaken(run), nil
	}
	return "", nil
}

// cancel cancels runs. One that is gone meanwhile is not there to be cancelled.
func (t *conversation) cancel(ctx context.Context, one comment.Comment, runs []*v1alpha1.CIRun) (refused string, err error) {
	for _, run := range runs {
		err := t.patch(ctx, &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: run.Name}}, map[string]any{
			"metadata": map[string]any{"uid": run.UID, "annotations": map[string]string{v1alpha1.AnnotationCancelledOnGitHub: comment.By(one)}},
			"spec":     map[string]any{"cancelled": true},
		})
		switch {
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
			t.refused(err)
			return comment.NotCancelled(t.link, run), nil
		case err != nil && !gone(err):
			return "", fmt.Errorf("cancelling run %s: %w", run.Name, err)
		}
	}
	return "", nil
}

// approve approves a Phase in Katkit's own name, which takes that an admin of the namespace lets it.
func (t *conversation) approve(ctx context.Context, one comment.Comment, phase *v1alpha1.Phase) (refused string, err error) {
	var review authenticationv1.SelfSubjectReview
	if err := t.Client.Create(ctx, &review, client.DisableReadYourWritesConsistency); err != nil {
		return "", fmt.Errorf("asking the API server who Katkit is: %w", err)
	}
	user := review.Status.UserInfo.Username
	err = t.patch(ctx, &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: phase.Namespace, Name: phase.Name}}, map[string]any{
		"metadata": map[string]any{"uid": phase.UID, "annotations": map[string]string{v1alpha1.AnnotationApprovedOnGitHub: comment.By(one)}},
		"spec":     map[string]any{"approved": true, "approvedBy": user},
	})
	switch {
	case apierrors.IsForbidden(err):
		t.refused(err)
		return comment.NotApproved(phase, user), nil
	case apierrors.IsInvalid(err):
		t.refused(err)
		return comment.Unapprovable(t.link, phase), nil
	case gone(err):
		return comment.Gone(phase), nil
	case err != nil:
		return "", fmt.Errorf("approving Phase %s: %w", phase.Name, err)
	}
	return "", nil
}

// refused tells who may see the link why the API server did not let Katkit do as a comment says.
func (t *conversation) refused(err error) {
	t.warn(v1alpha1.ReasonRunRefused, "the API server refuses what a comment asks for: "+err.Error())
}

func (t *conversation) patch(ctx context.Context, object client.Object, body map[string]any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return t.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, data), client.FieldOwner(v1alpha1.ManagedBy))
}

// gone tells of an object that is not there, or another one by now, which its UID tells.
func gone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err) && strings.Contains(err.Error(), "UID")
}
