package e2e

import (
	"context"
	"maps"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// toolbox is a ci.sh that tells the default builder image from busybox.
const toolbox = "#!/bin/sh\nif command -v git >/dev/null; then echo builder; else echo busybox; fi\n"

var _ = Describe("The default BuilderClass", Serial, func() {
	It("is one, which links say where it is not, and takes effect at once when it is another", func(ctx SpecContext) {
		first := defaultClass(ctx)
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": toolbox, configFile: workflow(build)})
		link := t.link(ctx, r, seldomLooked)
		before := podOfKatkit(ctx, "manager")
		builtBy := func() string {
			GinkgoHelper()
			return logOf(ctx, phasesOf(ctx, succeeded(ctx, t.run(ctx, link, r.sha)))["BUILD"])
		}
		Expect(builtBy()).To(Equal("builder\n"))

		g := newGate(ctx)
		underWay := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": toolbox + `if [ "$KATKIT_PHASE" = BUILD ]; then ` + g.wait() + "; fi\n", configFile: workflow(build, verify),
		}))
		awaitPhase(ctx, underWay, "BUILD", v1alpha1.PhaseRunning)

		By("marking a second one, which is for this tenant alone, so that it is in nobody's way if it is left behind")
		named := &v1alpha1.TenantRepoLinkSpec{}
		newClass(ctx, func(s *v1alpha1.BuilderClassSpec) {
			s.Image = "busybox:stable"
			s.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: t.namespace}}
		})(named)
		second := named.Builder.ClassName
		markDefault(ctx, second, true)
		Expect(t.linkIs(ctx, link, metav1.ConditionFalse, v1alpha1.ReasonSeveralDefaultClasses)).To(contain("are all marked as the default one", first, second))
		expectRefused(ctx, t.run(ctx, link, r.sha), v1alpha1.ReasonSeveralDefaultClasses, first, second)

		By("leaving the mark on the second, amid a run")
		DeferCleanup(func(ctx SpecContext) { markDefault(ctx, first, true) })
		markDefault(ctx, first, false)
		t.linkIs(ctx, link, metav1.ConditionTrue, v1alpha1.ReasonReady)
		g.open(ctx)
		phases := phasesOf(ctx, succeeded(ctx, underWay))
		Expect(logOf(ctx, phases["BUILD"])).To(Equal("builder\n"))
		Expect(logOf(ctx, phases["VERIFY"])).To(Equal("busybox\n"), "a change counts for the next phase")
		Expect(builtBy()).To(Equal("busybox\n"))

		By("leaving it on none")
		markDefault(ctx, second, false)
		Expect(t.linkIs(ctx, link, metav1.ConditionFalse, v1alpha1.ReasonNoBuilderClass)).To(contain("kubectl annotate builderclass NAME katkit.dev/is-default-class=true"))
		expectRefused(ctx, t.run(ctx, link, r.sha), v1alpha1.ReasonNoBuilderClass, "no BuilderClass is the default one")

		By("giving it back to the first")
		markDefault(ctx, first, true)
		t.linkIs(ctx, link, metav1.ConditionTrue, v1alpha1.ReasonReady)
		Expect(builtBy()).To(Equal("builder\n"))

		after := podOfKatkit(ctx, "manager")
		Expect(after.UID).To(Equal(before.UID))
		Expect(after.Status.ContainerStatuses[0].RestartCount).To(Equal(before.Status.ContainerStatuses[0].RestartCount), "nobody restarted the manager")
	}, SpecTimeout(2*patience))
})

var _ = Describe("A BuilderClass for some namespaces", func() {
	It("is refused to the others, with those that they may use, until they are among them", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		gold := map[string]string{"e2e.katkit.dev/plan": "gold"}
		inClass := newClass(ctx, func(s *v1alpha1.BuilderClassSpec) {
			s.Image = "busybox:stable"
			s.NamespaceSelector = &metav1.LabelSelector{MatchLabels: maps.Clone(gold)}
		})
		r := newRepository(ctx, map[string]string{"ci.sh": toolbox, configFile: workflow(build)})
		link := t.newLink("gold", r)
		inClass(&link.Spec)
		seldomLooked(&link.Spec)
		Expect(suite.Client.Create(ctx, link)).To(Succeed())
		why := "BuilderClass " + link.Spec.Builder.ClassName + ", which TenantRepoLink gold names, is not for namespace " + t.namespace
		Expect(t.linkIs(ctx, link.Name, metav1.ConditionFalse, v1alpha1.ReasonBuilderClassNotAllowed)).To(contain(why))
		expectRefused(ctx, t.run(ctx, link.Name, r.sha), v1alpha1.ReasonBuilderClassNotAllowed, why, "this namespace may use "+defaultClass(ctx))

		namespace := &corev1.Namespace{}
		Expect(suite.Client.Get(ctx, client.ObjectKey{Name: t.namespace}, namespace)).To(Succeed())
		patch := client.MergeFrom(namespace.DeepCopy())
		maps.Copy(namespace.Labels, gold)
		Expect(suite.Client.Patch(ctx, namespace, patch)).To(Succeed())
		t.linkIs(ctx, link.Name, metav1.ConditionTrue, v1alpha1.ReasonReady)
		run := succeeded(ctx, t.run(ctx, link.Name, r.sha))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("busybox\n"))
	}, SpecTimeout(patience))
})

// seldomLooked makes sure that a link is not looked at just because it is time to: what it says, it says since something happened.
func seldomLooked(link *v1alpha1.TenantRepoLinkSpec) {
	link.PollInterval = &metav1.Duration{Duration: time.Hour}
}

// defaultClass is the name of the BuilderClass that links use that name none.
func defaultClass(ctx context.Context) string {
	GinkgoHelper()
	var list v1alpha1.BuilderClassList
	Expect(suite.Client.List(ctx, &list)).To(Succeed())
	var names []string
	for _, class := range list.Items {
		if class.Annotations[v1alpha1.AnnotationDefaultClass] == "true" {
			names = append(names, class.Name)
		}
	}
	Expect(names).To(HaveLen(1))
	return names[0]
}

// markDefault marks a BuilderClass as the default one, or no longer.
func markDefault(ctx context.Context, name string, is bool) {
	GinkgoHelper()
	value := "null"
	if is {
		value = `"true"`
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+v1alpha1.AnnotationDefaultClass+`":`+value+`}}}`))
	Expect(suite.Client.Patch(ctx, &v1alpha1.BuilderClass{ObjectMeta: metav1.ObjectMeta{Name: name}}, patch)).To(Succeed())
}

// linkIs waits until a link's condition Ready has a status and reason, and returns its message.
func (t *tenant) linkIs(ctx context.Context, name string, status metav1.ConditionStatus, reason string) string {
	GinkgoHelper()
	var ready metav1.Condition
	Eventually(func(ctx context.Context) (metav1.Condition, error) {
		link := &v1alpha1.TenantRepoLink{}
		err := suite.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: name}, link)
		ready = condition(link.Status.Conditions, v1alpha1.ConditionReady)
		return ready, err
	}).WithContext(ctx).Should(haveStatus(status, reason))
	return ready.Message
}
