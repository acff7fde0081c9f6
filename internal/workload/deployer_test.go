package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var change = Change{
	Namespace: "d-taskrunner", ServiceAccount: "katkit-deployer", Kind: "Deployment", Name: "api", Container: "main", Image: "acme/api:2", ResourceVersion: "7",
}

func answer(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

func TestExplain(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	const grant = "kubectl create serviceaccount katkit-deployer -n d-taskrunner; kubectl create rolebinding katkit-deployer -n d-taskrunner --clusterrole=katkit-deployer --serviceaccount=d-taskrunner:katkit-deployer"
	for name, c := range map[string]struct {
		err     error
		reason  string // "": it passes by itself
		message string
	}{
		"the deployer may not patch": {
			answer(http.StatusForbidden, metav1.StatusReasonForbidden, `deployments.apps "api" is forbidden: User "system:serviceaccount:d-taskrunner:katkit-deployer" cannot patch resource "deployments" in API group "apps" in the namespace "d-taskrunner"`),
			v1alpha1.ReasonDeployerForbidden, grant},
		"the manager may not impersonate the deployer": {
			answer(http.StatusForbidden, metav1.StatusReasonForbidden, `serviceaccounts "other" is forbidden: User "system:serviceaccount:katkit:manager" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "d-taskrunner"`),
			v1alpha1.ReasonDeployerForbidden, "kubectl create role impersonate-katkit-deployer -n d-taskrunner --verb=impersonate"},
		"an admission webhook says no, which is not a matter of rights": {
			answer(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "images.example.com" denied the request: no image of acme`),
			v1alpha1.ReasonPatchRejected, "no image of acme"},
		"the workload would be invalid": {
			answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "spec.template: Required value"), v1alpha1.ReasonPatchRejected, "Required value"},
		"a bad request":                  {answer(http.StatusBadRequest, metav1.StatusReasonBadRequest, "no such field"), v1alpha1.ReasonPatchRejected, "no such field"},
		"somebody changed it before":     {apierrors.NewConflict(deployments, "api", errors.New("modified")), "", ""},
		"too many requests":              {apierrors.NewTooManyRequests("later", 1), "", ""},
		"the API server has a failure":   {apierrors.NewInternalError(errors.New("etcd")), "", ""},
		"the API server does not answer": {errors.New("connection refused"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cause := Explain(change, fmt.Errorf("setting the image: %w", c.err))
			if c.reason == "" {
				if cause != nil {
					t.Errorf("a phase would fail for good: %v", cause)
				}
				return
			}
			if cause == nil || cause.Reason != c.reason || cause.Transient || !strings.Contains(cause.Message, c.message) {
				t.Errorf("got %+v", cause)
			}
			if cause != nil && c.reason == v1alpha1.ReasonPatchRejected && strings.Contains(cause.Message, "kubectl create rolebinding") {
				t.Errorf("a right is asked for that is not missing: %s", cause.Message)
			}
		})
	}
}

// Server-side apply changes what is named and nothing else, so what is named is the whole promise.
func TestImageOnlyNamesNothingElse(t *testing.T) {
	got, err := json.Marshal(imageOnly(change))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","namespace":"d-taskrunner","resourceVersion":"7"},` +
		`"spec":{"template":{"spec":{"containers":[{"image":"acme/api:2","name":"main"}]}}}}`
	if diff := cmp.Diff(want, strings.TrimSpace(string(got))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	with := change
	with.Annotations = map[string]string{"katkit.dev/run": "r"}
	if diff := cmp.Diff(map[string]any{"name": "api", "namespace": "d-taskrunner", "resourceVersion": "7", "annotations": map[string]any{"katkit.dev/run": "r"}},
		imageOnly(with).Object["metadata"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	dryRun := change
	dryRun.ResourceVersion = ""
	if _, found := imageOnly(dryRun).Object["metadata"].(map[string]any)["resourceVersion"]; found {
		t.Error("a dry run asks for a version")
	}
}
