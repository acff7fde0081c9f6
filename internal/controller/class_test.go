package controller_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// newClass makes a BuilderClass that is not the default one, until the story ends.
func newClass(name string, mutate ...func(*v1alpha1.BuilderClass)) *v1alpha1.BuilderClass {
	GinkgoHelper()
	class := &v1alpha1.BuilderClass{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.BuilderClassSpec{Image: "builder:" + name, AgentImage: "agent:v1"},
	}
	for _, f := range mutate {
		f(class)
	}
	create(class)
	DeferCleanup(func() { Expect(k8s.Delete(ctx, class.DeepCopy())).To(Succeed()) })
	return class
}

// changeDefault changes the default BuilderClass until the story ends.
func changeDefault(mutate func(*v1alpha1.BuilderClass)) {
	GinkgoHelper()
	before := get(&v1alpha1.BuilderClass{}, "", defaultClass)
	DeferCleanup(change[*v1alpha1.BuilderClass], &v1alpha1.BuilderClass{}, "", defaultClass, func(c *v1alpha1.BuilderClass) {
		c.Annotations, c.Spec = before.Annotations, before.Spec
	})
	change(&v1alpha1.BuilderClass{}, "", defaultClass, mutate)
}

// ofClass names a link's BuilderClass.
func ofClass(name string) func(*v1alpha1.TenantRepoLink) {
	return func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.ClassName = name }
}

// buildContainer returns the one that runs ci.sh.
func buildContainer(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == contract.BuildContainer {
			return &pod.Spec.Containers[i]
		}
	}
	return nil
}

var _ = Describe("The default BuilderClass", func() {
	It("counts for the next phase from when it is changed, and a phase that has begun keeps what it began with", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		t.link()
		t.run()
		before := t.builder("BUILD")
		Expect(buildContainer(before).Image).To(Equal("builder:v1"))

		changeDefault(func(c *v1alpha1.BuilderClass) { c.Spec.Image, c.Spec.AgentImage = "builder:v2", "agent:v2" })
		next := 0
		Eventually(func() string { // the manager learns of it in its own time
			next++
			name := fmt.Sprintf("next-%d", next)
			t.named(name)
			return buildContainer(t.podOf(name, "BUILD")).Image
		}).Should(Equal("builder:v2"))
		succeed(before)
		test := t.podOf("run", "TEST")
		Expect(buildContainer(test).Image).To(Equal("builder:v2"))
		Expect(test.Spec.Containers).To(ContainElement(And(HaveField("Name", contract.CheckoutContainer), HaveField("Image", "agent:v2"))))
		Expect(t.phaseOf("run", "TEST").Status.Builder).To(HaveValue(And(HaveField("ClassName", defaultClass), HaveField("Image", "builder:v2"))))
		Expect(t.phaseOf("run", "BUILD").Status.Builder).To(HaveValue(HaveField("Image", "builder:v1")))
	})

	It("may be unclear for a moment: the phases of runs that have begun keep to the one that it was then", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		t.link()
		t.run()
		build := t.builder("BUILD")
		changeDefault(func(c *v1alpha1.BuilderClass) { c.Annotations, c.Spec.Image = nil, "builder:v2" })
		t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonNoBuilderClass)
		succeed(build)
		Expect(buildContainer(t.builder("TEST")).Image).To(Equal("builder:v2"))
	})

	It("may allow no more what a run has asked for: its next phase fails, and says what is allowed", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1).with("ContainerImage", "ci:1")))
		t.link()
		t.run()
		build := t.builder("BUILD")
		changeDefault(func(c *v1alpha1.BuilderClass) { c.Spec.AllowedImages = []string{"team/*"} })
		u := newTenant()
		u.commit(workflow(execution("BUILD", 0)))
		u.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.Image = "ci:1" })
		u.linkIs(metav1.ConditionFalse, v1alpha1.ReasonImageNotAllowed) // the manager has learnt of it
		succeed(build)
		failed := t.phaseIs("TEST", v1alpha1.PhaseFailed)
		Expect(failed.Status.Message).To(ContainSubstring("phase TEST (its ContainerImage, or builder.image of TenantRepoLink app) asks for the builder image ci:1, which BuilderClass standard does not allow: use one of builder:v1, team/*"))
	})

	It("may be another one from now on", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		changeDefault(func(c *v1alpha1.BuilderClass) { c.Annotations = nil })
		t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonNoBuilderClass)
		newClass("other", func(c *v1alpha1.BuilderClass) {
			c.Annotations = map[string]string{v1alpha1.AnnotationDefaultClass: "true"}
		})
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		Expect(buildContainer(t.builder("BUILD")).Image).To(Equal("builder:other"))
	})

	It("is one: two are a condition of the links that name none, until one of them is", func() {
		t, u := newTenant(), newTenant()
		for _, each := range []*tenant{t, u} {
			each.commit(workflow(execution("BUILD", 0)))
		}
		t.link()
		u.link(ofClass(defaultClass))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		second := newClass("second", func(c *v1alpha1.BuilderClass) {
			c.Annotations = map[string]string{v1alpha1.AnnotationDefaultClass: "true"}
		})
		Expect(t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonSeveralDefaultClasses)).To(ContainSubstring("BuilderClasses second, standard are all marked"))
		Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(HavePrefix("Warning SeveralDefaultClasses: ")))
		u.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)

		change(&v1alpha1.BuilderClass{}, "", second.Name, func(c *v1alpha1.BuilderClass) { c.Annotations = nil })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	})

	It("is there: without one the links that name none say so, until there is", func() {
		t, u := newTenant(), newTenant()
		for _, each := range []*tenant{t, u} {
			each.commit(workflow(execution("BUILD", 0)))
		}
		t.link()
		u.link(ofClass(defaultClass))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		changeDefault(func(c *v1alpha1.BuilderClass) { c.Annotations = nil })
		said := t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonNoBuilderClass)
		Expect(said).To(ContainSubstring("kubectl annotate builderclass NAME katkit.dev/is-default-class=true"))
		u.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)

		change(&v1alpha1.BuilderClass{}, "", defaultClass, func(c *v1alpha1.BuilderClass) {
			c.Annotations = map[string]string{v1alpha1.AnnotationDefaultClass: "true"}
		})
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	})
})

var _ = Describe("A BuilderClass for some namespaces", func() {
	It("is refused to others, with the list of what they may use, until they are labelled", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		newClass("gold", func(c *v1alpha1.BuilderClass) {
			c.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"plan": "gold"}}
		})
		t.link(ofClass("gold"))
		const why = "BuilderClass gold, which TenantRepoLink app names, is not for namespace "
		Expect(t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonBuilderClassNotAllowed)).To(ContainSubstring(why))
		t.run()
		t.runFails(v1alpha1.ReasonBuilderClassNotAllowed, why, "of which this namespace may use standard")

		change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) { n.Labels["plan"] = "gold" })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.named("again")
		Expect(buildContainer(t.podOf("again", "BUILD")).Image).To(Equal("builder:gold"))
	})

	It("may be the default one of those, beside that of the others", func() {
		gold := []metav1.LabelSelectorRequirement{{Key: "plan", Operator: metav1.LabelSelectorOpIn, Values: []string{"gold"}}}
		others := []metav1.LabelSelectorRequirement{{Key: "plan", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"gold"}}}
		changeDefault(func(c *v1alpha1.BuilderClass) {
			c.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: others}
		})
		newClass("golden", func(c *v1alpha1.BuilderClass) {
			c.Annotations = map[string]string{v1alpha1.AnnotationDefaultClass: "true"}
			c.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: gold}
		})
		t, u := newTenant(), newTenant()
		change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) { n.Labels["plan"] = "gold" })
		for each, image := range map[*tenant]string{t: "builder:golden", u: "builder:v1"} {
			each.commit(workflow(execution("BUILD", 0)))
			each.link()
			each.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
			each.run()
			Expect(buildContainer(each.builder("BUILD")).Image).To(Equal(image))
		}
	})
})

var _ = Describe("A builder image of one's own", func() {
	allowing := func(patterns ...string) {
		GinkgoHelper()
		newClass("picky", func(c *v1alpha1.BuilderClass) { c.Spec.AllowedImages = patterns })
	}
	phaseImage := func(image string) map[string]string {
		return workflow(execution("BUILD", 0).with("ContainerImage", image))
	}

	It("is refused where the class does not allow it, with the list of what it does", func() {
		t := newTenant()
		allowing("registry.example/team/*", "golang:1.26")
		t.commit(phaseImage("registry.example/teams/ci:1"))
		t.link(ofClass("picky"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		t.runFails(v1alpha1.ReasonImageNotAllowed, "phase BUILD (katkitconfig.js", "registry.example/teams/ci:1",
			"BuilderClass picky", "use one of builder:picky, registry.example/team/*, golang:1.26")
	})

	It("is told of at the link that brings it, until the class allows it", func() {
		t := newTenant()
		allowing("registry.example/team/*")
		t.commit(workflow(execution("BUILD", 0)))
		t.link(ofClass("picky"), func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.Image = "ci:1" })
		Expect(t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonImageNotAllowed)).To(ContainSubstring("use one of builder:picky, registry.example/team/*"))
		t.run()
		t.runFails(v1alpha1.ReasonImageNotAllowed, "builder.image of TenantRepoLink app")

		change(&v1alpha1.BuilderClass{}, "", "picky", func(c *v1alpha1.BuilderClass) {
			c.Spec.AllowedImages = append(c.Spec.AllowedImages, "docker.io/library/*")
		})
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.named("again")
		Expect(buildContainer(t.podOf("again", "BUILD")).Image).To(Equal("ci:1"))
	})

	It("is used where the class allows it", func() {
		t := newTenant()
		allowing("registry.example/team/*")
		t.commit(phaseImage("registry.example/team/a/ci:1"))
		t.link(ofClass("picky"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		Expect(buildContainer(t.builder("BUILD")).Image).To(Equal("registry.example/team/a/ci:1"))
	})

})

var _ = Describe("The limits of a BuilderClass", func() {
	It("are those of its runs: more builders are refused, longer times are cut, and both are told", func() {
		t := newTenant()
		minute := &metav1.Duration{Duration: time.Minute}
		newClass("small", func(c *v1alpha1.BuilderClass) {
			c.Spec.MaxParallelism = 2
			c.Spec.MaxTimeout, c.Spec.MaxUnscheduledTimeout, c.Spec.MaxQueueTimeout, c.Spec.MaxRunTimeout = minute, minute, minute, minute
		})
		t.commit(workflow(execution("BUILD", 0).with("Parallelism", 3)))
		t.link(ofClass("small"))
		t.run()
		t.runFails(v1alpha1.ReasonInvalidParallelism, "BuilderClass small allows a phase 2 builder Pods side by side: BUILD asks for 3")

		t.commit(workflow(execution("BUILD", 0).with("Parallelism", 2)))
		t.named("narrower")
		Expect(t.podOf("narrower", "BUILD")).NotTo(BeNil())
		phase, run := t.phaseOf("narrower", "BUILD"), get(&v1alpha1.CIRun{}, t.namespace, "narrower")
		Expect(phase.Spec).To(And(HaveField("Timeout", *minute), HaveField("QueueTimeout", minute), HaveField("Execution.UnscheduledTimeout", minute)))
		Expect(run.Status.Timeout).To(Equal(minute))
		Expect(run.Status.Warnings).To(ContainElements(
			"builder.timeout of the link is 1h0m0s: BuilderClass small allows 1m0s, which counts",
			"timeout of the run is 3h0m0s: BuilderClass small allows 1m0s, which counts"))
	})
})
