package controller_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
)

const (
	approval     = `{"spec":{"approved":true}}`
	fillsItIn    = "katkit-approved-by"
	clusterAdmin = "admin" // whom envtest makes
)

// aggregateRoles does what a controller of Kubernetes does: view, edit and admin get the rules of the roles that are
// labelled for them.
func aggregateRoles() {
	GinkgoHelper()
	for _, name := range []string{"view", "edit", "admin"} {
		change(&rbacv1.ClusterRole{}, "", name, func(role *rbacv1.ClusterRole) {
			role.Rules = nil
			for _, selector := range role.AggregationRule.ClusterRoleSelectors {
				var parts rbacv1.ClusterRoleList
				Expect(k8s.List(ctx, &parts, client.MatchingLabels(selector.MatchLabels))).To(Succeed())
				for _, part := range parts.Items {
					role.Rules = append(role.Rules, part.Rules...)
				}
			}
		})
	}
}

// policiesAreInForce waits for what the API server learns of on its own time.
func policiesAreInForce() {
	GinkgoHelper()
	Eventually(func() bool {
		return refusedBy("katkit-approval", dryRun(phaseSpec(func(s *v1alpha1.PhaseSpec) { s.Approved = true })))
	}).Should(BeTrue())
	Eventually(func() bool {
		return refusedBy("katkit-manager-pods", as(managerConfig).Create(ctx, aPod(apiNamespace, "probe"), client.DryRunAll))
	}).Should(BeTrue())
	run := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: apiNamespace, Name: "probe"}, Spec: v1alpha1.CIRunSpec{
		Link: v1alpha1.ObjectName{Name: linkName}, Commit: v1alpha1.CommitSelector{Branch: "main"},
	}}
	Eventually(func() bool {
		return refusedBy("katkit-manager-asks", as(managerConfig).Create(ctx, run.DeepCopy(), client.DryRunAll))
	}).Should(BeTrue())
	Eventually(func() bool {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: apiNamespace, Name: "probe"}}
		return refusedBy("katkit-manager-secrets", as(managerConfig).Create(ctx, secret, client.DryRunAll))
	}).Should(BeTrue())
	phase := aPhase(func(p *v1alpha1.Phase) { p.Name = "probe" })
	create(phase)
	Eventually(func() error { return k8s.Patch(ctx, phase.DeepCopy(), merge(approval), client.DryRunAll) }).Should(Succeed())
	Eventually(func() bool {
		return refusedBy("katkit-manager-runs", as(managerConfig).Delete(ctx, phase.DeepCopy(), client.DryRunAll))
	}).Should(BeTrue())
	Expect(k8s.Delete(ctx, phase)).To(Succeed())
}

func refusedBy(policy string, err error) bool {
	return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy '"+policy+"'")
}

func merge(patch string) client.Patch {
	return client.RawPatch("application/merge-patch+json", []byte(patch))
}

// user is a client of a person or, by its user name, a ServiceAccount.
func user(name string) client.Client {
	config := rest.CopyConfig(cluster.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	return as(config)
}

// grant gives somebody a ClusterRole in the tenant, and waits until it counts.
func (t *tenant) grant(name, role string) {
	GinkgoHelper()
	create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, GenerateName: role + "-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
	})
	Eventually(func() error { return user(name).List(ctx, &v1alpha1.PhaseList{}, client.InNamespace(t.namespace)) }).Should(Succeed())
}

// manualPhase makes a Phase that could be approved, and that no run is waiting for.
func (t *tenant) manualPhase() *v1alpha1.Phase {
	GinkgoHelper()
	phase := aPhase(func(p *v1alpha1.Phase) { p.Namespace = t.namespace })
	create(phase)
	return phase
}

// do runs the kubectl command that a message ends with, in a shell, as somebody.
func do(message, asUser string) {
	GinkgoHelper()
	command := regexp.MustCompile(`kubectl .*$`).FindString(message)
	Expect(command).NotTo(BeEmpty(), message)
	folder := filepath.Dir(cluster.ControlPlane.KubectlPath)
	shell := exec.CommandContext(ctx, "sh", "-c", command+` --as="$AS"`)
	shell.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "KUBECONFIG="+kubeconfig(), "AS="+asUser)
	output, err := shell.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s: %s", command, output)
}

var _ = Describe("An approval", func() {
	It("is an admin's of the tenant, not an editor's, and tells whose it is", func() {
		t := newTenant()
		t.grant("ada", "admin")
		t.grant("eve", "edit")
		t.commit(workflow(execution("LOAD", 0).with("IsPhaseAutomated", false)))
		t.link()
		t.run()
		waits := t.phaseIs("LOAD", v1alpha1.PhaseWaitingForApproval)
		err := user("eve").Patch(ctx, waits.DeepCopy(), merge(approval))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)

		By("doing as the phase's message says")
		do(waits.Status.Message, "ada")
		approved := t.phaseIs("LOAD", v1alpha1.PhaseRunning)
		Expect(approved.Spec.ApprovedBy).To(Equal("ada"))
		Expect(approved.Status.Approval).To(And(HaveField("By", "ada"), HaveField("Time", Not(BeNil()))))
		Eventually(t.events).WithArguments("Phase", approved.Name).Should(ContainElement("Normal Approved: approved by ada"))
	})

	DescribeTable("of somebody who may only patch Phases is refused, until an admin does as the message says", func(name, subject string) {
		t, other := newTenant(), newTenant()
		t.grant("ada", "admin")
		create(&rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "patches-phases-of-" + t.namespace},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"phases"}, Verbs: []string{"list", "patch"}}},
		})
		for _, tenant := range []*tenant{t, other} {
			tenant.manualPhase()
			tenant.grant(name, "edit")
			tenant.grant(name, "patches-phases-of-"+t.namespace)
		}
		approve := func(in *tenant) error {
			return user(name).Patch(ctx, aPhase(func(p *v1alpha1.Phase) { p.Namespace = in.namespace }), merge(approval))
		}
		patchesLabels := func() error {
			return user(name).Patch(ctx, aPhase(func(p *v1alpha1.Phase) { p.Namespace = t.namespace }), merge(`{"metadata":{"labels":{"mine":"yes"}}}`))
		}
		Eventually(patchesLabels).Should(Succeed(), "what is no approval is not the policy's business")
		err := approve(t)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(
			ContainSubstring(name+" may not approve Phase api in namespace "+t.namespace+": the verb approve on phases.katkit.dev is missing"),
			HaveSuffix(" -n "+t.namespace+" --clusterrole=katkit-approver "+subject))))
		Expect(get(&v1alpha1.Phase{}, t.namespace, "api").Spec.Approved).To(BeFalse())

		do(err.Error(), "ada")
		Eventually(approve).WithArguments(t).Should(Succeed())
		Expect(get(&v1alpha1.Phase{}, t.namespace, "api").Spec).To(And(HaveField("Approved", true), HaveField("ApprovedBy", name)))
		Expect(apierrors.IsForbidden(approve(other))).To(BeTrue(), "the right is one tenant's")
	},
		Entry("a user", "bob", "--user='bob'"),
		Entry("a user whose name a shell would take apart", `Bob O'Hara;exit 1 #"x"`, `--user='Bob O'\''Hara;exit 1 #"x"'`),
		Entry("a ServiceAccount", "system:serviceaccount:robots:night", "--serviceaccount=robots:night"),
	)

	It("needs the role katkit-approver and no other", func() {
		t := newTenant()
		phase := t.manualPhase()
		t.grant("bob", "katkit-approver")
		Expect(user("bob").Patch(ctx, phase, merge(approval))).To(Succeed())
		Expect(phase.Spec.ApprovedBy).To(Equal("bob"))
	})

	It("is in nobody else's name", func() {
		t := newTenant()
		phase := t.manualPhase()
		t.grant("ada", "admin")
		for patch, why := range map[string]string{
			`{"spec":{"approved":true,"approvedBy":"bob"}}`: "spec.approvedBy is bob, and you are ada: leave it out, or give your own name",
			`{"spec":{"approvedBy":"bob"}}`:                 "spec.approvedBy is set by the change that sets spec.approved to true",
			`{"spec":{"approvedBy":"ada"}}`:                 "spec.approvedBy is set by the change that sets spec.approved to true",
		} {
			Expect(user("ada").Patch(ctx, phase.DeepCopy(), merge(patch))).To(MatchError(ContainSubstring(why)), patch)
			Expect(k8s.Patch(ctx, phase.DeepCopy(), merge(patch))).NotTo(Succeed(), "nor is a cluster admin's")
		}
		Expect(get(&v1alpha1.Phase{}, t.namespace, "api").Spec).To(And(HaveField("Approved", false), HaveField("ApprovedBy", "")))

		Expect(user("ada").Patch(ctx, phase.DeepCopy(), merge(`{"spec":{"approved":true,"approvedBy":"ada"}}`))).To(Succeed())
		for _, patch := range []string{`{"spec":{"approvedBy":"bob"}}`, `{"spec":{"approvedBy":null}}`} {
			Expect(k8s.Patch(ctx, phase.DeepCopy(), merge(patch))).To(MatchError(ContainSubstring("approvedBy is immutable once it is there")), patch)
		}
		Expect(k8s.Patch(ctx, phase.DeepCopy(), merge(approval))).To(Succeed(), "approving again changes nothing")
		Expect(get(&v1alpha1.Phase{}, t.namespace, "api").Spec.ApprovedBy).To(Equal("ada"))
	})

	DescribeTable("does not come with a Phase that is created", func(mutate func(*v1alpha1.PhaseSpec)) {
		phase := phaseSpec(mutate)
		for who, c := range map[string]client.Client{clusterAdmin: k8s, managerName: as(managerConfig)} {
			Expect(c.Create(ctx, phase.DeepCopy(), client.DryRunAll)).To(MatchError(ContainSubstring("a Phase cannot be created approved")), who)
		}
	},
		Entry("approved", func(s *v1alpha1.PhaseSpec) { s.Approved = true }),
		Entry("signed", func(s *v1alpha1.PhaseSpec) { s.ApprovedBy = clusterAdmin }),
		Entry("approved and signed", func(s *v1alpha1.PhaseSpec) { s.Approved, s.ApprovedBy = true, clusterAdmin }),
	)

	It("gives its own name where no policy fills it in, as on Kubernetes 1.35 and older", func() {
		t := newTenant()
		const name = `Ada "the" O'Hara`
		t.grant(name, "admin")
		phase := t.manualPhase()
		binding := get(&admissionregistrationv1.MutatingAdmissionPolicyBinding{}, "", fillsItIn)
		Expect(k8s.Delete(ctx, binding)).To(Succeed())
		DeferCleanup(func() {
			create(&admissionregistrationv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: fillsItIn}, Spec: binding.Spec})
			policiesAreInForce()
		})
		approve := func() error { return user(name).Patch(ctx, phase.DeepCopy(), merge(approval), client.DryRunAll) }
		Eventually(approve).Should(MatchError(ContainSubstring("spec.approved without spec.approvedBy, and nothing on this cluster fills it in")))

		do(approve().Error(), name)
		Expect(get(&v1alpha1.Phase{}, t.namespace, "api").Spec).To(And(HaveField("Approved", true), HaveField("ApprovedBy", name)))
	})
})

// aPod is one that is no builder's.
func aPod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "first", Image: "first:v1"}},
			Containers:     []corev1.Container{{Name: "only", Image: "only:v1"}},
		},
	}
}

func aBuilder(namespace, name string) *corev1.Pod {
	pod := aPod(namespace, name)
	pod.Labels = map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder}
	pod.Spec.AutomountServiceAccountToken = new(false)
	return pod
}

var _ = Describe("Pods, to the manager,", func() {
	var (
		t       *tenant
		manager client.Client
	)
	BeforeEach(func() { t, manager = newTenant(), as(managerConfig) })
	refused := func(err error, why string) {
		GinkgoHelper()
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(why)))
	}
	const (
		buildersOnly = "builder Pods only, which have the label katkit.dev/component=builder"
		tenantsOnly  = "only in tenants, which are Namespaces with the label katkit.dev/tenant"
	)

	It("are builder Pods, and no others", func() {
		theirs := aPod(t.namespace, "theirs")
		create(theirs)
		refused(manager.Create(ctx, aPod(t.namespace, "ours")), buildersOnly)
		refused(manager.Delete(ctx, theirs.DeepCopy()), buildersOnly)
		refused(manager.Patch(ctx, theirs.DeepCopy(), merge(`{"spec":{"activeDeadlineSeconds":1}}`)), buildersOnly)
		refused(manager.Patch(ctx, theirs.DeepCopy(), merge(`{"metadata":{"labels":{"katkit.dev/component":"builder"}}}`)), buildersOnly)
		refused(manager.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(t.namespace)), buildersOnly)
		Expect(get(&corev1.Pod{}, t.namespace, "theirs").DeletionTimestamp).To(BeNil())

		builder := aBuilder(t.namespace, "ours")
		Expect(manager.Create(ctx, builder)).To(Succeed())
		Expect(manager.Delete(ctx, builder)).To(Succeed())
	})

	It("can be deleted by the label of builders", func() {
		create(aPod(t.namespace, "theirs"))
		create(aBuilder(t.namespace, "one"))
		create(aBuilder(t.namespace, "two"))
		Expect(manager.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(t.namespace),
			client.MatchingLabels{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder})).To(Succeed())
		Eventually(t.pods).Should(ConsistOf(HaveField("Name", "theirs")))
	})

	It("can be stopped, and keep their image, labels and owner", func() {
		builder := aBuilder(t.namespace, "ours")
		create(builder)
		const image, rest = "changes no image of a builder Pod", "changes neither labels nor owners of a builder Pod"
		for patch, why := range map[string]string{
			`[{"op":"replace","path":"/spec/containers/0/image","value":"evil:v1"}]`:                                             image,
			`[{"op":"replace","path":"/spec/initContainers/0/image","value":"evil:v1"}]`:                                         image,
			`[{"op":"add","path":"/metadata/labels/app","value":"shop"}]`:                                                        rest,
			`[{"op":"remove","path":"/metadata/labels"}]`:                                                                        rest,
			`[{"op":"replace","path":"/metadata/labels/katkit.dev~1component","value":"other"}]`:                                 rest,
			`[{"op":"add","path":"/metadata/ownerReferences","value":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u"}]}]`: rest,
		} {
			refused(manager.Patch(ctx, builder.DeepCopy(), client.RawPatch("application/json-patch+json", []byte(patch))), why)
		}
		Expect(manager.Patch(ctx, builder, merge(`{"spec":{"activeDeadlineSeconds":1}}`))).To(Succeed())
		Expect(get(&corev1.Pod{}, t.namespace, "ours").Spec.ActiveDeadlineSeconds).To(HaveValue(BeEquivalentTo(1)))
	})

	It("have a token for the log store only where the agent ships the log", func() {
		shipping := func(change func(*corev1.PodSpec)) *corev1.Pod { // beside an image that brings its own agent
			pod := aBuilder(t.namespace, "ours")
			checkout := corev1.Container{Name: "checkout", Image: "agent:v1", Command: []string{"/katkit-agent", "checkout"}}
			pod.Spec.InitContainers = []corev1.Container{checkout}
			pod.Spec.Containers = []corev1.Container{{Name: "other", Image: "x"}, {Name: "build", Image: "builder:v1"}}
			buildpod.ShipLog(pod, &v1alpha1.BuilderStatus{AgentImage: "agent:v1"}, buildpod.LogStore{URL: "http://logs"})
			change(&pod.Spec)
			return pod
		}
		checkoutShips := func(change func(*corev1.Container)) func(*corev1.PodSpec) {
			return func(s *corev1.PodSpec) {
				checkout := s.InitContainers[0]
				checkout.Command = []string{"/katkit-agent", "checkout", "ship"}
				checkout.VolumeMounts = s.Containers[2].VolumeMounts
				change(&checkout)
				s.InitContainers, s.Containers = nil, []corev1.Container{checkout, s.Containers[1]}
			}
		}
		const alone, agent = "only where the agent ships the log", "The container log of a builder Pod runs the agent"
		for why, changes := range map[string][]func(*corev1.PodSpec){
			alone: {
				func(s *corev1.PodSpec) {
					s.Containers[1].VolumeMounts = append(s.Containers[1].VolumeMounts, s.Containers[2].VolumeMounts[1])
				},
				func(s *corev1.PodSpec) {
					s.InitContainers = append(s.InitContainers, corev1.Container{Name: "first", Image: "x", VolumeMounts: s.Containers[2].VolumeMounts[1:]})
				},
				func(s *corev1.PodSpec) { s.Containers[2].Command = []string{"sh"} },
				func(s *corev1.PodSpec) { s.Containers[2].Args = []string{"more"} },
				checkoutShips(func(c *corev1.Container) { c.Command = []string{"sh"} }),
				checkoutShips(func(c *corev1.Container) { c.Args = []string{"more"} }),
				checkoutShips(func(c *corev1.Container) { c.Name = "another" }),
			},
			agent: {
				func(s *corev1.PodSpec) { s.Containers[2].Image = "evil:v1" },
				func(s *corev1.PodSpec) {
					s.Volumes = append(s.Volumes, corev1.Volume{Name: "workspace"})
					s.Containers[2].VolumeMounts = append(s.Containers[2].VolumeMounts, corev1.VolumeMount{Name: "workspace", MountPath: "/workspace"})
				},
			},
		} {
			for i, change := range changes {
				err := manager.Create(ctx, shipping(change), client.DryRunAll)
				Expect(err).To(MatchError(ContainSubstring(why)), "change %d", i)
			}
		}
		Expect(manager.Create(ctx, shipping(checkoutShips(func(*corev1.Container) {})), client.DryRunAll)).To(Succeed())
		Expect(manager.Create(ctx, shipping(func(*corev1.PodSpec) {}))).To(Succeed())
	})

	It("are made in tenants only, but stopped and removed where the label was taken away", func() {
		u := strangers()
		refused(manager.Create(ctx, aBuilder(u.namespace, "ours")), tenantsOnly)
		u.label()
		for _, name := range []string{"one", "two"} {
			Eventually(func() error { return manager.Create(ctx, aBuilder(u.namespace, name)) }).Should(Succeed(), "once the API server knows of the label")
		}
		change(&corev1.Namespace{}, "", u.namespace, func(n *corev1.Namespace) { n.Labels = nil })
		Eventually(func() error { return manager.Create(ctx, aBuilder(u.namespace, "three"), client.DryRunAll) }).Should(MatchError(ContainSubstring(tenantsOnly)))
		Expect(manager.Patch(ctx, aBuilder(u.namespace, "one"), merge(`{"spec":{"activeDeadlineSeconds":1}}`))).To(Succeed())
		Expect(manager.Delete(ctx, aBuilder(u.namespace, "one"))).To(Succeed())
		Expect(manager.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(u.namespace),
			client.MatchingLabels{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder})).To(Succeed())
		Eventually(u.pods).Should(BeEmpty())
	})
})
