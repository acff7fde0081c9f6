package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"katkit.dev/katkit/internal/domain/rollout"
)

const namespace = "d-taskrunner"

var began = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// objects is an API server with these objects.
func objects(t *testing.T, items ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(items...)
	for field, value := range map[string]func(*corev1.Event) string{
		"involvedObject.uid": func(e *corev1.Event) string { return string(e.InvolvedObject.UID) },
		"reason":             func(e *corev1.Event) string { return e.Reason },
		"type":               func(e *corev1.Event) string { return e.Type },
	} {
		builder = builder.WithIndex(&corev1.Event{}, field, func(o client.Object) []string {
			event, _ := o.(*corev1.Event)
			return []string{value(event)}
		})
	}
	return builder.Build()
}

func named(name string, owner client.Object, labels map[string]string) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": "api"}}
	maps.Copy(meta.Labels, labels)
	if owner != nil {
		meta.OwnerReferences = []metav1.OwnerReference{{UID: owner.GetUID(), Name: owner.GetName(), Controller: new(true)}}
	}
	return meta
}

func template(image string, hash string) corev1.PodTemplateSpec {
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "api"}}}
	if hash != "" {
		template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	}
	template.Spec.Containers = []corev1.Container{{Name: "app", Image: image}}
	return template
}

var apiSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}

func aDeployment() *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: named("api", nil, nil), Spec: appsv1.DeploymentSpec{Selector: apiSelector, Template: template("api:2", "")},
	}
}

func replicaSet(owner client.Object, hash, image string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: named("api-"+hash, owner, map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}),
		Spec:       appsv1.ReplicaSetSpec{Template: template(image, hash)},
	}
}

func pod(name string, owner client.Object, label, revision string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: named(name, owner, map[string]string{label: revision})}
}

func names(pods []corev1.Pod) string {
	var names []string
	for i := range pods {
		names = append(names, pods[i].Name)
	}
	return strings.Join(names, " ")
}

func TestPodsOfADeployment(t *testing.T) {
	const hash = appsv1.DefaultDeploymentUniqueLabelKey
	d := aDeployment()
	older, newer := replicaSet(d, "old", "api:1"), replicaSet(d, "new", "api:2")
	theirs := replicaSet(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{UID: "other"}}, "alien", "api:2")
	failing := aDeployment()
	failing.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"}}
	setless := aDeployment()
	setless.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ReplicaSetCreateError", Message: "no more ReplicaSets"}}
	unseen := failing.DeepCopy()
	unseen.Generation = 1
	changed := aDeployment()
	changed.Spec.Template = template("hotfix:1", "")
	for name, c := range map[string]struct {
		items        []client.Object
		pods, failed string
	}{
		"those of the ReplicaSet of its template": {items: []client.Object{d, older, newer, theirs,
			pod("old", older, hash, "old"), pod("new-1", newer, hash, "new"), pod("new-2", newer, hash, "new"),
			pod("stranger", nil, hash, "new"), pod("theirs", theirs, hash, "alien")}, pods: "new-1 new-2"},
		"none, when that is not there yet":                  {items: []client.Object{d, older, pod("old", older, hash, "old")}},
		"none, when its controller has not seen the change": {items: []client.Object{unseen, newer, pod("new", newer, hash, "new")}},
		"none, when somebody else has changed it by now":    {items: []client.Object{changed, replicaSet(changed, "fix", "hotfix:1"), pod("fix", replicaSet(changed, "fix", ""), hash, "fix")}},
		"and why there are none":                            {items: []client.Object{failing, newer}, failed: "exceeded quota"},
		"and why there is no ReplicaSet":                    {items: []client.Object{setless}, failed: "no more ReplicaSets"},
	} {
		t.Run(name, func(t *testing.T) {
			seen, err := Look(t.Context(), objects(t, c.items...), rollout.FromDeployment(d), began)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{string(seen.Workload), seen.Selector, names(seen.Pods), seen.FailedCreate}
			if diff := cmp.Diff([]string{"uid-api", "app=api", c.pods, c.failed}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPodsOfAStatefulSet(t *testing.T) {
	const hash = appsv1.ControllerRevisionHashLabelKey
	s := &appsv1.StatefulSet{ObjectMeta: named("api", nil, nil), Spec: appsv1.StatefulSetSpec{Selector: apiSelector, Template: template("api:2", "")},
		Status: appsv1.StatefulSetStatus{CurrentRevision: "api-1", UpdateRevision: "api-2"}}
	newPod := pod("api-0", s, hash, "api-2")
	newPod.CreationTimestamp = metav1.NewTime(began.Add(5 * time.Second))
	for name, c := range map[string]struct {
		items        []client.Object
		pods, failed string
	}{
		"those of its update revision":             {items: []client.Object{newPod, pod("api-1", s, hash, "api-1"), pod("stranger", nil, hash, "api-2")}, pods: "api-0"},
		"and why there is none":                    {items: []client.Object{failure("uid-api", "an old story", -time.Second), failure("uid-api", "exceeded quota", 2*time.Second), failure("uid-api", "before that", time.Second), failure("uid-other", "of another", 3*time.Second)}, failed: "exceeded quota"},
		"and of what has passed nothing":           {items: []client.Object{newPod, failure("uid-api", "exceeded quota", 2*time.Second)}, pods: "api-0"},
		"and what happened in the second it began": {items: []client.Object{failure("uid-api", "exceeded quota", 0)}, failed: "exceeded quota"},
	} {
		t.Run(name, func(t *testing.T) {
			seen, err := Look(t.Context(), objects(t, append(c.items, s)...), rollout.FromStatefulSet(s), began)
			if err != nil {
				t.Fatal(err)
			}
			if names(seen.Pods) != c.pods || seen.FailedCreate != c.failed {
				t.Errorf("got %q, %q", names(seen.Pods), seen.FailedCreate)
			}
		})
	}
}

func TestPodsThatBlockAStatefulSet(t *testing.T) {
	const hash = appsv1.ControllerRevisionHashLabelKey
	for policy, want := range map[appsv1.PodManagementPolicyType]string{appsv1.OrderedReadyPodManagement: "api-2", appsv1.ParallelPodManagement: ""} {
		s := &appsv1.StatefulSet{ObjectMeta: named("api", nil, nil), Spec: appsv1.StatefulSetSpec{Selector: apiSelector, Template: template("api:2", ""), PodManagementPolicy: policy},
			Status: appsv1.StatefulSetStatus{UpdateRevision: "api-1"}}
		well := pod("api-1", s, hash, "api-2")
		well.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		seen, err := Look(t.Context(), objects(t, s, pod("api-0", s, hash, "api-1"), well, pod("api-2", s, hash, "api-2"), pod("stranger", nil, hash, "api-2")), rollout.FromStatefulSet(s), began)
		if err != nil || names(seen.Blocking) != want || names(seen.Pods) != "api-0" {
			t.Errorf("%s: got %q and %q, %v", policy, names(seen.Blocking), names(seen.Pods), err)
		}
	}
}

// failure is the event of a Pod that could not be created, some time after the rollout began.
func failure(uid types.UID, message string, after time.Duration) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint(uid, after)}, InvolvedObject: corev1.ObjectReference{UID: uid},
		Reason: "FailedCreate", Type: corev1.EventTypeWarning, Message: message, LastTimestamp: metav1.NewTime(began.Add(after)),
	}
}

func TestPodsOfADaemonSet(t *testing.T) {
	const hash = appsv1.ControllerRevisionHashLabelKey
	d := &appsv1.DaemonSet{ObjectMeta: named("api", nil, nil), Spec: appsv1.DaemonSetSpec{Selector: apiSelector, Template: template("api:2", "")}}
	revision := func(owner client.Object, name string, number int64) *appsv1.ControllerRevision {
		return &appsv1.ControllerRevision{ObjectMeta: named("api-"+name, owner, map[string]string{hash: name}), Revision: number}
	}
	stranger := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{UID: "other"}}
	c := objects(t, d, revision(d, "b", 7), revision(d, "a", 8), revision(d, "c", 6), revision(stranger, "x", 9),
		pod("api-new", d, hash, "a"), pod("api-old", d, hash, "b"), pod("api-x", d, hash, "x"), failure("uid-api", "exceeded quota", time.Second))
	seen, err := Look(t.Context(), c, rollout.FromDaemonSet(d), began)
	if err != nil || names(seen.Pods) != "api-new" || seen.FailedCreate != "exceeded quota" {
		t.Errorf("got %q, %q, %v", names(seen.Pods), seen.FailedCreate, err)
	}
}

func TestAWorkloadThatIsGone(t *testing.T) {
	for _, kind := range rollout.Kinds {
		seen, err := Look(t.Context(), objects(t), rollout.Service{Kind: kind, Namespace: namespace, Name: "api"}, began)
		if err != nil || seen.Workload != "" {
			t.Errorf("%s: %+v, %v", kind, seen, err)
		}
	}
	if _, err := Look(t.Context(), objects(t), rollout.Service{Kind: "Job"}, began); err == nil {
		t.Error("a Job is no service")
	}
}

// unreachable is an API server that does not answer.
type unreachable struct{ client.Client }

func (unreachable) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("connection refused")
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	d := aDeployment()
	seen, err := Look(t.Context(), unreachable{objects(t, d)}, rollout.FromDeployment(d), began)
	if err == nil || !strings.Contains(err.Error(), "Deployment d-taskrunner/api: connection refused") || len(seen.Pods) > 0 {
		t.Errorf("got %+v, %v", seen, err)
	}
}

func TestFollowAnEvent(t *testing.T) {
	said := func(container, reason, message string, after time.Duration) *corev1.Event {
		event := failure("uid-pod", message, after)
		event.Reason = reason
		if container != "" {
			event.InvolvedObject.FieldPath = "spec.containers{" + container + "}"
		}
		return event
	}
	c := objects(t, said("app", "Unhealthy", "Readiness probe failed: 503", time.Second), said("app", "Unhealthy", "Readiness probe failed: 404", 0),
		said("app", "BackOff", "back-off", 2*time.Second), said("proxy", "Unhealthy", "of the proxy", 3*time.Second),
		said("", "FailedMount", `secret "db" not found`, 4*time.Second))
	for container, want := range map[string]string{"app": "why: Readiness probe failed: 503", "": `why: secret "db" not found`, "other": "why"} {
		trouble := &rollout.Trouble{Message: "why", Clue: &rollout.Clue{Pod: "pod", UID: "uid-pod", Container: container}}
		if got := Follow(t.Context(), c, nil, namespace, trouble); got.Message != want {
			t.Errorf("%s: got %q, want %q", container, got.Message, want)
		}
	}
	if Follow(t.Context(), c, nil, namespace, nil) != nil {
		t.Error("no trouble became one")
	}
}

// logs answers requests for logs, by their query.
type logs func(query map[string][]string) (int, string)

func (l logs) RoundTrip(r *http.Request) (*http.Response, error) {
	code, body := l(r.URL.Query())
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
}

func TestFollowALog(t *testing.T) {
	for name, c := range map[string]struct {
		previous bool
		answer   logs
		want     string
	}{
		"of the instance that crashed": {true, func(q map[string][]string) (int, string) {
			return http.StatusOK, fmt.Sprintf("%v %v of %v\n", q["previous"], q["tailLines"], q["container"])
		}, "why; its log ends with: [true] [10] of [app]"},
		"of the present one": {false, func(q map[string][]string) (int, string) {
			return http.StatusOK, fmt.Sprintf("%v %v\n", q["previous"], q["limitBytes"])
		}, "why; its log ends with: [] [65536]"},
		"of the present one, when the other is gone": {true, func(q map[string][]string) (int, string) {
			if q["previous"] != nil {
				return http.StatusBadRequest, "previous terminated container not found"
			}
			return http.StatusOK, "panic\n"
		}, "why; its log ends with: panic"},
		"that is gone": {true, func(map[string][]string) (int, string) { return http.StatusBadRequest, "not found" }, "why"},
	} {
		t.Run(name, func(t *testing.T) {
			core, err := corev1client.NewForConfigAndClient(&rest.Config{}, &http.Client{Transport: c.answer})
			if err != nil {
				t.Fatal(err)
			}
			trouble := &rollout.Trouble{Message: "why", Clue: &rollout.Clue{Pod: "pod", Container: "app", Log: true, Previous: c.previous}}
			if got := Follow(t.Context(), nil, core, namespace, trouble); got.Message != c.want {
				t.Errorf("got %q, want %q", got.Message, c.want)
			}
		})
	}
}
