package buildpod_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixture is an execution phase as the run controller makes one, and what its builder Pods are made by.
type fixture struct {
	*v1alpha1.Phase
	builder *v1alpha1.BuilderStatus
}

// parts of a fixture, to be changed.
type parts struct {
	*v1alpha1.ExecutionSpec
	*v1alpha1.BuilderStatus
}

func (f fixture) build(replica int32, outputs []v1alpha1.Output, caBundle string) *corev1.Pod {
	return buildpod.Build(f.Phase, f.builder, 1, replica, outputs, caBundle)
}

// shipping is the Pod that ships its log.
func (f fixture) shipping(store buildpod.LogStore) *corev1.Pod {
	pod := f.build(0, nil, "")
	buildpod.ShipLog(pod, f.builder, store)
	return pod
}

func newPhase(change func(parts)) fixture {
	phase := &v1alpha1.Phase{
		ObjectMeta: metav1.ObjectMeta{
			Name: "taskrunner-7f3a-0-pre-deploy-build", Namespace: "d-taskrunner", UID: "0b7e7dee-87f2-4dc0-94b5-1a8e0d8f3c11",
			Labels: map[string]string{v1alpha1.LabelLink: "taskrunner", v1alpha1.LabelRun: "taskrunner-7f3a"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "CIRun", Name: "taskrunner-7f3a",
				UID: "5d3f1a52-6c0b-4c5a-8a3e-9a1f6f0c2b77", Controller: new(true),
			}},
		},
		Spec: v1alpha1.PhaseSpec{
			Run: v1alpha1.ObjectName{Name: "taskrunner-7f3a"}, Name: "PRE_DEPLOY_BUILD", Type: v1alpha1.PhaseExecution,
			SHA: strings.Repeat("c0ffee12", 5), Approval: v1alpha1.ApprovalAutomatic,
			Execution: &v1alpha1.ExecutionSpec{
				RepositoryURL: "https://github.com/acme/taskrunner.git",
				Parallelism:   1,
				Env:           []v1alpha1.BuilderEnvVar{{Name: "PHASE", Value: "BUILD"}, {Name: "ENV", Value: "DEV"}, {Name: "EMPTY"}},
			},
		},
	}
	builder := &v1alpha1.BuilderStatus{ClassName: "standard", Image: "katkit/builder:1", AgentImage: "katkit/agent:1"}
	if change != nil {
		change(parts{phase.Spec.Execution, builder})
	}
	return fixture{phase, builder}
}

func TestBuild(t *testing.T) {
	for name, c := range map[string]struct {
		replica int32
		change  func(parts)
		outputs []v1alpha1.Output
		ca      string
	}{
		"plain": {},
		"app": {ca: "-----BEGIN CERTIFICATE-----\nMIIB$(GIT_SHA)\n-----END CERTIFICATE-----\n", change: func(e parts) {
			e.CredentialSecret, e.CredentialKind = "github", v1alpha1.CredentialApp
		}},
		"credential": {change: func(e parts) {
			e.CredentialSecret = "github"
		}},
		"checkout": {change: func(e parts) {
			e.Fork = true
			e.BuilderStatus.Env = []v1alpha1.EnvVar{{Name: contract.VarFetchDepth, Value: "2"}, {Name: contract.VarLFS, Value: "true"}}
			e.ExecutionSpec.Env = append(e.ExecutionSpec.Env, v1alpha1.BuilderEnvVar{Name: contract.VarFetchDepth, Value: "50"}, v1alpha1.BuilderEnvVar{Name: contract.VarSubmodules, Value: "$(ENV)"},
				v1alpha1.BuilderEnvVar{Name: "KATKIT_TENANT", Value: "taskrunner"})
		}},
		"cache": {change: func(e parts) {
			e.Cache = &v1alpha1.CacheSpec{ClaimName: "go-modules", Path: "/cache"}
		}},
		"init-container": {change: func(e parts) { e.AgentDelivery = v1alpha1.AgentByInitContainer }},
		"builder-image":  {change: func(e parts) { e.AgentDelivery = v1alpha1.AgentInBuilderImage }},
		"placed": {replica: 2, change: func(e parts) {
			e.Parallelism = 3
			e.NodeSelector = map[string]string{"fleet": "builder", v1alpha1.LabelAllocationTag: "gpu"}
			e.Tolerations = []corev1.Toleration{{Key: "builders-only", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}
			e.Resources = &corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			}
		}},
		"granted": {change: func(e parts) {
			e.PodSecurity, e.RuntimeClassName = v1alpha1.PodSecurityBaseline, "gvisor"
			e.Capabilities = []v1alpha1.Capability{"SETGID", "SETUID"}
			e.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompNodeDefault}
			e.ImagePullSecrets = []v1alpha1.ObjectName{{Name: "registry"}}
			e.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}
		}},
		"restricted": {change: func(e parts) {
			e.PodSecurity = v1alpha1.PodSecurityRestricted
			e.Capabilities = []v1alpha1.Capability{"NET_BIND_SERVICE"}
			e.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompLocalhost, LocalhostProfile: "profiles/build.json"}
		}},
		"identity": {change: func(e parts) {
			e.CredentialSecret, e.ServiceAccountName = "github", "tester"
		}},
		"hostile-values": {change: func(e parts) {
			e.ExecutionSpec.Env = []v1alpha1.BuilderEnvVar{
				{Name: "REFERENCE", Value: "$(ENV)"},
				{Name: "ESCAPED", Value: "$$(ENV)"},
				{Name: "DOLLARS", Value: "$$"},
				{Name: "LAST", Value: "costs 5$"},
				{Name: "SHELL", Value: "$(rm -rf /) `id` ${HOME}; \"quoted\" 'too' \\"},
				{Name: "LINES", Value: "one\ntwo\r\n\ttab"},
				{Name: "UNICODE", Value: "größe \u202e 日本"},
			}
		}},
		"secrets": {outputs: []v1alpha1.Output{{Name: "LEFT", Value: "1"}}, change: func(e parts) {
			e.CredentialSecret = "github"
			e.BuilderStatus.Env = []v1alpha1.EnvVar{{Name: "LEVEL", Value: "$5"}, {Name: "ENV", Value: "class"}, {Name: "TOKEN", Value: "without"}}
			e.EnvFrom = []v1alpha1.EnvFromSource{
				{SecretRef: &v1alpha1.ObjectReference{Name: "all"}},
				{Prefix: "CFG_", ConfigMapRef: &v1alpha1.ObjectReference{Name: "config", Optional: true}},
			}
			e.ExecutionSpec.Env = append(e.ExecutionSpec.Env,
				v1alpha1.BuilderEnvVar{Name: "TOKEN", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "token", Optional: true}}},
				v1alpha1.BuilderEnvVar{Name: "REGION", ValueFrom: &v1alpha1.EnvVarSource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "config", Key: "region"}}},
				v1alpha1.BuilderEnvVar{Name: "LEFT", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "left"}}})
		}},
		"outputs": {outputs: []v1alpha1.Output{
			{Name: "VERSION", Value: "1.2"}, {Name: "EMPTY", Value: "no more: $(ENV)"}, {Name: "A"}, {Name: "PHASE", Value: "forged"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(newPhase(c.change).build(c.replica, c.outputs, c.ca))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", got)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./internal/domain/buildpod -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); if it is meant to be so: go test ./internal/domain/buildpod -update\n%s", path, diff)
	}
}

// A Pod is another object than its Phase: what the API server answers to its creation is decoded into it.
func TestBuildSharesNothingWithThePhase(t *testing.T) {
	phase := newPhase(func(e parts) {
		e.NodeSelector = map[string]string{"fleet": "builder"}
		e.Tolerations = []corev1.Toleration{{Key: "builders-only"}}
		e.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}}
	})
	before, builder := phase.DeepCopy(), phase.builder.DeepCopy()
	pod := phase.build(0, nil, "")
	if diff := cmp.Diff(pod, phase.build(0, nil, "")); diff != "" {
		t.Errorf("the same input gave another Pod (-first +second)\n%s", diff)
	}
	pod.Spec.NodeSelector["fleet"] = "changed"
	pod.Spec.Tolerations[0].Key = "changed"
	pod.Spec.Containers[1].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1")
	pod.Labels[v1alpha1.LabelLink] = "changed"
	pod.Spec.Containers[1].Env[0].Value = "changed"
	if diff := cmp.Diff(before, phase.Phase) + cmp.Diff(builder, phase.builder); diff != "" {
		t.Errorf("a change of the Pod is one of the Phase (-before +after)\n%s", diff)
	}
}

// ci.sh runs in the build container, so nothing of the credential may be there, nor a token for the API server.
func TestBuildKeepsSecretsFromCIScript(t *testing.T) {
	pod := newPhase(func(e parts) { e.CredentialSecret = "github" }).build(0, nil, "")
	volumes := map[string]corev1.Volume{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = volume
	}
	for _, container := range pod.Spec.Containers {
		secret := false
		for _, mount := range container.VolumeMounts {
			volume, found := volumes[mount.Name]
			if !found {
				t.Errorf("container %s mounts %s, which is no volume", container.Name, mount.Name)
			}
			secret = secret || volume.Secret != nil
		}
		if want := container.Name == contract.CheckoutContainer; secret != want {
			t.Errorf("container %s mounts the credential: %t, want %t", container.Name, secret, want)
		}
	}
	if token := pod.Spec.AutomountServiceAccountToken; token == nil || *token {
		t.Error("the Pod gets a token for the API server")
	}
	if pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("restart policy %s: ci.sh would run twice", pod.Spec.RestartPolicy)
	}
}

func TestName(t *testing.T) {
	phase := func(name string, uid types.UID) *v1alpha1.Phase {
		return &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}}
	}
	seen := map[string]string{}
	long := strings.Repeat("a-long-name-", 20)
	for _, name := range []string{"a", "run-0-build", "v1.2.3-0-build", long, long[:62] + "-", strings.Repeat("x.", 100) + "x", "a.-b"} {
		for _, uid := range []types.UID{"", "one", "two"} {
			uid += types.UID(name) // no two Phases have the same
			for _, attempt := range []int32{1, 2, 3} {
				for _, replica := range []int32{0, 1, 63} {
					got := buildpod.Name(phase(name, uid), attempt, replica)
					key := fmt.Sprintf("%s %s %d %d", name, uid, attempt, replica)
					if problems := validation.IsDNS1123Label(got); len(problems) > 0 {
						t.Errorf("%s: %q is no DNS label: %v", key, got, problems)
					}
					if other, twice := seen[got]; twice {
						t.Errorf("%q is the name of both %s and %s", got, other, key)
					}
					seen[got] = key
				}
			}
		}
	}
	if len(seen) != 7*3*3*3 {
		t.Errorf("%d names", len(seen))
	}
}

func TestTheSecretOfAnApp(t *testing.T) {
	token := newPhase(func(e parts) {
		e.CredentialSecret, e.CredentialKind = "github", v1alpha1.CredentialToken
	})
	older := newPhase(func(e parts) { e.CredentialSecret = "github" }) // from before there were Apps
	public := newPhase(func(e parts) { e.CredentialKind = v1alpha1.CredentialApp })
	for _, phase := range []*v1alpha1.Phase{token.Phase, older.Phase, public.Phase, {}} {
		if buildpod.NeedsCredential(phase) {
			t.Errorf("%+v needs no Secret of its own", phase.Spec.Execution)
		}
	}
	phase := newPhase(func(e parts) {
		e.CredentialSecret, e.CredentialKind = "github", v1alpha1.CredentialApp
	})
	if !buildpod.NeedsCredential(phase.Phase) {
		t.Error("needs a Secret")
	}
	got, err := yaml.Marshal(buildpod.BuildCredential(phase.Phase, 2, "ghs_token"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "credential-secret.yaml", got)
	names := map[string]bool{buildpod.Name(phase.Phase, 1, 0): true}
	for _, name := range []string{buildpod.CredentialName(phase.Phase, 1), buildpod.CredentialName(phase.Phase, 2)} {
		if names[name] || len(validation.IsDNS1123Label(name)) > 0 {
			t.Errorf("%q is taken, or no name", name)
		}
		names[name] = true
	}
}
