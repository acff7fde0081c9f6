package approve

import (
	"context"
	"errors"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
)

// TestApprove changes a run whose phase DEPLOY waits for approval, and approves it as o'neil.
func TestApprove(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(run *v1alpha1.CIRun, deploy *v1alpha1.Phase)
		rejected error  // by the API server
		want     string // the note or the error; "" when approved
	}{
		"a phase that waits":              {},
		"a phase whose turn has not come": {change: func(_ *v1alpha1.CIRun, deploy *v1alpha1.Phase) { deploy.Status.State = v1alpha1.PhasePending }},
		"a phase that begins by itself":   {change: func(_ *v1alpha1.CIRun, deploy *v1alpha1.Phase) { deploy.Spec.Approval = v1alpha1.ApprovalAutomatic }, want: "begins by itself, it needs no approval: waiting for approval: DEPLOY"},
		"a phase that somebody approved":  {change: func(_ *v1alpha1.CIRun, deploy *v1alpha1.Phase) { deploy.Spec.Approved = true }, want: "phase DEPLOY of run shop-x is approved already, by somebody"},
		"a phase that has ended":          {change: func(_ *v1alpha1.CIRun, deploy *v1alpha1.Phase) { deploy.Status.State = v1alpha1.PhaseSkipped }, want: "has ended already (Skipped)"},
		"a run that has ended":            {change: func(run *v1alpha1.CIRun, _ *v1alpha1.Phase) { run.Status.State = v1alpha1.RunFailed }, want: "run shop-x has ended already (Failed): kubectl katkit rerun shop-x -n d-shop repeats it"},
		"a run that is being cancelled":   {change: func(run *v1alpha1.CIRun, _ *v1alpha1.Phase) { run.Spec.Cancelled = true }, want: "is being cancelled"},
		"a phase that was carried over": {change: func(run *v1alpha1.CIRun, deploy *v1alpha1.Phase) {
			run.Status.Phases[0].CarriedFrom, deploy.Spec.Name = "shop-y", "X"
		}, want: "was carried over from run shop-y"},
		"a Phase that is gone":                  {change: func(_ *v1alpha1.CIRun, deploy *v1alpha1.Phase) { deploy.Spec.Name = "X" }, want: "the Phase shop-x-deploy of run shop-x is gone"},
		"a phase of an earlier run of the name": {change: func(_ *v1alpha1.CIRun, deploy *v1alpha1.Phase) { deploy.OwnerReferences[0].UID = "0" }, want: "is gone"},
		"a policy that says no": {rejected: errors.New("ValidatingAdmissionPolicy 'approve' denied request"),
			want: "kubectl create rolebinding katkit-approver-o-neil --clusterrole=katkit-approver --user='o'\\''neil' -n d-shop\n"},
		"an API server that does not answer": {rejected: errors.New("timeout"), want: "approving Phase d-shop/shop-x-deploy: timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			run := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x", UID: "1"},
				Status: v1alpha1.CIRunStatus{State: v1alpha1.RunWaitingForApproval, Phases: []v1alpha1.RunPhaseStatus{
					{Name: "DEPLOY", PhaseName: "shop-x-deploy", State: v1alpha1.PhaseWaitingForApproval}}}}
			deploy := &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x-deploy", UID: "2", Labels: map[string]string{v1alpha1.LabelRun: "shop-x"},
				OwnerReferences: []metav1.OwnerReference{{Kind: "CIRun", Name: "shop-x", UID: "1"}}},
				Spec:   v1alpha1.PhaseSpec{Run: v1alpha1.ObjectName{Name: "shop-x"}, Name: "DEPLOY", Approval: v1alpha1.ApprovalManual},
				Status: v1alpha1.PhaseStatus{State: v1alpha1.PhaseWaitingForApproval}}
			if c.change != nil {
				c.change(run, deploy)
			}
			result, err := Approve(t.Context(), oneil(c.rejected, run, deploy), "d-shop", "shop-x", "DEPLOY")
			said := result.Note
			if err != nil {
				said = err.Error()
			}
			if (said == "") != (c.want == "") || !strings.Contains(said, c.want) || said == "" && result.By != "o'neil" {
				t.Errorf("approved by %q, said %q, want %q", result.By, said, c.want)
			}
		})
	}
}

// oneil is the client of a user of that name.
func oneil(rejected error, objects ...client.Object) client.Client {
	return fake.NewClientBuilder().WithScheme(cli.Scheme()).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
			object.(*authenticationv1.SelfSubjectReview).Status.UserInfo.Username = "o'neil"
			return nil
		},
		Patch: func(ctx context.Context, live client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if rejected != nil {
				return rejected
			}
			return live.Patch(ctx, object, patch, opts...)
		},
	}).Build()
}
