package controller_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var _ = Describe("A BuilderClass that is applied", func() {
	DescribeTable("is refused when it makes no sense:", func(mutate func(*v1alpha1.BuilderClassSpec), message string) {
		class := &v1alpha1.BuilderClass{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: v1alpha1.BuilderClassSpec{Image: "a", AgentImage: "b"}}
		Expect(dryRun(class.DeepCopy())).To(Succeed())
		mutate(&class.Spec)
		err := dryRun(class)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(message)))
	},
		Entry("an unknown level", func(s *v1alpha1.BuilderClassSpec) { s.PodSecurity = "Privileged" }, `supported values: "Baseline", "Restricted"`),
		Entry("a capability beyond baseline", func(s *v1alpha1.BuilderClassSpec) { s.Capabilities = []v1alpha1.Capability{"SYS_ADMIN"} }, "spec.capabilities[0]"),
		Entry("capabilities of the level restricted", func(s *v1alpha1.BuilderClassSpec) {
			s.PodSecurity, s.Capabilities = v1alpha1.PodSecurityRestricted, []v1alpha1.Capability{"SETUID"}
		}, "podSecurity Restricted grants no capability but NET_BIND_SERVICE"),
		Entry("no seccomp of the level restricted", func(s *v1alpha1.BuilderClassSpec) {
			s.PodSecurity, s.SeccompProfile = v1alpha1.PodSecurityRestricted, &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompNodeDefault}
		}, "podSecurity Restricted takes the seccomp profile RuntimeDefault or Localhost"),
		Entry("no seccomp at all", func(s *v1alpha1.BuilderClassSpec) { s.SeccompProfile = &v1alpha1.SeccompProfile{Type: "Unconfined"} }, "spec.seccompProfile.type"),
		Entry("a profile of the node without its name", func(s *v1alpha1.BuilderClassSpec) {
			s.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompLocalhost}
		}, "localhostProfile goes with type Localhost"),
		Entry("a name of a profile that is not the node's", func(s *v1alpha1.BuilderClassSpec) {
			s.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompRuntimeDefault, LocalhostProfile: "a.json"}
		}, "localhostProfile goes with type Localhost"),
		Entry("a profile that is elsewhere", func(s *v1alpha1.BuilderClassSpec) {
			s.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompLocalhost, LocalhostProfile: "../../a.json"}
		}, "localhostProfile is a path below the kubelet's folder seccomp"),
		Entry("a pattern that is none", func(s *v1alpha1.BuilderClassSpec) { s.AllowedImages = []string{"registry.example/a b"} }, "spec.allowedImages[0]"),
		Entry("more requested for the build container than it may have", func(s *v1alpha1.BuilderClassSpec) {
			s.Resources = &corev1.ResourceRequirements{Requests: amounts("2", ""), Limits: amounts("1999m", "")}
		}, "resources requests no more than it limits"),
		Entry("more requested for Katkit's own containers than they may have", func(s *v1alpha1.BuilderClassSpec) {
			s.AgentResources = &corev1.ResourceRequirements{Requests: amounts("", "1Gi"), Limits: amounts("", "1023Mi")}
		}, "agentResources requests no more than it limits"),
		Entry("devices for Katkit's own containers", func(s *v1alpha1.BuilderClassSpec) {
			s.AgentResources = &corev1.ResourceRequirements{Claims: []corev1.ResourceClaim{{Name: "gpu"}}}
		}, "agentResources has requests and limits alone"),
		Entry("an empty pattern", func(s *v1alpha1.BuilderClassSpec) { s.AllowedImages = []string{""} }, "spec.allowedImages[0]"),
	)

	DescribeTable("is accepted as it comes with Katkit:", func(path string) {
		text, err := os.ReadFile(filepath.Join("..", "..", "config", path))
		Expect(err).NotTo(HaveOccurred())
		class := &unstructured.Unstructured{}
		Expect(yaml.UnmarshalStrict(text, &class.Object)).To(Succeed())
		Expect(dryRun(class)).To(Succeed())
	},
		Entry("the default one", "builderclass/builderclass.yaml"),
		Entry("the sample", "samples/builderclass.yaml"),
	)
})
