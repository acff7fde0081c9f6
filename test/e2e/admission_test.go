package e2e

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mutation is what the API server does to Pods.
type mutation struct {
	// account is the ServiceAccount of the Pods that it is done to, "" for all.
	account string
	change  []admissionregistrationv1.Mutation
	// shows tells whether it was done to a Pod, which has one container, build, and one volume.
	shows func(*corev1.PodSpec) bool
}

// applying merges what an expression says into the Pod.
func applying(expression string) admissionregistrationv1.Mutation {
	return admissionregistrationv1.Mutation{PatchType: admissionregistrationv1.PatchTypeApplyConfiguration,
		ApplyConfiguration: &admissionregistrationv1.ApplyConfiguration{Expression: expression}}
}

// patching changes the Pod by the JSON patch that an expression makes.
func patching(expression string) admissionregistrationv1.Mutation {
	return admissionregistrationv1.Mutation{PatchType: admissionregistrationv1.PatchTypeJSONPatch,
		JSONPatch: &admissionregistrationv1.JSONPatch{Expression: expression}}
}

// mutatePods has the API server change the Pods of a tenant until the spec has ended, as a webhook of a cluster or a cloud does.
func (t *tenant) mutatePods(ctx context.Context, m mutation) {
	GinkgoHelper()
	name := metav1.ObjectMeta{Name: t.namespace}
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{ObjectMeta: name, Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
		FailurePolicy: new(admissionregistrationv1.Fail), ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
		MatchConstraints: &admissionregistrationv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: t.namespace}},
			ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}}},
		},
		Mutations: m.change,
	}}
	if m.account != "" {
		policy.Spec.MatchConditions = []admissionregistrationv1.MatchCondition{{Name: "account",
			Expression: `object.spec.?serviceAccountName.orValue("") == "` + m.account + `"`}}
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{ObjectMeta: name, Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name.Name}}
	for _, object := range []client.Object{policy, binding} {
		Expect(suite.Client.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(suite.Client.Delete(ctx, object)).To(Succeed()) })
	}
	Eventually(func(ctx context.Context) error { // it counts from when the API server knows of it
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "mutated"}, Spec: corev1.PodSpec{
			ServiceAccountName: m.account, AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "build", Image: "x"}}, Volumes: []corev1.Volume{{Name: "empty"}},
		}}
		err := suite.Client.Create(ctx, pod, client.DryRunAll)
		if err == nil && !m.shows(&pod.Spec) {
			err = errors.New("the Pod is as it was")
		}
		return err
	}).WithContext(ctx).Should(Succeed())
}
