package e2e

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// conditionOf returns the condition Succeeded of a run.
func conditionOf(run *v1alpha1.CIRun) metav1.Condition {
	return condition(run.Status.Conditions, v1alpha1.ConditionSucceeded)
}

func condition(conditions []metav1.Condition, kind string) metav1.Condition {
	if found := meta.FindStatusCondition(conditions, kind); found != nil {
		return *found
	}
	return metav1.Condition{Message: fmt.Sprintf("there is no condition %s", kind)}
}

// haveStatus matches a condition of a status and reason.
func haveStatus(status metav1.ConditionStatus, reason string) types.GomegaMatcher {
	return gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{"Status": Equal(status), "Reason": Equal(reason)})
}

// contain matches a text that has all the given parts.
func contain(parts ...string) types.GomegaMatcher {
	matchers := make([]types.GomegaMatcher, 0, len(parts))
	for _, part := range parts {
		matchers = append(matchers, ContainSubstring(part))
	}
	return And(matchers...)
}

// events returns what `kubectl describe` lists for an object, as "TYPE REASON NOTE".
func events(ctx context.Context, object client.Object) ([]string, error) {
	list, err := suite.Clientset.CoreV1().Events(object.GetNamespace()).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(object.GetUID()),
	})
	if err != nil {
		return nil, err
	}
	texts := make([]string, 0, len(list.Items))
	for _, event := range list.Items {
		texts = append(texts, fmt.Sprintf("%s %s %s", event.Type, event.Reason, event.Message))
	}
	return texts, nil
}

// expectEvent waits for an event of an object: its type, its reason, and parts of its text.
func expectEvent(ctx context.Context, object client.Object, kind, reason string, parts ...string) {
	GinkgoHelper()
	Eventually(events).WithContext(ctx).WithArguments(object).Should(
		ContainElement(And(HavePrefix(kind+" "+reason+" "), contain(parts...))))
}

// expectRefused checks a run that failed before anything was done: its condition and its event say why, it has no
// Phases, and no builder Pod was made.
func expectRefused(ctx context.Context, run *v1alpha1.CIRun, reason string, parts ...string) {
	GinkgoHelper()
	run = failed(ctx, run)
	Expect(conditionOf(run)).To(haveStatus(metav1.ConditionFalse, reason), conditionOf(run).Message)
	Expect(conditionOf(run).Message).To(contain(parts...))
	expectEvent(ctx, run, corev1.EventTypeWarning, reason, parts...)
	Expect(phasesOf(ctx, run)).To(BeEmpty())
	Expect(suite.pods.ofRun(run)).To(BeEmpty())
}

// expectPhaseFailed checks a run that failed in a phase: the phase, the run and the events of both say why. Later
// phases are skipped.
func expectPhaseFailed(ctx context.Context, run *v1alpha1.CIRun, name string, class v1alpha1.FailureClass, reason string, parts ...string) v1alpha1.Phase {
	GinkgoHelper()
	run = failed(ctx, run)
	phases := phasesOf(ctx, run)
	phase := phases[name]
	Expect(phase.Status.State).To(Equal(v1alpha1.PhaseFailed), phase.Status.Message)
	Expect(phase.Status.FailureClass).To(Equal(class))
	Expect(condition(phase.Status.Conditions, v1alpha1.ConditionSucceeded)).To(haveStatus(metav1.ConditionFalse, reason))
	Expect(phase.Status.Message).To(contain(parts...))
	Expect(conditionOf(run)).To(haveStatus(metav1.ConditionFalse, v1alpha1.ReasonPhaseFailed))
	Expect(conditionOf(run).Message).To(contain(append(parts, name)...))
	expectEvent(ctx, run, corev1.EventTypeWarning, "PhaseFailed", append(parts, name)...)
	expectEvent(ctx, &phase, corev1.EventTypeWarning, "Failed", parts...)
	for _, later := range phases {
		if later.Spec.Order > phase.Spec.Order {
			Expect(later.Status.State).To(Equal(v1alpha1.PhaseSkipped), later.Name)
		}
	}
	return phase
}
