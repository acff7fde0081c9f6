package phase_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/rollout"
)

var (
	now   = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	start = metav1.NewTime(now.Add(-time.Minute))
)

// newSHA is the commit of the phases in these tests.
var newSHA = strings.Repeat("c0ffee12", 5)

func newPhase(kind v1alpha1.PhaseType) *v1alpha1.Phase {
	return &v1alpha1.Phase{
		ObjectMeta: metav1.ObjectMeta{Name: "run-1-step", Namespace: "d-taskrunner", UID: "phase-uid", Generation: 1,
			OwnerReferences: []metav1.OwnerReference{{Kind: "CIRun", Name: "run", UID: "run-uid", Controller: new(true)}}},
		Spec: v1alpha1.PhaseSpec{
			Run: v1alpha1.ObjectName{Name: "run"}, Name: "STEP", Type: kind, SHA: newSHA,
			Timeout: metav1.Duration{Duration: time.Hour}, Approval: v1alpha1.ApprovalAutomatic,
		},
		Status: v1alpha1.PhaseStatus{State: v1alpha1.PhasePending},
	}
}

func newExecution(parallelism int32) *v1alpha1.Phase {
	p := newPhase(v1alpha1.PhaseExecution)
	p.Spec.Execution = &v1alpha1.ExecutionSpec{
		RepositoryURL: "https://github.com/acme/taskrunner.git", Parallelism: parallelism,
	}
	return p
}

func newDeployment(roles ...string) *v1alpha1.Phase {
	p := newPhase(v1alpha1.PhaseDeployment)
	p.Spec.Deployment = &v1alpha1.DeploymentSpec{ServiceAccountName: v1alpha1.DefaultDeployer}
	for _, role := range roles {
		p.Spec.Deployment.Services = append(p.Spec.Deployment.Services, v1alpha1.ServiceImage{Role: role, Image: "acme/" + role + ":new"})
	}
	return p
}

// madeBy is what a BuilderClass says, whose builder image has a tag.
func madeBy(tag string) *phase.Builder {
	return &phase.Builder{Status: &v1alpha1.BuilderStatus{ClassName: "standard", Image: "builder:" + tag, AgentImage: "agent"}}
}

// begun is the phase as it is stored once it has begun, with its Pods as they are made.
func begun(t *testing.T, p *v1alpha1.Phase) (*v1alpha1.Phase, map[string]*corev1.Pod) {
	t.Helper()
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Services: services(p, "old")}, start.Time)
	if plan.Status.State != v1alpha1.PhaseRunning {
		t.Fatalf("the phase does not begin: %+v", plan.Status)
	}
	p = p.DeepCopy()
	p.Status = plan.Status
	pods := map[string]*corev1.Pod{}
	for _, pod := range plan.CreatePods {
		pod.CreationTimestamp = start
		pods[pod.Name] = pod
	}
	return p, pods
}

// service is a Deployment of one container that runs an image, all replicas of it.
func service(name, image string) rollout.Service {
	return rollout.Service{
		Kind: "Deployment", Namespace: "d-taskrunner", Name: name, ResourceVersion: "7", Replicas: 2,
		Containers: []corev1.Container{{Name: name, Image: image, Env: []corev1.EnvVar{{Name: "A"}, {Name: "B"}}}},
		Progress:   rollout.Progress{Done: true},
	}
}

// services are those that a deployment phase asks for, with images of a tag.
func services(p *v1alpha1.Phase, tag string) map[string]rollout.Service {
	if p.Spec.Deployment == nil {
		return nil
	}
	result := map[string]rollout.Service{}
	for _, want := range p.Spec.Deployment.Services {
		result[want.Role] = service(want.Role, "acme/"+want.Role+":"+tag)
	}
	return result
}

// upgraded is a service as the phase leaves it.
func upgraded(name string) rollout.Service {
	s := service(name, "acme/"+name+":new")
	s.Mark = rollout.Mark{RunUID: "run-uid", SHA: newSHA}
	return s
}

// apply is what the API server makes of a change.
func apply(s rollout.Service, patch phase.PatchImage) rollout.Service {
	s.Containers = []corev1.Container{{Name: patch.Receipt.Container, Image: patch.Image}}
	s.Mark = rollout.Mark{RunUID: patch.Annotations[v1alpha1.AnnotationRunUID], SHA: patch.Annotations[v1alpha1.AnnotationSHA]}
	s.ResourceVersion += "1"
	return rolling(s, rollout.Progress{Message: "not observed yet"})
}

func rolling(s rollout.Service, p rollout.Progress) rollout.Service {
	s.Progress, s.Trouble = p, nil
	return s
}

// report is what the agent says of a ci.sh that ran for ten seconds and wrote a short log.
func report(exitCode int, reason contract.Reason, class contract.Class) contract.Report {
	const log = "hello\n"
	return contract.Report{
		Reason: reason, Class: class, ExitCode: exitCode, Message: fmt.Sprintf("ci.sh exited with code %d", exitCode),
		StartTime: now.Add(-10 * time.Second), FinishTime: now.Add(-time.Second),
		Log: contract.Log{Bytes: int64(len(log)), Lines: 1, TailLines: 1}, Tail: log,
	}
}

// terminated is the state of a container that ended with a termination message.
func terminated(code int32, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Message: message,
		StartedAt: metav1.NewTime(now.Add(-20 * time.Second)), FinishedAt: metav1.NewTime(now),
	}}
}

func reported(r contract.Report) corev1.ContainerState {
	return terminated(int32(r.ExitCode), string(r.Marshal()))
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

var (
	running   = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: start}}
	creating  = waiting("ContainerCreating", "")
	succeeded = reported(report(0, contract.ReasonCompleted, ""))
	failed    = reported(report(3, contract.ReasonCIScriptFailed, contract.ClassUser))
	shipped   = terminated(0, string(contract.LogReport{Bytes: 6, Complete: true}.Marshal()))
	unshipped = terminated(121, string(contract.LogReport{Bytes: 2, Message: "there is no more time"}.Marshal()))
	// unheard is the end of a container that was killed when its checkout was done.
	unheard = terminated(137, string(contract.Report{Reason: contract.ReasonCompleted}.Marshal()))
	done    = terminated(0, string(contract.Report{Reason: contract.ReasonCompleted}.Marshal()))
)

// is gives a Pod the states of its containers.
func is(pod *corev1.Pod, checkout, build corev1.ContainerState) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Status.Phase = corev1.PodRunning
	pod.Status.StartTime = &start
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: contract.BuildContainer, State: build}, {Name: contract.CheckoutContainer, State: checkout},
	}
	return pod
}

// decide checks of every decision in these tests what always holds of one. A builder that nobody says anything of is there.
func decide(t *testing.T, o phase.Observation, at time.Time) phase.Plan {
	t.Helper()
	if o.Builder == nil && phase.NeedsBuilder(o) {
		o.Builder = madeBy("1")
	}
	input := clone(o)
	plan := phase.Decide(o, at)
	if !equality.Semantic.DeepEqual(input, o) { // faster than cmp, and this is called often
		t.Fatalf("Decide changed what it looked at (-before +after)\n%s", cmp.Diff(input, o))
	}
	if again := phase.Decide(input, at); !equality.Semantic.DeepEqual(plan, again) {
		t.Fatalf("the same observation gave another plan (-first +second)\n%s", cmp.Diff(plan, again))
	}
	before := o.Phase.Status
	if before.State.Terminal() {
		if before := withoutDelivery(before, plan.Status); !equality.Semantic.DeepEqual(before, plan.Status) {
			t.Fatalf("a terminal state is not final (-before +after)\n%s", cmp.Diff(before, plan.Status))
		}
	}
	if (before.State.Terminal() || !o.RunActive) && len(plan.CreatePods) > 0 || before.State.Terminal() && len(plan.PatchImages) > 0 {
		t.Fatalf("what has ended goes on: %d Pods to make, %d images to change", len(plan.CreatePods), len(plan.PatchImages))
	}
	checkPatches(t, o, plan)
	checkCredential(t, o, plan)
	checkBuilder(t, before, plan)
	if plan.RequeueAfter < 0 {
		t.Fatalf("looks again after %s", plan.RequeueAfter)
	}
	checkStatus(t, o.Phase, plan.Status)
	return plan
}

// withoutDelivery is a status in which the logs that were on their way are what they are in a later one.
func withoutDelivery(status, later v1alpha1.PhaseStatus) v1alpha1.PhaseStatus {
	status = *status.DeepCopy()
	for i := range status.Attempts {
		for j := range status.Attempts[i].Replicas {
			if replica := &status.Attempts[i].Replicas[j]; phase.Delivering(replica) {
				replica.Log.Stored = later.Attempts[i].Replicas[j].Log.Stored
			}
		}
	}
	return status
}

// checkBuilder: what a phase began with stays, and all of its Pods are made by it.
func checkBuilder(t *testing.T, before v1alpha1.PhaseStatus, plan phase.Plan) {
	t.Helper()
	if before.Builder != nil && !equality.Semantic.DeepEqual(before.Builder, plan.Status.Builder) {
		t.Fatalf("what its Pods are made by changes (-before +after)\n%s", cmp.Diff(before.Builder, plan.Status.Builder))
	}
	for _, pod := range plan.CreatePods {
		if image := imageOf(pod, contract.BuildContainer); plan.Status.Builder == nil || image != plan.Status.Builder.Image {
			t.Fatalf("a Pod with image %s, made by %+v", image, plan.Status.Builder)
		}
	}
}

func imageOf(pod *corev1.Pod, container string) string {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == container {
			return pod.Spec.Containers[i].Image
		}
	}
	return ""
}

// checkCredential: Pods that clone with a Secret of their own are made after it, and its end comes before the Phase's.
func checkCredential(t *testing.T, o phase.Observation, plan phase.Plan) {
	t.Helper()
	needed := buildpod.NeedsCredential(o.Phase)
	if needed && len(plan.CreatePods) > 0 != (plan.CreateCredential != nil) || !needed && (plan.CreateCredential != nil || plan.RemoveCredentials != nil) {
		t.Fatalf("%d Pods to be made with the Secret %+v, removed: %v", len(plan.CreatePods), plan.CreateCredential, plan.RemoveCredentials)
	}
	for _, pod := range plan.CreatePods {
		for _, volume := range pod.Spec.Volumes {
			if needed && volume.Secret != nil && volume.Secret.SecretName != plan.CreateCredential.Name {
				t.Fatalf("the Pod mounts %s, and %s is made", volume.Secret.SecretName, plan.CreateCredential.Name)
			}
		}
	}
	if needed && plan.Status.State.Terminal() && !o.Phase.Status.State.Terminal() && len(plan.RemoveCredentials) == 0 {
		t.Fatal("ends and leaves its Secret")
	}
}

// checkPatches: forward while nothing failed and the run goes on, back once that is stored, and never what is not recorded.
func checkPatches(t *testing.T, o phase.Observation, plan phase.Plan) {
	t.Helper()
	before := o.Phase.Status
	for _, patch := range plan.PatchImages {
		if !recorded(before.Receipts, patch.Receipt) {
			t.Fatalf("%s is changed before its receipt is stored", patch.Receipt.Name)
		}
		back := patch.Image == patch.Receipt.PreviousImage && patch.Image != patch.Receipt.Image
		if back != (before.Rollback != nil) || !back && !o.RunActive {
			t.Fatalf("%s is changed to %s; run active %t, rollback stored %+v", patch.Receipt.Name, patch.Image, o.RunActive, before.Rollback)
		}
	}
	if plan.Status.Rollback != nil && plan.Status.State != v1alpha1.PhaseRunning && plan.Status.State != v1alpha1.PhaseFailed && plan.Status.State != v1alpha1.PhaseCancelled {
		t.Fatalf("rolled back and %s", plan.Status.State)
	}
}

func recorded(receipts []v1alpha1.Receipt, wanted v1alpha1.Receipt) bool {
	for _, receipt := range receipts {
		if receipt.Role == wanted.Role && receipt.Name == wanted.Name && receipt.Container == wanted.Container &&
			receipt.Image == wanted.Image && receipt.PreviousImage == wanted.PreviousImage {
			return true
		}
	}
	return false
}

// checkStatus checks what the API server would, and that state, condition and times agree.
func checkStatus(t *testing.T, p *v1alpha1.Phase, status v1alpha1.PhaseStatus) {
	t.Helper()
	if len(status.Message) > 4096 {
		t.Fatalf("a message of %d bytes", len(status.Message))
	}
	if equality.Semantic.DeepEqual(p.Status, status) {
		return
	}
	condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded)
	want := map[v1alpha1.PhaseState]metav1.ConditionStatus{
		v1alpha1.PhaseSucceeded: metav1.ConditionTrue, v1alpha1.PhaseFailed: metav1.ConditionFalse, v1alpha1.PhaseSkipped: metav1.ConditionFalse, v1alpha1.PhaseCancelled: metav1.ConditionFalse,
		v1alpha1.PhasePending: metav1.ConditionUnknown, v1alpha1.PhaseRunning: metav1.ConditionUnknown, v1alpha1.PhaseWaitingForApproval: metav1.ConditionUnknown,
	}
	if condition == nil || condition.Status != want[status.State] || condition.Reason == "" {
		t.Fatalf("state %q with the condition %+v", status.State, condition)
	}
	if status.State.Terminal() != (status.CompletionTime != nil) {
		t.Fatalf("state %q with the completion time %v", status.State, status.CompletionTime)
	}
	if (status.State == v1alpha1.PhaseFailed) != (status.FailureClass != "") {
		t.Fatalf("state %q with the failure class %q", status.State, status.FailureClass)
	}
}

func clone(o phase.Observation) phase.Observation {
	o.Phase = o.Phase.DeepCopy()
	if o.Pods != nil {
		pods := map[string]*corev1.Pod{}
		for name, pod := range o.Pods {
			pods[name] = pod.DeepCopy()
		}
		o.Pods = pods
	}
	if o.Services != nil {
		copied := map[string]rollout.Service{}
		for role, s := range o.Services {
			containers := make([]corev1.Container, len(s.Containers))
			for i := range s.Containers {
				s.Containers[i].DeepCopyInto(&containers[i])
			}
			s.Containers = containers
			copied[role] = s
		}
		o.Services = copied
	}
	return o
}

func reason(status v1alpha1.PhaseStatus) string {
	if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded); condition != nil {
		return condition.Reason
	}
	return ""
}

func podName(p *v1alpha1.Phase, replica int32) string { return buildpod.Name(p, 1, replica) }
