package e2e

import (
	"context"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// checkInvariants checks for all that a tenant holds what always holds (design §8).
func (t *tenant) checkInvariants(ctx context.Context) {
	var runs v1alpha1.CIRunList
	Expect(suite.Client.List(ctx, &runs, client.InNamespace(t.namespace))).To(Succeed())
	changes := map[string]int64{}
	for i := range runs.Items {
		run := &runs.Items[i]
		phases := phasesOf(ctx, run)
		checkOrder(run, phases)
		checkPods(ctx, run, phases)
		t.checkReport(ctx, run)
		for _, phase := range phases {
			for _, receipt := range phase.Status.Receipts {
				switch receipt.Result {
				case v1alpha1.ReceiptUpgraded:
					changes[receipt.Kind+"/"+receipt.Name]++
				case v1alpha1.ReceiptRolledBack:
					changes[receipt.Kind+"/"+receipt.Name] += 2
				default: // was not changed
				}
			}
		}
	}
	for key, before := range t.services {
		spec, generation := t.workload(ctx, before.kind, before.name)
		Expect(imageless(spec)).To(Equal(imageless(before.spec)), "only the image of %s changes (I4)", key)
		Expect(generation).To(Equal(1+changes[key]), "%s changes once for each deployment, and once back (I3)", key)
	}
}

// checkReport: GitHub ends up showing that a run succeeded (I7), while its link is there.
func (t *tenant) checkReport(ctx context.Context, run *v1alpha1.CIRun) {
	link := &v1alpha1.TenantRepoLink{}
	err := suite.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: run.Spec.Link.Name}, link)
	if apierrors.IsNotFound(err) || run.Status.State != v1alpha1.RunSucceeded {
		return
	}
	Expect(err).NotTo(HaveOccurred())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
		g.Expect(condition(run.Status.Conditions, v1alpha1.ConditionReported)).To(haveStatus("True", v1alpha1.ReasonReported))
	}).WithContext(ctx).WithTimeout(30 * time.Second).Should(Succeed())
}

// checkOrder: a phase never begins unless all before it succeeded, and a run succeeds only with all of its phases (I3).
func checkOrder(run *v1alpha1.CIRun, phases map[string]v1alpha1.Phase) {
	byObject := map[string]v1alpha1.Phase{}
	all := len(phases) > 0
	for _, phase := range phases {
		byObject[phase.Name] = phase
		all = all && phase.Status.State == v1alpha1.PhaseSucceeded
	}
	succeeded := run.Status.State == v1alpha1.RunSucceeded
	Expect(succeeded).To(Equal(all), "run %s: %s", run.Name, conditionOf(run).Message)
	for _, phase := range phases {
		if phase.Status.StartTime == nil {
			Expect(phase.Status.Attempts).To(BeEmpty(), phase.Name)
			Expect(phase.Status.Receipts).To(BeEmpty(), phase.Name)
			continue
		}
		for _, before := range phase.Spec.After {
			Expect(byObject[before].Status.State).To(Equal(v1alpha1.PhaseSucceeded), "%s began, and comes after %s", phase.Name, before)
		}
	}
}

// checkPods: a phase has one builder Pod for each attempt and replica that its status tells of, and no other (I1);
// none is left when the run has ended (I8).
func checkPods(ctx context.Context, run *v1alpha1.CIRun, phases map[string]v1alpha1.Phase) {
	var told, made []string
	for _, phase := range phases {
		for _, attempt := range phase.Status.Attempts {
			for _, replica := range attempt.Replicas {
				told = append(told, replica.Pod)
			}
		}
	}
	for _, pod := range suite.pods.ofRun(run) {
		made = append(made, pod.Name)
	}
	Expect(made).To(ConsistOf(told), "builder Pods that were made for run %s, and those that its Phases tell of", run.Name)
	if !run.Status.State.Terminal() {
		return
	}
	awaitNoPods(ctx, run)
}
