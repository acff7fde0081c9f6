package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// tester is the ServiceAccount of these specs.
const tester = "tester"

// asTester gives a link's ci.sh the identity of the tester.
func asTester(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.ServiceAccountName = tester }

// usesToken is a ci.sh that reads a ConfigMap of its namespace with the token that client libraries find.
var usesToken = script(
	"dir=/var/run/secrets/kubernetes.io/serviceaccount",
	"if [ ! -e $dir ]; then echo nobody; exit; fi",
	`curl --silent --output /dev/null --write-out '%{http_code}\n' --cacert $dir/ca.crt -H "Authorization: Bearer $(cat $dir/token)" \`,
	`"https://kubernetes.default.svc/api/v1/namespaces/$(cat $dir/namespace)/configmaps/kube-root-ca.crt"`)

var _ = Describe("The identity of builder Pods", func() {
	It("is the one that their link names, and that of a fork is none, and it has neither cache nor Secrets", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.tester(ctx, true)
		t.secret(ctx, "npm", map[string]string{"token": "s3cr3t-of-npm"})
		claim := t.cache(ctx)
		r := newRepository(ctx, map[string]string{
			"ci.sh":    script(`echo "${KATKIT_CACHE-none} ${TOKEN-none}"`, "[ -d /var/cache/build ] || echo no folder", usesToken),
			configFile: workflow(build),
		})
		link := t.link(ctx, r, asTester, func(link *v1alpha1.TenantRepoLinkSpec) {
			link.Builder.Cache = &v1alpha1.CacheSpec{ClaimName: claim, Path: "/var/cache/build"}
			link.Builder.Env = []v1alpha1.BuilderEnvVar{ofSecret("TOKEN", "npm", "token")}
		})
		run := succeeded(ctx, t.run(ctx, link, r.sha))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("/var/cache/build ***\n200\n"))

		run = succeeded(ctx, t.run(ctx, link, "", r.fork(ctx)))
		Expect(run.Status.Fork).To(BeTrue())
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("none none\nno folder\nnobody\n"))
	})

	It("is refused to them until the ServiceAccount says that it is for them", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.tester(ctx, false)
		r := newRepository(ctx, map[string]string{"ci.sh": usesToken, configFile: workflow(build)})
		link := t.link(ctx, r, asTester)
		expectRefused(ctx, t.run(ctx, link, r.sha), v1alpha1.ReasonServiceAccountNotAllowed,
			"ServiceAccount "+t.namespace+"/tester is not for builder Pods", "kubectl annotate serviceaccount tester -n "+t.namespace+" katkit.dev/builder=true")

		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: tester}}
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"katkit.dev/builder":"true"}}}`)) // as the message says
		Expect(suite.Client.Patch(ctx, account, patch)).To(Succeed())
		run := succeeded(ctx, t.run(ctx, link, r.sha))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("200\n"))
	}, SpecTimeout(patience))

	It("brings the role that a cloud gives it, and nothing of that to a fork", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.tester(ctx, true)
		t.cloudRoles(ctx)
		r := newRepository(ctx, map[string]string{
			"ci.sh": script(
				`if env | grep -q ^AWS_ || grep -q amazonaws /proc/mounts || ls /var/run/secrets 2>/dev/null | grep -q .; then`,
				`echo "$AWS_ROLE_ARN"; cut -d. -f2 "$AWS_WEB_IDENTITY_TOKEN_FILE"`,
				"else echo none; fi"),
			configFile: workflow(build),
		})
		link := t.link(ctx, r, asTester)
		run := succeeded(ctx, t.run(ctx, link, r.sha))
		role, payload, _ := strings.Cut(strings.TrimSpace(logOf(ctx, phasesOf(ctx, run)["BUILD"])), "\n")
		Expect(role).To(Equal(cloudRole))
		pods := suite.pods.ofRun(run)
		Expect(pods).To(HaveLen(1))
		token := claimsIn(payload)
		Expect(token.Audience).To(Equal([]string{cloudAudience}))
		Expect(token.Subject).To(Equal("system:serviceaccount:" + t.namespace + ":tester"))
		Expect(token.Kubernetes.Pod.Name).To(Equal(pods[0].Name))

		run = succeeded(ctx, t.run(ctx, link, "", r.fork(ctx)))
		Expect(run.Status.Fork).To(BeTrue())
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("none\n"))
	}, SpecTimeout(patience))
})

// tester makes a ServiceAccount that may read the tenant's ConfigMaps; for ci.sh, if it says so.
func (t *tenant) tester(ctx context.Context, forBuilders bool) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: t.namespace, Name: tester}
	account := &corev1.ServiceAccount{ObjectMeta: meta}
	if forBuilders {
		account.Annotations = map[string]string{v1alpha1.AnnotationBuilder: "true"}
	}
	for _, object := range []client.Object{
		account,
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: tester},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: t.namespace, Name: tester}}},
	} {
		Expect(suite.Client.Create(ctx, object)).To(Succeed())
	}
}

// fork has a stranger open a pull request, and has a run be of its head.
func (r *repository) fork(ctx context.Context) func(*v1alpha1.CIRunSpec) {
	GinkgoHelper()
	fork := "stranger/" + strings.ReplaceAll(r.name, "/", "-")
	Expect(suite.github.Fork(ctx, r.name, fork)).To(Succeed())
	_, err := suite.github.Commit(ctx, fork, fakegithub.Commit{Branch: "mine", Message: "mine", Files: fakegithub.Texts(map[string]string{"README": "mine"})})
	Expect(err).NotTo(HaveOccurred())
	number, err := suite.github.OpenPullRequest(ctx, r.name, fakegithub.PullRequest{Title: "mine", Author: "stranger", Head: "mine", HeadRepository: fork, Base: "main"})
	Expect(err).NotTo(HaveOccurred())
	return func(s *v1alpha1.CIRunSpec) { s.Commit = v1alpha1.CommitSelector{PullRequest: int32(number)} }
}

// What the cloud's webhook gives.
const (
	cloudAudience = "sts.amazonaws.com"
	cloudRole     = "arn:aws:iam::111122223333:role/tester"
	cloudVolume   = "aws-iam-token"
	cloudDir      = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
)

// cloudRoles has the API server give all containers of the tester's Pods a token for the cloud and a role, as the webhook of EKS does for a
// ServiceAccount with a role.
func (t *tenant) cloudRoles(ctx context.Context) {
	GinkgoHelper()
	t.mutatePods(ctx, mutation{
		account: tester,
		change: []admissionregistrationv1.Mutation{
			patching(fmt.Sprintf(`[JSONPatch{op: "add", path: "/spec/volumes/-", value: Object.spec.volumes{name: %q, projected: Object.spec.volumes.projected{
				sources: [Object.spec.volumes.projected.sources{serviceAccountToken: Object.spec.volumes.projected.sources.serviceAccountToken{
					audience: %q, expirationSeconds: 86400, path: "token"}}]}}}]`, cloudVolume, cloudAudience)),
			applying(fmt.Sprintf(`Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{
				name: c.name,
				env: [Object.spec.containers.env{name: "AWS_ROLE_ARN", value: %q}, Object.spec.containers.env{name: "AWS_WEB_IDENTITY_TOKEN_FILE", value: "%[2]s/token"}],
				volumeMounts: [Object.spec.containers.volumeMounts{name: %[3]q, mountPath: %[2]q, readOnly: true}]})}}`, cloudRole, cloudDir, cloudVolume)),
		},
		shows: func(pod *corev1.PodSpec) bool { return len(pod.Containers[0].Env) > 0 },
	})
}

// claims are what a ServiceAccount's token says of whom it is for, and whose.
type claims struct {
	Audience   []string `json:"aud"`
	Subject    string   `json:"sub"`
	Kubernetes struct {
		Pod struct{ Name string }
	} `json:"kubernetes.io"`
}

// claimsIn reads the middle part of a token.
func claimsIn(payload string) (c claims) {
	GinkgoHelper()
	text, err := base64.RawURLEncoding.DecodeString(payload)
	Expect(err).NotTo(HaveOccurred(), payload)
	Expect(json.Unmarshal(text, &c)).To(Succeed())
	return c
}
