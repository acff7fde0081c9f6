package cli_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// story is a tenant with a link, in which the test plays Katkit's controllers.
type story struct {
	*testing.T
	admin client.Client
	// ann may start, cancel and repeat runs; carl may approve, too.
	ann, carl user
}

// TestARunFromStartToEnd is what people do with runs, on a real API server with the rights of two people.
func TestARunFromStartToEnd(t *testing.T) {
	cluster, admin := start(t)
	fill(t, admin)
	katkit := []string{v1alpha1.GroupVersion.Group}
	rights := []rbacv1.PolicyRule{
		{APIGroups: katkit, Resources: []string{"ciruns"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{APIGroups: katkit, Resources: []string{"phases"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: katkit, Resources: []string{"tenantrepolinks"}, Verbs: []string{"list"}},
	}
	more := append([]rbacv1.PolicyRule{{APIGroups: katkit, Resources: []string{"phases"}, Verbs: []string{"patch"}}}, rights...)
	s := story{t, admin, person(t, cluster, admin, "ann", rights), person(t, cluster, admin, "carl", more)}
	t.Run("what cannot be started", func(t *testing.T) { s.with(t).refusals() })
	first := ""
	t.Run("started, approved, failed", func(t *testing.T) { first = s.with(t).toTheEnd() })
	t.Run("repeated, and cancelled", func(t *testing.T) { s.with(t).again(first) })
	t.Run("followed no more", func(t *testing.T) { s.with(t).interrupted() })
	t.Run("completed by the shell", func(t *testing.T) { s.with(t).completion(first) })
}

func (s story) with(t *testing.T) story {
	t.Helper()
	s.T = t
	return s
}

func (s story) refusals() {
	for said, args := range map[string][]string{
		`--sha "5c1fe1b" is not a commit's full sha of 40 hex digits in lower case: git rev-parse NAME gives it`: {"run", "shop", "--sha", "5c1fe1b"},
		"namespace d-shop has no TenantRepoLink shpo: it has shop, and -n names another tenant":                  {"run", "shpo"},
		`--env "LEVEL" is not NAME=VALUE`:                     {"run", "shop", "--env", "LEVEL"},
		`--pr 0 is not the number of a pull request`:          {"run", "shop", "--pr", "0"},
		"--timeout 1ms is too short":                          {"run", "shop", "--timeout", "1ms"},
		"[branch pr] were all set":                            {"run", "shop", "--branch", "main", "--pr", "1"},
		`--name "Shop": `:                                     {"run", "shop", "--name", "Shop"},
		"namespace d-shop has no CIRun none: kubectl katkit ": {"get", "none"},
		"namespace d-shop has no CIRun other: kubectl katkit": {"cancel", "other"},
		"namespace d-shop has no CIRun any: kubectl katkit":   {"rerun", "any"},
	} {
		if out, got, code := s.ann.run(s.T, args...); code != 2 || out != "" || !strings.Contains(got, said) {
			s.Errorf("%v: exit code %d, output %s, said %s, want %s", args, code, out, got, said)
		}
	}
	if out, said, code := s.ann.run(s.T, "runs"); code != 0 || out != "" || !strings.HasPrefix(said, "No runs in namespace d-shop.") {
		s.Errorf("runs: exit code %d, output %s, said %s", code, out, said)
	}
	if out, said, code := s.ann.run(s.T, "links"); code != 0 || !regexp.MustCompile(`(?m)^shop +github.example.com/acme/shop +main +- +Unknown +- +\d+m?s$`).MatchString(out) {
		s.Errorf("links: exit code %d, output %s, said %s", code, out, said)
	}
}

const sha = "5c1fe1b1e0a1d8ae0d0a3f0f3f5a8e1f4d2b7c90"

// toTheEnd is a run that waits for its turn, builds, is approved, and fails.
func (s story) toTheEnd() string {
	name := s.started("run", "shop", "--env", "LEVEL=debug", "--env", "MORE=a=b", "--allow-older", "--timeout", "90m")
	run := s.read(name)
	want := v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{Branch: "main"},
		Env: []v1alpha1.EnvVar{{Name: "LEVEL", Value: "debug"}, {Name: "MORE", Value: "a=b"}}, AllowOlder: true, Timeout: &metav1.Duration{Duration: 90 * time.Minute}}
	if diff := cmp.Diff(want, run.Spec); diff != "" || run.ManagedFields[0].Manager != v1alpha1.ManagedBy {
		s.Errorf("the run is made by %s (-want +got):\n%s", run.ManagedFields[0].Manager, diff)
	}
	followed := s.ann.begin(s.T, "get", name, "--follow")
	followed.out.Await(s.T, name+" Pending")
	s.set(name, func(run *v1alpha1.CIRun) {
		run.Status.State, run.Status.WaitingFor = v1alpha1.RunQueued, "run web-2xk4d is deploying to d-shop (position 1)"
		run.Status.SHA, run.Status.Message = sha, "Mend the basket"
	})
	followed.out.Await(s.T, "(position 1)")
	if out, _, code := s.ann.run(s.T, "runs", "shop"); code != 0 || !regexp.MustCompile(`(?m)^`+name+` +shop +5c1fe1b +Queued +0/0 +- +\d+m?s +run web-2xk4d is deploying`).MatchString(out) {
		s.Errorf("runs: exit code %d, output\n%s", code, out)
	}
	s.phases(name)
	s.set(name, func(run *v1alpha1.CIRun) { run.Status.State, run.Status.WaitingFor = v1alpha1.RunRunning, "" })
	s.setPhase(name+"-build", v1alpha1.PhaseRunning, "")
	followed.out.Await(s.T, "BUILD Running")
	s.setPhase(name+"-build", v1alpha1.PhaseSucceeded, "")
	s.setPhase(name+"-deploy", v1alpha1.PhaseWaitingForApproval, "")
	followed.out.Await(s.T, "DEPLOY WaitingForApproval")
	s.glance(name, v1alpha1.RunWaitingForApproval)
	s.approvals(name)
	followed.out.Await(s.T, "DEPLOY approved by carl")
	s.setPhase(name+"-deploy", v1alpha1.PhaseFailed, "deployment web: \x1b[31mCrashLoop\x1b[0m")
	s.glance(name, v1alpha1.RunFailed)
	if code := followed.code(s.T); code != 1 {
		s.Errorf("exit code %d when the run has failed", code)
	}
	lines := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `).ReplaceAllString(strings.ReplaceAll(followed.out.String(), name, "RUN"), "")
	told := map[string]int{}
	for line := range strings.Lines(lines) {
		told[strings.TrimSpace(line)]++
	}
	if diff := cmp.Diff(map[string]int{
		"RUN Pending": 1, "RUN Queued: run web-2xk4d is deploying to d-shop (position 1)": 1, "RUN commit 5c1fe1b: Mend the basket": 1,
		"RUN Running": 1, "BUILD Running": 1, "BUILD Succeeded": 1, "DEPLOY WaitingForApproval": 1, "RUN WaitingForApproval": 1,
		"DEPLOY approved by carl": 1, "DEPLOY Failed: deployment web: CrashLoop": 1, "RUN Failed": 1,
	}, told); diff != "" || !strings.HasSuffix(lines, "RUN Failed\n") {
		s.Errorf("followed (-want +got):\n%s\n%s", diff, lines)
	}
	if out, said, code := s.ann.run(s.T, "get", name); code != 0 || !strings.Contains(out, "DEPLOY  Failed     -         deployment web: CrashLoop\n    approved by carl\n") ||
		!strings.Contains(out, "\nNext:\n  kubectl katkit rerun "+name+" -n d-shop\n") {
		s.Errorf("get: exit code %d, output\n%s%s", code, out, said)
	}
	return name
}

// approvals are asked for by ann, who may not, and by carl.
func (s story) approvals(name string) {
	s.Helper()
	for phase, want := range map[string]string{
		"BUILD": "error: phase BUILD of run " + name + " begins by itself, it needs no approval: waiting for approval: DEPLOY",
		"TEST":  "error: run " + name + ` has no phase "TEST": waiting for approval: DEPLOY`,
		"DEPLOY": "error: you (ann) may not approve phases in namespace d-shop: the verb \"approve\" on phases.katkit.dev is needed. An admin of the tenant grants it:\n" +
			"  kubectl create rolebinding katkit-approver-ann --clusterrole=katkit-approver --user=ann -n d-shop\n",
	} {
		if _, said, code := s.ann.run(s.T, "approve", name, phase); code != 1 || !strings.HasPrefix(said, want) {
			s.Errorf("approve %s: exit code %d, said %s, want %s", phase, code, said, want)
		}
	}
	if out, said, code := s.carl.run(s.T, "approve", name, "DEPLOY"); code != 0 || out != "phase.katkit.dev/"+name+"-deploy approved by carl\n" {
		s.Errorf("approve: exit code %d, output %s%s", code, out, said)
	}
	var phase v1alpha1.Phase
	if err := s.admin.Get(s.Context(), client.ObjectKey{Namespace: tenant, Name: name + "-deploy"}, &phase); err != nil || !phase.Spec.Approved || phase.Spec.ApprovedBy != "carl" {
		s.Errorf("approved %t by %q, %v", phase.Spec.Approved, phase.Spec.ApprovedBy, err)
	}
	if out, said, code := s.ann.run(s.T, "approve", name, "DEPLOY"); code != 0 || out != "" || said != "phase DEPLOY of run "+name+" is approved already, by carl\n" {
		s.Errorf("approve again: exit code %d, output %s%s", code, out, said)
	}
}

// again repeats a run that failed, cancels the second one, and takes the third one to its good end.
func (s story) again(first string) {
	if out, said, code := s.ann.run(s.T, "cancel", first); code != 0 || out != "" || said != "run "+first+" has ended already: Failed\n" {
		s.Errorf("cancel what has ended: exit code %d, output %s%s", code, out, said)
	}
	if _, _, code := s.ann.run(s.T, "cancel", first, "--follow"); code != 1 {
		s.Errorf("cancel what has ended, and follow: exit code %d", code)
	}
	if _, said, code := s.ann.run(s.T, "rerun", first, "--from", "TEST"); code != 2 || !strings.Contains(said, `has no phase "TEST" to begin with: it has BUILD, DEPLOY`) {
		s.Errorf("rerun: exit code %d, said %s", code, said)
	}
	second := s.started("rerun", first, "--from", "DEPLOY", "--name", "second", "--allow-older")
	want := v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, RerunOf: first, FromPhase: "DEPLOY", AllowOlder: true, Timeout: &metav1.Duration{Duration: 3 * time.Hour}}
	if diff := cmp.Diff(want, s.read(second).Spec); diff != "" || second != "second" {
		s.Errorf("the re-run %s (-want +got):\n%s", second, diff)
	}
	for said, args := range map[string][]string{
		"run second has not ended (Pending)":           {"rerun", "second"},
		"namespace d-shop has a CIRun second already:": {"rerun", first, "--name", "second"},
	} {
		if _, got, code := s.ann.run(s.T, args...); code != 2 || !strings.Contains(got, said) {
			s.Errorf("%v: exit code %d, said %s", args, code, got)
		}
	}
	cancelled := s.ann.begin(s.T, "cancel", second, "--follow")
	cancelled.out.Await(s.T, "cirun.katkit.dev/second cancelled\n")
	cancelled.out.Await(s.T, " second is being cancelled\n")
	if !s.read(second).Spec.Cancelled {
		s.Error("the run is not cancelled")
	}
	if _, said, code := s.ann.run(s.T, "cancel", second); code != 0 || said != "run second is being cancelled already\n" {
		s.Errorf("cancel again: exit code %d, said %s", code, said)
	}
	s.glance(second, v1alpha1.RunCancelled)
	if code := cancelled.code(s.T); code != 3 {
		s.Errorf("exit code %d when the run was cancelled", code)
	}

	third := s.ann.begin(s.T, "rerun", first, "--name", "third", "--follow")
	third.out.Await(s.T, " third Pending\n")
	s.glance("third", v1alpha1.RunSucceeded)
	if code := third.code(s.T); code != 0 {
		s.Errorf("exit code %d when the run has succeeded", code)
	}
	if _, said, code := s.ann.run(s.T, "rerun", "third"); code != 2 || !strings.Contains(said, "nothing to repeat") {
		s.Errorf("rerun of a run without phases: exit code %d, said %s", code, said)
	}
}

// interrupted is a run whose follower goes away, and one that goes away itself.
func (s story) interrupted() {
	followed := s.ann.begin(s.T, "run", "shop", "--sha", sha, "--branch", "main", "--name", "lasting", "-f")
	followed.out.Await(s.T, " lasting Pending\n")
	followed.interrupt()
	if code := followed.code(s.T); code != 130 {
		s.Errorf("exit code %d after Ctrl-C", code)
	}
	if got, want := followed.said.String(), "stopped following; run lasting goes on. To follow it again: kubectl katkit get lasting -n d-shop --follow\n"; got != want {
		s.Errorf("said %q, want %q", got, want)
	}
	if commit := s.read("lasting").Spec.Commit; commit.SHA != sha || commit.Branch != "main" {
		s.Errorf("the run is of %+v", commit)
	}
	if s.read("lasting").Spec.Cancelled {
		s.Error("the run was cancelled")
	}
	followed = s.ann.begin(s.T, "get", "lasting", "--follow")
	followed.out.Await(s.T, " lasting Pending\n")
	if err := s.admin.Delete(s.Context(), s.read("lasting")); err != nil {
		s.Fatal(err)
	}
	if code := followed.code(s.T); code != 2 || !strings.Contains(followed.said.String(), "run d-shop/lasting was deleted before it had ended") {
		s.Errorf("exit code %d, said %s", code, followed.said)
	}
}

func (s story) completion(first string) {
	s.started("run", "shop", "--name", "waiting")
	s.phases("waiting")
	s.setPhase("waiting-deploy", v1alpha1.PhaseWaitingForApproval, "")
	s.glance("waiting", v1alpha1.RunWaitingForApproval)
	s.monitored()
	ended := strings.Join([]string{"second", first, "third"}, "\n")
	for words, want := range map[string]string{
		"run ":                        "shop",
		"prs ":                        "shop",
		"run shop --pr ":              "42\tMend the basket",
		"run shop --sha ":             sha + "\tMend it",
		"runs ":                       "shop",
		"approve ":                    "waiting",
		"approve waiting ":            "DEPLOY",
		"approve waiting DEPLOY ":     "",
		"cancel ":                     "waiting",
		"rerun ":                      ended,
		"rerun " + first + " --from ": "BUILD\nDEPLOY",
		"get ":                        ended + "\nwaiting",
	} {
		if want != "" {
			want += "\n"
		}
		out, _, code := s.ann.run(s.T, append([]string{"__complete"}, strings.Split(words, " ")...)...)
		if code != 0 || out != want+":4\n" {
			s.Errorf("%q is completed to %q (exit code %d), want %q", words, out, code, want)
		}
	}
}

// monitored gives the link a pull request, which had two runs.
func (s story) monitored() {
	s.Helper()
	if out, said, code := s.ann.run(s.T, "prs", "shop"); code != 0 || out != "" || !strings.Contains(said, "No open pull requests into branch main of acme/shop.") ||
		!strings.Contains(said, "Link shop is not ready, and what is shown may be old: it has not been checked yet as it is now") {
		s.Errorf("prs: exit code %d, output %s, said %s", code, out, said)
	}
	var link v1alpha1.TenantRepoLink
	if err := s.admin.Get(s.Context(), client.ObjectKey{Namespace: tenant, Name: "shop"}, &link); err != nil {
		s.Fatal(err)
	}
	link.Status = v1alpha1.TenantRepoLinkStatus{
		Commits:      []v1alpha1.CommitStatus{{SHA: sha, Message: "Mend it"}},
		PullRequests: []v1alpha1.PullRequestStatus{{Number: 42, Title: "Mend the \x1b[31mbasket", Author: "ann", HeadRef: "basket", HeadSHA: sha}},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady,
			ObservedGeneration: link.Generation, LastTransitionTime: metav1.Now()}},
		MorePullRequests: true,
	}
	if err := s.admin.Status().Update(s.Context(), &link); err != nil {
		s.Fatal(err)
	}
	name := s.started("run", "shop", "--pr", "42", "--name", "of-42")
	out, said, code := s.ann.run(s.T, "prs", "shop")
	if code != 0 || !regexp.MustCompile(`(?m)^#42 +5c1fe1b +basket +ann +`+name+` +Pending +Mend the basket$`).MatchString(out) ||
		!strings.HasPrefix(said, "There are more than these 1, which were updated last. kubectl katkit run shop --pr NUMBER runs any of them.") {
		s.Errorf("prs: exit code %d, output %s, said %s", code, out, said)
	}
	if err := s.admin.Delete(s.Context(), s.read(name)); err != nil {
		s.Fatal(err)
	}
}

// started runs a verb that makes a run, and gives its name.
func (s story) started(args ...string) string {
	s.Helper()
	out, said, code := s.ann.run(s.T, args...)
	name, made := strings.CutSuffix(strings.TrimPrefix(out, "cirun.katkit.dev/"), " created\n")
	if code != 0 || !made {
		s.Fatalf("%v: exit code %d, output %s%s", args, code, out, said)
	}
	return name
}

func (s story) read(name string) *v1alpha1.CIRun {
	s.Helper()
	var run v1alpha1.CIRun
	if err := s.admin.Get(s.Context(), client.ObjectKey{Namespace: tenant, Name: name}, &run); err != nil {
		s.Fatal(err)
	}
	return &run
}

// set changes the status of a run.
func (s story) set(name string, change func(*v1alpha1.CIRun)) {
	s.Helper()
	run := s.read(name)
	change(run)
	if err := s.admin.Status().Update(s.Context(), run); err != nil {
		s.Fatal(err)
	}
}

// glance makes a run tell a state, and those of its Phases.
func (s story) glance(name string, state v1alpha1.RunState) {
	s.Helper()
	var list v1alpha1.PhaseList
	if err := s.admin.List(s.Context(), &list, client.InNamespace(tenant), client.MatchingLabels{v1alpha1.LabelRun: name}); err != nil {
		s.Fatal(err)
	}
	s.set(name, func(run *v1alpha1.CIRun) {
		run.Status.State, run.Status.Phases = state, nil
		for _, phase := range list.Items {
			run.Status.Phases = append(run.Status.Phases, v1alpha1.RunPhaseStatus{Name: phase.Spec.Name, PhaseName: phase.Name,
				Type: phase.Spec.Type, Order: phase.Spec.Order, State: phase.Status.State, Message: phase.Status.Message})
		}
	})
}

// phases makes BUILD and DEPLOY of a run, the latter by approval.
func (s story) phases(name string) {
	s.Helper()
	run := s.read(name)
	phase := func(order int32, spec v1alpha1.PhaseSpec) *v1alpha1.Phase {
		spec.Run, spec.SHA, spec.Order, spec.Timeout = v1alpha1.ObjectName{Name: name}, sha, order, metav1.Duration{Duration: time.Hour}
		return &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name + "-" + strings.ToLower(spec.Name),
			Labels:          map[string]string{v1alpha1.LabelRun: name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("CIRun"))}}, Spec: spec}
	}
	create(s.T, s.admin,
		phase(0, v1alpha1.PhaseSpec{Name: "BUILD", Type: v1alpha1.PhaseExecution, Approval: v1alpha1.ApprovalAutomatic,
			Execution: &v1alpha1.ExecutionSpec{RepositoryURL: "https://github.example.com/acme/shop", Parallelism: 1}}),
		phase(1, v1alpha1.PhaseSpec{Name: "DEPLOY", Type: v1alpha1.PhaseDeployment, Approval: v1alpha1.ApprovalManual,
			Deployment: &v1alpha1.DeploymentSpec{ServiceAccountName: "d", Services: []v1alpha1.ServiceImage{{Role: "web", Image: "web:1"}}}}))
}

func (s story) setPhase(name string, state v1alpha1.PhaseState, message string) {
	s.Helper()
	var phase v1alpha1.Phase
	if err := s.admin.Get(s.Context(), client.ObjectKey{Namespace: tenant, Name: name}, &phase); err != nil {
		s.Fatal(err)
	}
	phase.Status.State, phase.Status.Message = state, message
	if err := s.admin.Status().Update(s.Context(), &phase); err != nil {
		s.Fatal(err)
	}
}
