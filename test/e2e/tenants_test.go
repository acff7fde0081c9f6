package e2e

import (
	"context"
	"fmt"
	"maps"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// quiet is how long nothing at all may be written when there is nothing to do.
const quiet = 10 * time.Second

var _ = Describe("A run", func() {
	It("stays in its tenant, also when another one links the same repository and branch", func(ctx SpecContext) {
		r := newRepository(ctx, map[string]string{
			"ci.sh":         script("echo $ENV $KATKIT_TENANT"),
			configFile:      workflow(build, deploy, verify),
			descriptionFile: description("web"),
		})
		dev, prod := newTenant(ctx, "DEV"), newTenant(ctx, "PROD")
		for _, t := range []*tenant{dev, prod} {
			t.service(ctx, "web", func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Containers[0].Env = append(d.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "TENANT", Value: t.namespace})
			})
		}
		devLink, prodLink := dev.link(ctx, r), prod.link(ctx, r)

		run := succeeded(ctx, dev.run(ctx, devLink, r.sha))
		Expect(dev.image(ctx, "web")).To(Equal(suite.serviceImage(r.sha)))
		Expect(logOf(ctx, phasesOf(ctx, run)["VERIFY"])).To(Equal("DEV " + dev.namespace + "\n"))
		Expect(prod.image(ctx, "web")).To(Equal(suite.images.Builder), "the other tenant is as it was")
		var runs v1alpha1.CIRunList
		Expect(suite.Client.List(ctx, &runs, client.InNamespace(prod.namespace))).To(Succeed())
		Expect(runs.Items).To(BeEmpty())

		run = succeeded(ctx, prod.run(ctx, prodLink, r.sha))
		Expect(prod.image(ctx, "web")).To(Equal(suite.serviceImage(r.sha)))
		Expect(logOf(ctx, phasesOf(ctx, run)["VERIFY"])).To(Equal("PROD " + prod.namespace + "\n"))
	})

	It("builds and deploys the folder of its link, and no other folder of the repository", func(ctx SpecContext) {
		files := map[string]string{configFile: workflow(build, deploy)}
		for _, folder := range []string{"one", "two"} {
			files[folder+"/ci.sh"] = script("echo folder " + folder + " in $(basename $PWD), $CODE_PATH")
			files[folder+"/"+descriptionFile] = description(folder)
		}
		files["two/"+configFile] = workflow(deploy) // this folder has a workflow of its own
		r := newRepository(ctx, files)
		first, second := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		for _, t := range []*tenant{first, second} {
			t.service(ctx, "one")
			t.service(ctx, "two")
		}

		one := succeeded(ctx, first.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.FolderPath = "one" }))
		Expect(logOf(ctx, phasesOf(ctx, one)["BUILD"])).To(Equal("folder one in one, one\n"))
		two := succeeded(ctx, second.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.FolderPath = "/two/" }))
		Expect(two.Status.ConfigSource).To(HavePrefix("two/katkitconfig.js"))
		Expect(phasesOf(ctx, two)).To(HaveLen(1))

		Expect(first.image(ctx, "one")).To(Equal(suite.serviceImage(r.sha)))
		Expect(first.image(ctx, "two")).To(Equal(suite.images.Builder))
		Expect(second.image(ctx, "one")).To(Equal(suite.images.Builder))
		Expect(second.image(ctx, "two")).To(Equal(suite.serviceImage(r.sha)))
	})

	It("deploys every role, whichever kind of workload it is, and none whose image has no <hubtag>", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			// The container is found by its image's repository, since neither it nor its number gives it away.
			sidecar := corev1.Container{Name: "sidecar", Image: suite.images.Agent, Command: []string{"sleep", "infinity"}}
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, sidecar)
			d.Spec.Template.Spec.Containers[0].Name = "main"
			d.Spec.Replicas = new(int32(2))
		})
		t.service(ctx, "cache")
		object := metav1.ObjectMeta{Namespace: t.namespace, Name: "store"}
		labels := map[string]string{"app": "store"}
		Expect(suite.Client.Create(ctx, &appsv1.StatefulSet{ObjectMeta: object, Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: idle("store", suite.images.Builder, labels),
		}})).To(Succeed())
		t.remember(ctx, "StatefulSet", "store")
		object.Name, labels = "collector", map[string]string{"app": "collector"}
		Expect(suite.Client.Create(ctx, &appsv1.DaemonSet{ObjectMeta: object, Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: idle("collector", suite.images.Builder, labels),
		}})).To(Succeed())
		t.remember(ctx, "DaemonSet", "collector")

		image := suite.serviceImage("<hubtag>")
		r := newRepository(ctx, map[string]string{
			configFile: workflow(deploy),
			descriptionFile: `{"Roles": [
				{"Name": "web", "DockerImage": "` + image + `", "Replicas": 7, "ExtraConfig": "COLOUR=RED"},
				{"Name": "store", "DockerImage": "` + image + `"},
				{"Name": "collector", "DockerImage": "` + image + `"},
				{"Name": "cache", "DockerImage": "redis:7"}]}`,
		})
		run := succeeded(ctx, t.runOf(ctx, r))

		want := suite.serviceImage(r.sha)
		Expect(t.image(ctx, "web")).To(Equal(want))
		Expect(t.imageOf(ctx, "StatefulSet", "store")).To(Equal(want))
		Expect(t.imageOf(ctx, "DaemonSet", "collector")).To(Equal(want))
		Expect(t.image(ctx, "cache")).To(Equal(suite.images.Builder))
		Expect(run.Status.Warnings).To(ContainElement(ContainSubstring("ExtraConfig is ignored")))
		expectEvent(ctx, run, corev1.EventTypeWarning, "ConfigWarning", descriptionFile+":2:", "Replicas is ignored")
		receipts := phasesOf(ctx, run)["DEPLOY"].Status.Receipts
		Expect(receipts).To(HaveLen(3))
		Expect(receipts[0]).To(Equal(v1alpha1.Receipt{
			Role: "web", Kind: "Deployment", Name: "web", Container: "main", PreviousImage: suite.images.Builder, Image: want,
			Result: v1alpha1.ReceiptUpgraded, Env: 2, Replicas: 2,
		}))
	})

	It("tells its story in events, and leaves the system quiet", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		often := func(link *v1alpha1.TenantRepoLinkSpec) { link.PollInterval = &metav1.Duration{Duration: quiet} }
		r := newRepository(ctx, map[string]string{
			"ci.sh":         script("echo $PHASE"),
			configFile:      workflow(build, deploy, verify),
			descriptionFile: description("web"),
		})
		run := succeeded(ctx, t.runOf(ctx, r, often))
		bad := failed(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("exit 1"), configFile: workflow(build)}), often))

		expectEvent(ctx, run, corev1.EventTypeNormal, "Started", r.sha, `"Begin"`, "3 phases from katkitconfig.js")
		expectEvent(ctx, run, corev1.EventTypeNormal, "PhaseSucceeded", "phase BUILD")
		expectEvent(ctx, run, corev1.EventTypeNormal, "PhaseSucceeded", "phase DEPLOY", "Deployment web", suite.images.Builder+" → "+suite.serviceImage(r.sha))
		expectEvent(ctx, run, corev1.EventTypeNormal, "PhaseSucceeded", "phase VERIFY")
		expectEvent(ctx, run, corev1.EventTypeNormal, "Succeeded", "all 3 phases succeeded")
		phases := phasesOf(ctx, run)
		first, second := phases["BUILD"], phases["DEPLOY"]
		expectEvent(ctx, &first, corev1.EventTypeNormal, "Started", "builder Pod "+first.Status.Attempts[0].Replicas[0].Pod, suite.images.Builder)
		expectEvent(ctx, &second, corev1.EventTypeNormal, "Started", "Deployment web", suite.serviceImage(r.sha))
		expectEvent(ctx, bad, corev1.EventTypeWarning, "PhaseFailed", "ci.sh exited with code 1")
		Eventually(t.builderPods).WithContext(ctx).Should(BeEmpty())

		By("waiting until nothing is written any more")
		var before map[string]string
		Eventually(func(ctx SpecContext) bool {
			last := before
			before = t.versions(ctx)
			return maps.Equal(before, last)
		}).WithContext(ctx).WithPolling(quiet / 4).Should(BeTrue())
		Consistently(func(ctx SpecContext) (changed []string) {
			now := t.versions(ctx)
			for name := range now {
				if now[name] != before[name] {
					changed = append(changed, name)
				}
			}
			return changed
		}).WithContext(ctx).WithTimeout(quiet+quiet/4).Should(BeEmpty(), "what was written meanwhile")
	})
})

// builderPods are those that are there now.
func (t *tenant) builderPods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := suite.Client.List(ctx, &pods, client.InNamespace(t.namespace), client.MatchingLabels{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder})
	return pods.Items, err
}

// versions are the resource versions of all that Katkit writes in a namespace.
func (t *tenant) versions(ctx context.Context) map[string]string {
	versions := map[string]string{}
	for _, list := range []client.ObjectList{
		&v1alpha1.TenantRepoLinkList{}, &v1alpha1.CIRunList{}, &v1alpha1.PhaseList{},
		&corev1.PodList{}, &corev1.ConfigMapList{}, &corev1.EventList{}, &appsv1.DeploymentList{},
	} {
		Expect(suite.Client.List(ctx, list, client.InNamespace(t.namespace))).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			versions[fmt.Sprintf("%T %s", object, object.GetName())] = object.GetResourceVersion()
			return nil
		})).To(Succeed())
	}
	return versions
}
