package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

var _ = Describe("A link with variables from Secrets and ConfigMaps", func() {
	const (
		token = "npm_s3cr3tT0ken"
		key   = "-----BEGIN TEST KEY-----\nMIIEpAIBAAKCAQEAx7cC0Sdf3QmYb6hQ7ZpEw2VJ1kR8sT0uNv5aXyWzGhIjKlMn\nAbCdEfGh9s8d7f6g5h4j3k2l1qWeRtYuIoPaSdFgHjKlZxCvBnM0987654321xyZ\n-----END TEST KEY-----\n"
	)
	withVariables := func(link *v1alpha1.TenantRepoLinkSpec) {
		link.Builder.Env = []v1alpha1.BuilderEnvVar{
			ofSecret("NPM_TOKEN", "npm", "token"), {Name: "LINK", Value: "link"},
			{Name: "REGION", ValueFrom: &v1alpha1.EnvVarSource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "region", Key: "region"}}},
			{Name: "ABSENT", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "absent", Key: "a", Optional: true}}},
		}
		link.Builder.EnvFrom = []v1alpha1.EnvFromSource{
			{Prefix: "DEPLOY_", SecretRef: &v1alpha1.ObjectReference{Name: "deploy"}},
			{ConfigMapRef: &v1alpha1.ObjectReference{Name: "region"}},
		}
	}
	newTenantWithSecrets := func(ctx context.Context) *tenant {
		t := newTenant(ctx, "DEV")
		t.secret(ctx, "npm", map[string]string{"token": token})
		t.secret(ctx, "deploy", map[string]string{"KEY": key})
		Expect(suite.Client.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "region"},
			Data:       map[string]string{"region": "eu-central", "ENV": "forged", "LINK": "all", "PARAM": "all", "PATH": "/nowhere", "LEVEL": "all"},
		})).To(Succeed())
		return t
	}

	It("shows them to ci.sh, and masks values of Secrets in all that is kept of its log", func(ctx SpecContext) {
		t := newTenantWithSecrets(ctx)
		run := succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script(
				`printf %s "$NPM_TOKEN$DEPLOY_KEY" | sha256sum | cut -c-64`,
				`echo "$ENV $LINK $PARAM $LEVEL $REGION ${ABSENT-absent}"`,
				`env | grep -c '^KATKIT_\(FROM_\|SECRET_\|CONFIGMAP_\|FIXED_\)' || true`,
				`line=$(sed -n 2p <<<"$DEPLOY_KEY")`,
				`if [ "$PHASE" = LONG ]; then for i in $(seq 5000); do echo "$i: $NPM_TOKEN $line"; done; exit; fi`,
				`echo "token $NPM_TOKEN"; echo "$NPM_TOKEN" >&2`,
				`printf %s "$DEPLOY_KEY"; echo "$line"`,
				`base64 <<<"$NPM_TOKEN"; printf %s "$DEPLOY_KEY" | base64; printf %s "$DEPLOY_KEY" | base64 -w0; echo`,
				`printf 'x:%s' "$NPM_TOKEN" | base64`,
				`for i in $(seq 0 $((${#NPM_TOKEN} - 1))); do printf %s "${NPM_TOKEN:i:1}"; sleep 0.01; done; echo .`,
				`set -x; : "$NPM_TOKEN"`,
			),
			configFile: workflow(phase{Name: "SHORT", PhaseType: 4, BuildParams: "PARAM=param"}, phase{Name: "LONG", PhaseType: 4, BuildParams: "PARAM=param"}),
		}), withVariables))

		phases := phasesOf(ctx, run)
		begin := fmt.Sprintf("[katkit] PATH is left out: builder.envFrom of the link may not set it; name its key in builder.env, or give a prefix\n"+
			"%x\nDEV link param all eu-central absent\n0\n", sha256.Sum256([]byte(token+key)))
		Expect(logOf(ctx, phases["SHORT"])).To(Equal(begin+
			"token ***\n***\n***\n***\n***\n***\n***\n"+beside(token)+"\n***.\n+ : ***\n"), "ci.sh has the values, and the log has not")

		var lines strings.Builder
		lines.WriteString(begin)
		for i := range 5000 {
			fmt.Fprintf(&lines, "%d: *** ***\n", i+1)
		}
		expectLog(ctx, phases["LONG"], lines.String())

		logStoreURL(ctx)
		v := t.viewer(ctx)
		awaitNoPods(ctx, run)
		Expect(v.shows(ctx, run.Name, "SHORT")).To(Equal(logOf(ctx, phases["SHORT"])), "in the log store, too")
		Expect(v.shows(ctx, run.Name, "LONG")).To(Equal(lines.String()))
	}, SpecTimeout(patience))

	It("leaves no value of a Secret in outputs", func(ctx SpecContext) {
		t := newTenantWithSecrets(ctx)
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script(`echo "LOGIN=$(base64 <<<"$NPM_TOKEN")" >>"$KATKIT_OUTPUT"`), configFile: workflow(build, verify),
		}), withVariables)
		phase := expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureConfig, string(contract.ReasonInvalidOutput), "LOGIN has the value of a Secret in it")
		Expect(phase.Status.Outputs).To(BeEmpty())
	})

	DescribeTable("fails at once, and says what is missing:",
		func(ctx SpecContext, change func(*v1alpha1.BuilderSpec), parts ...string) {
			t := newTenant(ctx, "DEV")
			t.secret(ctx, "npm", map[string]string{"token": token})
			run := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("echo never"), configFile: workflow(build, verify)}),
				func(link *v1alpha1.TenantRepoLinkSpec) { change(&link.Builder) })
			for i, part := range parts {
				parts[i] = strings.ReplaceAll(part, "TENANT", t.namespace)
			}
			phase := expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonEnvSourceMissing, parts...)
			pods := suite.pods.ofRun(run)
			Expect(pods).To(HaveLen(1), "it is not tried again")
			Expect(phase.Status.CompletionTime.Sub(pods[0].CreationTimestamp.Time)).To(BeNumerically("<", 15*time.Second))
		},
		Entry("a Secret", func(b *v1alpha1.BuilderSpec) { b.Env = []v1alpha1.BuilderEnvVar{ofSecret("A", "absent", "a")} },
			"Secret TENANT/absent is not there", "kubectl create secret generic absent -n TENANT"),
		Entry("a key", func(b *v1alpha1.BuilderSpec) { b.Env = []v1alpha1.BuilderEnvVar{ofSecret("A", "npm", "pass.word")} },
			"Secret TENANT/npm has no key pass.word"),
		Entry("a ConfigMap as a whole", func(b *v1alpha1.BuilderSpec) {
			b.EnvFrom = []v1alpha1.EnvFromSource{{ConfigMapRef: &v1alpha1.ObjectReference{Name: "absent"}}}
		}, "ConfigMap TENANT/absent is not there"),
	)
})

func ofSecret(name, secret, key string) v1alpha1.BuilderEnvVar {
	return v1alpha1.BuilderEnvVar{Name: name, ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: secret, Key: key}}}
}

// secret makes a Secret in the tenant.
func (t *tenant) secret(ctx context.Context, name string, data map[string]string) {
	Expect(suite.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}, StringData: data})).To(Succeed())
}

// beside is what is left of "x:" and a value in base64: the letters that have a part of "x:" in them.
func beside(value string) string {
	all := base64.StdEncoding.EncodeToString([]byte("x:" + value))
	return all[:3] + "***"
}
