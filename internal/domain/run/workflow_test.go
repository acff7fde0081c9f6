package run_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

func file(path, content string) run.File {
	return run.File{Path: path, Found: content != "", Content: []byte(content)}
}

func TestChooseWorkflow(t *testing.T) {
	const config = `[{"EnvName":"dev","LocalFleet":"true","WorkFlow":[
		{"Name":"DEPLOY","PhaseType":1,"Order":1,"IsPhaseAutomated":false},
		{"Name":"BUILD","PhaseType":"4","Order":0,"BuildParams":"A=1, B=x=y","Parallelism":2,"FailFast":"false","ContinerImage":"acme/b:1","AllocationTags":"gpu"}]}]`
	fromFile := []v1alpha1.PhaseTemplate{
		{Name: "BUILD", Type: v1alpha1.PhaseExecution, Order: 0, Parallelism: 2, Image: "acme/b:1", AllocationTag: "gpu", Approval: v1alpha1.ApprovalAutomatic, FailFast: new(false),
			Params: []v1alpha1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "x=y"}}},
		{Name: "DEPLOY", Type: v1alpha1.PhaseDeployment, Order: 1, Parallelism: 1, Approval: v1alpha1.ApprovalManual},
	}
	unordered := []v1alpha1.PhaseTemplate{template("LATE", 9, v1alpha1.PhaseExecution), template("EARLY", 1, v1alpha1.PhaseExecution), template("ALSO", 1, v1alpha1.PhaseExecution)}
	ordered := []v1alpha1.PhaseTemplate{unordered[1], unordered[2], unordered[0]}
	for name, c := range map[string]struct {
		run, link []v1alpha1.PhaseTemplate
		env       string
		files     []run.File
		home      bool
		want      run.Workflow
		reason    string
		message   string
	}{
		"the repository's file": {link: unordered, env: "DEV", files: []run.File{file("katkitconfig.js", config)},
			want: run.Workflow{Source: "katkitconfig.js (entry dev)", LocalFleet: true, Phases: fromFile}},
		"the folder's file before the root's": {env: "DEV", files: []run.File{file("api/katkitconfig.js", config), file("katkitconfig.js", "broken")},
			want: run.Workflow{Source: "api/katkitconfig.js (entry dev)", LocalFleet: true, Phases: fromFile}},
		"the root's where the folder has none": {env: "DEV", files: []run.File{file("api/katkitconfig.js", ""), file("katkitconfig.js", config)},
			want: run.Workflow{Source: "katkitconfig.js (entry dev)", LocalFleet: true, Phases: fromFile}},
		"the run's own, before all, in ascending order": {run: unordered, link: fromFile, files: []run.File{file("katkitconfig.js", "broken")},
			want: run.Workflow{Source: "the run's spec.phases", Phases: ordered}},
		"the link's where there is no file": {link: unordered, files: []run.File{file("katkitconfig.js", "")},
			want: run.Workflow{Source: "spec.phases of TenantRepoLink taskrunner", Phases: ordered}},
		"a broken file is not skipped for the link's": {link: unordered, env: "DEV", files: []run.File{file("katkitconfig.js", "[\n{")},
			reason: v1alpha1.ReasonInvalidConfig, message: "katkitconfig.js:2:"},
		"an empty file is not a missing one": {link: unordered, files: []run.File{{Path: "katkitconfig.js", Found: true}},
			reason: v1alpha1.ReasonInvalidConfig, message: "katkitconfig.js:1:1"},
		"no entry for the env": {env: "PROD", files: []run.File{file("katkitconfig.js", config)},
			reason: v1alpha1.ReasonInvalidConfig, message: `no entry has EnvName "PROD" or "default"`},
		"the home branch's": {home: true, env: "DEV", files: []run.File{file("katkitconfig.js", config)},
			want: run.Workflow{Source: "katkitconfig.js (entry dev) of branch main", LocalFleet: true, Phases: fromFile}},
		"nothing on the home branch": {home: true, files: []run.File{file("katkitconfig.js", "")},
			reason: v1alpha1.ReasonNoWorkflow, message: "branch main, which counts for pull requests, has no katkitconfig.js"},
		"nothing at all": {files: []run.File{file("katkitconfig.js", "")},
			reason: v1alpha1.ReasonNoWorkflow, message: "neither the run nor TenantRepoLink taskrunner has spec.phases"},
		"two phases that would be one Phase": {link: []v1alpha1.PhaseTemplate{template("unit test", 0, v1alpha1.PhaseExecution), template("UNIT_TEST", 0, v1alpha1.PhaseExecution)},
			reason: v1alpha1.ReasonInvalidConfig, message: `spec.phases of TenantRepoLink taskrunner: the names "unit test" and "UNIT_TEST" of order 0`},
		"the same in a run": {run: []v1alpha1.PhaseTemplate{template("a.b", 3, v1alpha1.PhaseExecution), template("a-b", 3, v1alpha1.PhaseExecution)},
			reason: v1alpha1.ReasonInvalidConfig, message: "the run's spec.phases"},
		"the same name in another order is another Phase": {run: []v1alpha1.PhaseTemplate{template("a.b", 0, v1alpha1.PhaseExecution), template("a-b", 3, v1alpha1.PhaseExecution)},
			want: run.Workflow{Source: "the run's spec.phases", Phases: []v1alpha1.PhaseTemplate{template("a.b", 0, v1alpha1.PhaseExecution), template("a-b", 3, v1alpha1.PhaseExecution)}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, link := newRun(), newLink()
			r.Spec.Phases, link.Spec.Phases = c.run, c.link
			asked := run.Ask(r, nil)
			asked.HomeConfig = c.home
			got, cause := run.ChooseWorkflow(asked, link, c.env, c.files)
			if c.reason != "" {
				if cause == nil || cause.Reason != c.reason || cause.Transient || !strings.Contains(cause.Message, c.message) {
					t.Errorf("got %+v, %v", got, cause)
				}
				return
			}
			if cause != nil {
				t.Fatal(cause)
			}
			got.Warnings = nil // those are workflow's
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if unordered[0].Name != "LATE" {
		t.Error("the phases of the object were sorted in place")
	}
}

func TestWhereFilesAreLookedUp(t *testing.T) {
	for folder, want := range map[string][]string{
		"":         {"katkitconfig.js", "servicedescription/servicedescription.js"},
		"services": {"services/katkitconfig.js", "katkitconfig.js", "services/servicedescription/servicedescription.js"},
	} {
		if diff := cmp.Diff(want, append(run.ConfigPaths(folder), run.DescriptionPath(folder))); diff != "" {
			t.Errorf("folder %q (-want +got)\n%s", folder, diff)
		}
	}
}

func TestServices(t *testing.T) {
	const path = "servicedescription/servicedescription.js"
	for name, c := range map[string]struct {
		content string
		want    []v1alpha1.ServiceImage
		warned  bool
		message string
	}{
		"roles with the token": {content: `{"Roles":[{"Name":"api","DockerImage":"acme/any:api_<hubtag>"},{"Name":"redis","DockerImage":"redis:7"}]}`,
			want: []v1alpha1.ServiceImage{{Role: "api", Image: "acme/any:api_" + sha}}},
		"what the live service keeps is warned of": {content: `{"Roles":[{"Name":"api","DockerImage":"acme/api:<hubtag>","Replicas":3}]}`,
			want: []v1alpha1.ServiceImage{{Role: "api", Image: "acme/api:" + sha}}, warned: true},
		"no file":            {message: "the commit has no " + path},
		"a broken file":      {content: "{\n\"Roles\": 7}", message: path + ":2:"},
		"no role to upgrade": {content: `{"Roles":[{"Name":"redis","DockerImage":"redis:7"}]}`, message: "nothing to deploy"},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, cause := run.Services(file(path, c.content), sha)
			if c.message != "" {
				if cause == nil || cause.Reason != v1alpha1.ReasonInvalidServiceDescription || !strings.Contains(cause.Message, c.message) {
					t.Errorf("got %v, %v", got, cause)
				}
				return
			}
			if cause != nil {
				t.Fatal(cause)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || (len(warnings) > 0) != c.warned {
				t.Errorf("warnings %v (-want +got)\n%s", warnings, diff)
			}
		})
	}
}

func TestDeploys(t *testing.T) {
	if (run.Workflow{}).Deploys() || (run.Workflow{Phases: threePhases()[:1]}).Deploys() || !(run.Workflow{Phases: threePhases()}).Deploys() {
		t.Error("a workflow deploys when it has a deployment phase, and only then")
	}
}
