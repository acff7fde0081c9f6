package reporting_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/reporting"
)

// private is what nobody but the tenant's own people is to read.
const private = "Secret ns/npm, claim go-modules, ServiceAccount tester, Pod web-7f3a on node n1: registry.example.com/private/*"

// tells is what GitHub gets to know of a run, in one text.
func tells(o reporting.Observation) string {
	desired := reporting.Desire(o)
	var texts []string
	for _, status := range desired.Statuses {
		details := reporting.Detail(o, status.Context)
		texts = append(texts, status.Description, details.Summary, details.Text)
	}
	if desired.Deployment != nil {
		texts = append(texts, desired.Deployment.Description)
	}
	return strings.Join(texts, "\n")
}

// endedFor is a run whose phase ended for a reason, and says this about it.
func endedFor(state v1alpha1.PhaseState, reason, message string) reporting.Observation {
	phase := deploying(state)
	phase.Message = message
	o := seen(phase)
	o.Phases[phase.PhaseName] = &v1alpha1.Phase{Status: v1alpha1.PhaseStatus{
		FailureClass: v1alpha1.FailureConfig, Message: message,
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: reason, Message: message}},
		Receipts: []v1alpha1.Receipt{{Role: "web", Kind: "Deployment", Name: "web", Result: v1alpha1.ReceiptRollbackFailed,
			Message: private}},
	}}
	return o
}

// couldNotBegin is a run that failed for a reason before it had phases.
func couldNotBegin(reason, message string) reporting.Observation {
	o := seen()
	o.Run.Status.State = v1alpha1.RunFailed
	o.Run.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
	return o
}

// reasons are the constants of the reasons in a package's files.
func reasons(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	var found []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, isValue := n.(*ast.ValueSpec)
			if !isValue || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
				return true
			}
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if !isLiteral {
				t.Fatalf("%s: %s is no literal", file, spec.Names[0])
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, value)
			return true
		})
	}
	return found
}

// TestEveryReasonIsTold puts each reason that there is in its group; one that is new fails here until somebody has thought about it.
func TestEveryReasonIsTold(t *testing.T) {
	// The message is the author's to read: it is about files of the repository and ci.sh, or about a run that was stopped.
	whole := []string{
		v1alpha1.ReasonNoWorkflow, v1alpha1.ReasonForkNotDeployed, v1alpha1.ReasonInvalidConfig, v1alpha1.ReasonInvalidServiceDescription, v1alpha1.ReasonOutOfMemory,
		string(contract.ReasonCIScriptFailed), string(contract.ReasonCIScriptKilled), string(contract.ReasonNoCIScript), string(contract.ReasonCIScriptInvalid),
		string(contract.ReasonInvalidOutput), string(contract.ReasonInvalidSubmodule),
		v1alpha1.ReasonSucceeded, v1alpha1.ReasonCancelled, v1alpha1.ReasonSuperseded, v1alpha1.ReasonLinkDeleted,
	}
	// No phase fails for it, nor is it why a run could not begin: a link's, an event's, or that of something that goes on.
	never := []string{
		v1alpha1.ReasonReady, v1alpha1.ReasonPending, v1alpha1.ReasonRunning, v1alpha1.ReasonWaitingForApproval, v1alpha1.ReasonQueued, v1alpha1.ReasonReported,
		v1alpha1.ReasonReportRefused, v1alpha1.ReasonSkipped, v1alpha1.ReasonInvalidTrigger, v1alpha1.ReasonRunRefused, v1alpha1.ReasonPhaseFailed,
		v1alpha1.ReasonLogIncomplete, v1alpha1.ReasonRollingBack, v1alpha1.ReasonRolledBack, v1alpha1.ReasonRollbackFailed,
		v1alpha1.ReasonCommentNotAnswered, v1alpha1.ReasonCommentsNotRead, v1alpha1.ReasonRerunNotObeyed, string(contract.ReasonCompleted),
	}
	all := append(reasons(t, "../../../api/v1alpha1/*.go"), reasons(t, "../../contract/report.go")...)
	if len(all) < 90 {
		t.Fatalf("only %d reasons were found", len(all))
	}
	for _, reason := range append(all, "BrandNew") {
		said := tells(endedFor(v1alpha1.PhaseFailed, reason, private))
		switch message, kind := strings.Contains(said, private), strings.Contains(said, "```text\n"+reason+": "); {
		case slices.Contains(whole, reason):
			if !message {
				t.Errorf("%s: the author does not get to know what is wrong:\n%s", reason, said)
			}
		case message:
			t.Errorf("%s: the world gets to know what it should not:\n%s", reason, said)
		case !kind && !slices.Contains(never, reason) && reason != "BrandNew":
			t.Errorf("%s: say in told.go what it is about, or that its message may be told:\n%s", reason, said)
		case !strings.Contains(said, reason) || strings.Count(said, "kubectl katkit get r -n ns") < 2:
			t.Errorf("%s: neither status nor check run tell it, and where there is more:\n%s", reason, said)
		}
		said = tells(couldNotBegin(reason, private))
		if strings.Contains(said, private) != slices.Contains(whole, reason) && said != "" {
			t.Errorf("%s, of a run that could not begin:\n%s", reason, said)
		}
	}
}

func TestWhatIsNotToldOfPhasesThatDidNotFail(t *testing.T) {
	gone := seen(says(entry("BUILD", 0, v1alpha1.PhaseFailed), private))
	stopped := endedFor(v1alpha1.PhaseCancelled, v1alpha1.ReasonSuperseded, "run s of a newer commit takes its place. rollback failed: "+private)
	stopped.Run.Status.Stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonSuperseded, Message: "run s of a newer commit takes its place"}
	for name, c := range map[string]struct {
		o    reporting.Observation
		want string
	}{
		"what it waits for":                  {endedFor(v1alpha1.PhaseRunning, v1alpha1.ReasonRunning, private), "running in run r"},
		"by which command it is approved":    {endedFor(v1alpha1.PhaseWaitingForApproval, v1alpha1.ReasonWaitingForApproval, private), "kubectl katkit approve r DEPLOY -n ns"},
		"how its services were brought back": {stopped, "cancelled in run r: run s of a newer commit takes its place"},
		"by whose deletion it was cancelled": {endedFor(v1alpha1.PhaseCancelled, v1alpha1.ReasonCancelled, private), "cancelled in run r"},
		"of one that is gone":                {gone, "failed in run r (kubectl katkit get r -n ns)"},
	} {
		if said := tells(c.o); strings.Contains(said, private) || !strings.Contains(said, c.want) {
			t.Errorf("%s: GitHub is told\n%s", name, said)
		}
	}
}

// The description of a status has the command in it whole where there is any room for it, if need be without the kind.
func TestTheCommandFitsIntoAStatus(t *testing.T) {
	for length := 1; length <= 34; length++ {
		o := endedFor(v1alpha1.PhaseFailed, v1alpha1.ReasonEnvSourceMissing, private)
		o.Run.Name, o.Run.Namespace = strings.Repeat("r", length), "d-taskrunner"
		status := reporting.Desire(o).Statuses[0]
		if want := "kubectl katkit get " + o.Run.Name + " -n d-taskrunner)"; !strings.HasSuffix(status.Description, want) || len(status.Description) > 140 {
			t.Errorf("%q (%d bytes)", status.Description, len(status.Description))
		}
	}
}
