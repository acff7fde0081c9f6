package run_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

func TestSelect(t *testing.T) {
	for name, c := range map[string]struct {
		names   []string
		fork    bool
		pull    int32
		phases  []v1alpha1.PhaseTemplate
		want    []string
		warning string
		reason  string
		message string
	}{
		"all where none is named":              {want: []string{"PRE_DEPLOY_BUILD", "DEPLOY", "POST_DEPLOY_VERIFICATION"}},
		"those named, in the workflow's order": {names: []string{"POST_DEPLOY_VERIFICATION", "PRE_DEPLOY_BUILD"}, want: []string{"PRE_DEPLOY_BUILD", "POST_DEPLOY_VERIFICATION"}},
		"a fork's commit is not deployed": {fork: true, want: []string{"PRE_DEPLOY_BUILD", "POST_DEPLOY_VERIFICATION"},
			warning: "phase DEPLOY is left out"},
		"a fork's pull request is to be merged": {fork: true, pull: 4, want: []string{"PRE_DEPLOY_BUILD", "POST_DEPLOY_VERIFICATION"},
			warning: "since a fork's commit is not deployed: merge the pull request first"},
		"what is not known to be the repository's own tells what to do": {fork: true, want: []string{"PRE_DEPLOY_BUILD", "POST_DEPLOY_VERIFICATION"},
			warning: "name the branch beside the sha, in a new run"},
		"a fork that asks for nothing that deploys": {fork: true, names: []string{"PRE_DEPLOY_BUILD"}, want: []string{"PRE_DEPLOY_BUILD"}},
		"a fork's deployment by name": {fork: true, names: []string{"DEPLOY"},
			reason: v1alpha1.ReasonForkNotDeployed, message: "nothing is left to run: phase DEPLOY is left out"},
		"a fork's workflow that only deploys": {fork: true, pull: 4, phases: []v1alpha1.PhaseTemplate{template("DEPLOY", 0, v1alpha1.PhaseDeployment)},
			reason: v1alpha1.ReasonForkNotDeployed, message: "merge the pull request first"},
		"a name that is not there": {names: []string{"PRE_DEPLOY_BUILD", "pre_deploy_build", "LINT"},
			reason: v1alpha1.ReasonInvalidConfig, message: "has pre_deploy_build, LINT, which the workflow of katkitconfig.js has not: it has PRE_DEPLOY_BUILD, DEPLOY, POST_DEPLOY_VERIFICATION"},
	} {
		t.Run(name, func(t *testing.T) {
			phases := c.phases
			if phases == nil {
				phases = threePhases()
			}
			got, cause := run.Select(run.Request{PhaseNames: c.names}, run.Commit{Fork: c.fork, PullRequest: c.pull}, run.Workflow{Source: "katkitconfig.js", Phases: phases})
			if c.reason != "" {
				if cause == nil || cause.Transient || cause.Reason != c.reason || !strings.Contains(cause.Message, c.message) {
					t.Fatalf("got %+v, %v", got, cause)
				}
				return
			}
			if cause != nil {
				t.Fatal(cause)
			}
			var names []string
			for _, phase := range got.Phases {
				names = append(names, phase.Name)
			}
			if diff := cmp.Diff(c.want, names); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if warnings := strings.Join(got.Warnings, "\n"); (c.warning == "") != (warnings == "") || !strings.Contains(warnings, c.warning) {
				t.Errorf("warnings %q, want %q", warnings, c.warning)
			}
		})
	}
}
