package rollout_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
)

func template(containers ...corev1.Container) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "api", Image: "acme/init:1"}}, Containers: containers,
	}}
}

func TestServiceOfEachKind(t *testing.T) {
	containers := []corev1.Container{{Name: "main", Image: "acme/api:1"}}
	for kind, got := range map[string]rollout.Service{
		"Deployment":  rollout.FromDeployment(&appsv1.Deployment{ObjectMeta: ofName("api", 1), Spec: appsv1.DeploymentSpec{Replicas: new(int32(3)), Template: template(containers...)}}),
		"StatefulSet": rollout.FromStatefulSet(&appsv1.StatefulSet{ObjectMeta: ofName("api", 1), Spec: appsv1.StatefulSetSpec{Replicas: new(int32(3)), Template: template(containers...)}}),
		"DaemonSet": rollout.FromDaemonSet(&appsv1.DaemonSet{ObjectMeta: ofName("api", 1), Spec: appsv1.DaemonSetSpec{Template: template(containers...)},
			Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 3}}),
	} {
		want := rollout.Service{
			Kind: kind, Namespace: "d-taskrunner", Name: "api", ResourceVersion: "7", Replicas: 3, Containers: containers,
			Progress: rollout.Progress{Message: "the new image is not observed yet"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", kind, diff)
		}
	}
}

func TestReceipt(t *testing.T) {
	main := corev1.Container{Name: "main", Image: "acme/api:1", Env: []corev1.EnvVar{{Name: "A"}, {Name: "B"}}}
	proxy := corev1.Container{Name: "proxy", Image: "envoy:2"}
	for name, c := range map[string]struct {
		containers []corev1.Container
		want       string // the container
		message    string
	}{
		"the only container":               {containers: []corev1.Container{main}, want: "main"},
		"the one of the same repository":   {containers: []corev1.Container{proxy, main}, want: "main"},
		"the one named like the role wins": {containers: []corev1.Container{main, {Name: "api", Image: "other:1"}}, want: "api"},
		"none fits":                        {containers: []corev1.Container{proxy, {Name: "log", Image: "fluent:1"}}, message: "proxy (envoy:2), log (fluent:1)"},
		"two fit":                          {containers: []corev1.Container{main, {Name: "again", Image: "docker.io/acme/api:9"}}, message: "main (acme/api:1), again (docker.io/acme/api:9)"},
		"no container at all; an init container is none": {message: "the workload has no container"},
	} {
		t.Run(name, func(t *testing.T) {
			service := rollout.FromDeployment(&appsv1.Deployment{ObjectMeta: ofName("api", 1), Spec: appsv1.DeploymentSpec{Template: template(c.containers...)}})
			got, cause := service.Receipt(v1alpha1.ServiceImage{Role: "api", Image: "acme/api:2"})
			if c.want == "" {
				if cause == nil || cause.Reason != v1alpha1.ReasonServiceNotFound || cause.Transient ||
					!strings.HasPrefix(cause.Message, "Deployment d-taskrunner/api: ") || !strings.Contains(cause.Message, c.message) {
					t.Errorf("got %+v, %+v", got, cause)
				}
				return
			}
			if cause != nil {
				t.Fatal(cause)
			}
			var live corev1.Container
			for _, container := range c.containers {
				if container.Name == c.want {
					live = container
				}
			}
			want := v1alpha1.Receipt{
				Role: "api", Kind: "Deployment", Name: "api", Container: c.want, PreviousImage: live.Image, Image: "acme/api:2",
				Result: v1alpha1.ReceiptPlanned, Env: int32(len(live.Env)), Replicas: 1,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if service.Image(c.want) != live.Image || service.Image("nobody") != "" {
				t.Errorf("images %q and %q", service.Image(c.want), service.Image("nobody"))
			}
		})
	}
}

func TestNotFoundNamesWhatToDo(t *testing.T) {
	cause := rollout.NotFound("d-taskrunner", "api")
	for _, part := range []string{`role "api"`, "servicedescription.js", "namespace d-taskrunner", "correct the role's Name"} {
		if !strings.Contains(cause.Message, part) {
			t.Errorf("%q lacks %q", cause.Message, part)
		}
	}
}
