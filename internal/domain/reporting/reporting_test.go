package reporting_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/domain/run"
)

const sha = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// seen is a run of the link "app" of the tenant "t", with these phases.
func seen(entries ...v1alpha1.RunPhaseStatus) reporting.Observation {
	return reporting.Observation{
		Run:    newRun("r", now, entries...),
		Phases: map[string]*v1alpha1.Phase{},
		Tenant: run.Tenant{Name: "t", Env: "DEV"},
		Link: &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"},
			Spec: v1alpha1.TenantRepoLinkSpec{EnvironmentURL: "https://app.example.com"}},
	}
}

func newRun(name string, created time.Time, entries ...v1alpha1.RunPhaseStatus) *v1alpha1.CIRun {
	return &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid-of-" + name), CreationTimestamp: metav1.NewTime(created)},
		Status:     v1alpha1.CIRunStatus{SHA: sha, State: v1alpha1.RunRunning, Phases: entries},
	}
}

func entry(name string, order int32, state v1alpha1.PhaseState) v1alpha1.RunPhaseStatus {
	return v1alpha1.RunPhaseStatus{Name: name, PhaseName: "r-" + strings.ToLower(name), Type: v1alpha1.PhaseExecution, Order: order, State: state}
}

func deploying(state v1alpha1.PhaseState) v1alpha1.RunPhaseStatus {
	phase := entry("DEPLOY", 1, state)
	phase.Type = v1alpha1.PhaseDeployment
	return phase
}

func says(phase v1alpha1.RunPhaseStatus, message string) v1alpha1.RunPhaseStatus {
	phase.Message = message
	return phase
}

// of gives the failed phases of an observation a class, and a reason.
func of(o reporting.Observation, class v1alpha1.FailureClass, reason string) reporting.Observation {
	for _, phase := range o.Run.Status.Phases {
		o.Phases[phase.PhaseName] = &v1alpha1.Phase{Status: v1alpha1.PhaseStatus{FailureClass: class, Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: reason,
		}}}}
	}
	return o
}

func lines(statuses []reporting.Status) []string {
	var list []string
	for _, s := range statuses {
		list = append(list, s.Context+" "+string(s.State)+" "+s.Description)
	}
	return list
}

func TestAStatusForEachPhase(t *testing.T) {
	carried := entry("BUILD", 0, v1alpha1.PhaseSucceeded)
	carried.CarriedFrom = "earlier"
	const failed = string(contract.ReasonCIScriptFailed)
	stopped := func(entries ...v1alpha1.RunPhaseStatus) reporting.Observation {
		o := seen(entries...)
		o.Run.Status.Stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonCancelled, Message: "by hand"}
		return o
	}
	for name, c := range map[string]struct {
		o    reporting.Observation
		want []string
	}{
		"nothing before it begins": {seen(entry("BUILD", 0, v1alpha1.PhasePending), entry("TEST", 1, "")), nil},
		"its begin, and its end": {seen(entry("BUILD", 0, v1alpha1.PhaseSucceeded), entry("TEST", 1, v1alpha1.PhaseRunning)),
			[]string{"katkit/t/-/BUILD success succeeded in run r", "katkit/t/-/TEST pending running in run r"}},
		"what it waits for": {seen(entry("LOAD", 0, v1alpha1.PhaseWaitingForApproval)),
			[]string{"katkit/t/-/LOAD pending run r waits for approval: kubectl katkit approve r LOAD -n ns"}},
		"a failure of the author's, and what it skips": {of(seen(says(entry("BUILD", 0, v1alpha1.PhaseFailed), "ci.sh exited\nwith code 1"), entry("TEST", 1, v1alpha1.PhaseSkipped)), v1alpha1.FailureUser, failed),
			[]string{"katkit/t/-/BUILD failure failed in run r: ci.sh exited with code 1", "katkit/t/-/TEST stopped skipped in run r since BUILD failed"}},
		"a failure of the files":              {of(seen(says(entry("BUILD", 0, v1alpha1.PhaseFailed), "a.js:1:2: no")), v1alpha1.FailureConfig, v1alpha1.ReasonInvalidConfig), []string{"katkit/t/-/BUILD failure failed in run r: a.js:1:2: no"}},
		"one of the cluster":                  {of(seen(says(entry("BUILD", 0, v1alpha1.PhaseFailed), "Pod p")), v1alpha1.FailureInfra, v1alpha1.ReasonPodGone), []string{"katkit/t/-/BUILD error failed in run r: PodGone: its Pod was deleted (kubectl katkit get r -n ns)"}},
		"one that nobody knows the reason of": {seen(entry("BUILD", 0, v1alpha1.PhaseFailed)), []string{"katkit/t/-/BUILD error failed in run r (kubectl katkit get r -n ns)"}},
		"what is stopped": {stopped(says(entry("BUILD", 0, v1alpha1.PhaseCancelled), "by hand"), says(entry("TEST", 1, v1alpha1.PhaseSkipped), "not started: by hand")),
			[]string{"katkit/t/-/BUILD stopped cancelled in run r: by hand", "katkit/t/-/TEST stopped skipped in run r: not started: by hand"}},
		"not one that was carried over": {seen(carried, entry("TEST", 1, v1alpha1.PhaseRunning)), []string{"katkit/t/-/TEST pending running in run r"}},
		"names that GitHub takes for one": {seen(entry("Build", 0, v1alpha1.PhaseRunning), entry("BUILD", 1, v1alpha1.PhaseRunning)),
			[]string{"katkit/t/-/Build pending running in run r", "katkit/t/-/BUILD (2) pending running in run r"}},
		"a long message": {of(seen(says(entry("BUILD", 0, v1alpha1.PhaseFailed), strings.Repeat("ä", 100))), v1alpha1.FailureUser, failed),
			[]string{"katkit/t/-/BUILD failure failed in run r: " + strings.Repeat("ä", 58) + " […]"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(reporting.Desire(c.o).Statuses)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAContextTellsTheFolder(t *testing.T) {
	for folder, want := range map[string]string{
		"":         "katkit/t/-/BUILD",
		"/api/v2/": "katkit/t/api/v2/BUILD",
		"-":        "katkit/t/./-/BUILD",
		"a\u202eb": "katkit/t/a\uFFFDb/BUILD",
	} {
		o := seen(entry("BUILD", 0, v1alpha1.PhaseRunning))
		o.Link.Spec.FolderPath = folder
		got := reporting.Desire(o).Statuses[0].Context
		if got != want {
			t.Errorf("folder %q: %q, want %q", folder, got, want)
		}
	}
	long := strings.Repeat("ä", 127)
	first, second := seen(entry("BUILD", 0, v1alpha1.PhaseRunning)), seen(entry("BUILD", 0, v1alpha1.PhaseRunning))
	first.Link.Spec.FolderPath, second.Link.Spec.FolderPath = long+"1", long+"2"
	a, b := reporting.Desire(first).Statuses[0].Context, reporting.Desire(second).Statuses[0].Context
	if a == b || len(a) > 255 || !utf8.ValidString(a) || !strings.HasSuffix(a, "/BUILD") {
		t.Errorf("long folders have the contexts %q and %q", a, b)
	}
}

func TestARunThatCouldNotBegin(t *testing.T) {
	failed := func(reason string) reporting.Observation {
		o := seen()
		o.Run.Status = v1alpha1.CIRunStatus{State: v1alpha1.RunFailed, Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: reason, Message: "it is broken"}}}
		o.Run.Spec.Commit.SHA = sha
		return o
	}
	unpinned, newer := failed(v1alpha1.ReasonInvalidConfig), failed(v1alpha1.ReasonInvalidConfig)
	unpinned.Run.Spec.Commit = v1alpha1.CommitSelector{Branch: "main"}
	newer.Others = []*v1alpha1.CIRun{newRun("s", now.Add(time.Second), entry("BUILD", 0, v1alpha1.PhasePending))}
	for name, c := range map[string]struct {
		o    reporting.Observation
		want []string
	}{
		"for the author to mend":            {failed(v1alpha1.ReasonInvalidConfig), []string{"katkit/t/-/(config) failure run r could not begin: InvalidConfig: it is broken"}},
		"in time":                           {failed(v1alpha1.ReasonRunTimedOut), []string{"katkit/t/-/(config) error run r could not begin: RunTimedOut: the run took longer than its timeout (kubectl katkit get r -n ns)"}},
		"since the commit is not there":     {failed(v1alpha1.ReasonCommitNotFound), nil},
		"of a commit that nobody knows":     {unpinned, nil},
		"while a newer one of it could":     {newer, nil},
		"since the repository is another's": {failed(v1alpha1.ReasonRepositoryReplaced), nil},
		"since the App is not whole":        {failed(v1alpha1.ReasonCredentialInvalid), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(reporting.Desire(c.o).Statuses)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARunThatCouldBeginSettlesAnEarlierOneThatCouldNot(t *testing.T) {
	desired := reporting.Desire(seen(entry("BUILD", 0, v1alpha1.PhaseRunning)))
	known := reporting.Known{Statuses: map[string]reporting.Status{}}
	if got := lines(reporting.Decide(desired, known).Statuses); len(got) != 1 {
		t.Errorf("without one: %q", got)
	}
	known.Statuses[reporting.Key("katkit/t/-/(config)")] = reporting.Status{Context: "katkit/t/-/(config)", State: reporting.Failure}
	want := []string{"katkit/t/-/BUILD pending running in run r", "katkit/t/-/(config) success run r could begin"}
	if diff := cmp.Diff(want, lines(reporting.Decide(desired, known).Statuses)); diff != "" {
		t.Error(diff)
	}
}

func TestTheNewerRunOfACommitHasTheContexts(t *testing.T) {
	carried := entry("BUILD", 0, v1alpha1.PhaseSucceeded)
	carried.CarriedFrom = "r"
	for name, c := range map[string]struct {
		other *v1alpha1.CIRun
		want  []string
	}{
		"that both have":                     {newRun("s", now.Add(time.Second), entry("build", 0, v1alpha1.PhasePending)), []string{"TEST"}},
		"but for those that it carried over": {newRun("s", now.Add(time.Second), carried, entry("TEST", 1, v1alpha1.PhaseRunning)), []string{"BUILD"}},
		"not the older one":                  {newRun("s", now.Add(-time.Second), entry("BUILD", 0, v1alpha1.PhaseRunning)), []string{"BUILD", "TEST"}},
		"by its name in the same second":     {newRun("s", now, entry("BUILD", 0, v1alpha1.PhaseRunning)), []string{"TEST"}},
		"not by a lesser one":                {newRun("q", now, entry("BUILD", 0, v1alpha1.PhaseRunning)), []string{"BUILD", "TEST"}},
		"not before it began":                {newRun("s", now.Add(time.Second)), []string{"BUILD", "TEST"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := seen(entry("BUILD", 0, v1alpha1.PhaseSucceeded), entry("TEST", 1, v1alpha1.PhaseRunning))
			o.Others = []*v1alpha1.CIRun{o.Run, c.other}
			var got []string
			for _, status := range reporting.Desire(o).Statuses {
				got = append(got, strings.TrimPrefix(status.Context, "katkit/t/-/"))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheDeploymentOfAPhase(t *testing.T) {
	began := func(state v1alpha1.PhaseState) reporting.Observation {
		o := seen(deploying(state))
		o.Phases["r-deploy"] = &v1alpha1.Phase{Status: v1alpha1.PhaseStatus{StartTime: new(metav1.NewTime(now)), FailureClass: v1alpha1.FailureUser}}
		return o
	}
	withEnv, without := seen(deploying(v1alpha1.PhaseRunning)), seen(deploying(v1alpha1.PhaseRunning))
	withEnv.Link.Spec.Env, without.Tenant.Env = "BETA", ""
	for name, c := range map[string]struct {
		o    reporting.Observation
		want string
	}{
		"not before it begins":              {seen(deploying(v1alpha1.PhasePending)), ""},
		"not before it is approved":         {seen(deploying(v1alpha1.PhaseWaitingForApproval)), ""},
		"begins":                            {seen(deploying(v1alpha1.PhaseRunning)), "katkit/t/app DEV in_progress"},
		"to the link's env":                 {withEnv, "katkit/t/app BETA in_progress"},
		"to the tenant, for want of an env": {without, "katkit/t/app t in_progress"},
		"succeeds":                          {seen(deploying(v1alpha1.PhaseSucceeded)), "katkit/t/app DEV success"},
		"fails":                             {began(v1alpha1.PhaseFailed), "katkit/t/app DEV failure"},
		"is cancelled":                      {began(v1alpha1.PhaseCancelled), "katkit/t/app DEV error"},
		"is cancelled before it began":      {seen(deploying(v1alpha1.PhaseCancelled)), "katkit/t/app DEV error if there"},
		"is skipped":                        {seen(deploying(v1alpha1.PhaseSkipped)), "katkit/t/app DEV error if there"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if d := reporting.Desire(c.o).Deployment; d != nil {
				got = strings.Join([]string{d.Task, d.Environment, string(d.State)}, " ")
				if d.OnlyIfThere {
					got += " if there"
				}
				if d.URL != "https://app.example.com" {
					t.Errorf("it leads to %q", d.URL)
				}
				if d.Run != "r" || d.RunUID != "uid-of-r" {
					t.Errorf("it belongs to run %s, %s", d.Run, d.RunUID)
				}
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatIsSentOfADeployment(t *testing.T) {
	running, skipped := reporting.Desire(seen(deploying(v1alpha1.PhaseRunning))), reporting.Desire(seen(deploying(v1alpha1.PhaseSkipped)))
	at := func(state reporting.State, description string) *reporting.Deployed {
		return &reporting.Deployed{ID: 1, Status: &reporting.Status{State: state, Description: description}}
	}
	for name, c := range map[string]struct {
		desired reporting.Desired
		there   *reporting.Deployed
		want    reporting.Plan
	}{
		"first whether it is there": {running, nil, reporting.Plan{Find: true}},
		"then how far it is":        {running, &reporting.Deployed{ID: 1}, reporting.Plan{Look: true}},
		"all of it":                 {running, &reporting.Deployed{}, reporting.Plan{Deploy: true}},
		"its state":                 {running, at("", ""), reporting.Plan{Progress: true}},
		"another state":             {running, at(reporting.Error, "running in run r"), reporting.Plan{Progress: true}},
		"nothing twice":             {running, at(reporting.InProgress, " running in run r"), reporting.Plan{}},
		"nothing that never began":  {skipped, &reporting.Deployed{}, reporting.Plan{}},
		"the end of one that did":   {skipped, at(reporting.InProgress, "running in run r"), reporting.Plan{Progress: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := reporting.Decide(c.desired, reporting.Known{Statuses: map[string]reporting.Status{}, Deployment: c.there})
			got.Statuses = nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNotKnownIsAskedFor(t *testing.T) {
	desired := reporting.Desire(seen(entry("BUILD", 0, v1alpha1.PhaseRunning)))
	if diff := cmp.Diff(reporting.Plan{List: true}, reporting.Decide(desired, reporting.Known{})); diff != "" {
		t.Error(diff)
	}
}
