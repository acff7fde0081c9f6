package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"katkit.dev/katkit/internal/domain/workflow"
)

// entry is a file of one env with these members in its only phase.
func entry(members string) string {
	return `[{"EnvName": "default", "WorkFlow": [{` + members + `}]}]`
}

// phase is what `"Name": "a", "PhaseType": 4, "Order": 0` and nothing else gives.
func phase(change func(*workflow.Phase)) workflow.Phase {
	p := workflow.Phase{Name: "a", Type: workflow.Execution, Parallelism: 1, Automated: true, FailFast: true}
	change(&p)
	return p
}

func TestPhaseFields(t *testing.T) {
	const base = `"Name": "a", "PhaseType": 4, "Order": 0`
	tests := map[string]struct {
		members string
		want    workflow.Phase
	}{
		"only what is needed":                  {base, phase(func(*workflow.Phase) {})},
		"a deployment by number":               {`"Name": "a", "PhaseType": 1, "Order": 0`, phase(func(p *workflow.Phase) { p.Type = workflow.Deployment })},
		"numbers and booleans as strings":      {`"Name": "a", "PhaseType": "4", "Order": "12", "Parallelism": "3", "IsPhaseAutomated": "False"`, phase(func(p *workflow.Phase) { p.Order, p.Parallelism, p.Automated = 12, 3, false })},
		"replicas that do not stop each other": {base + `, "FailFast": false`, phase(func(p *workflow.Phase) { p.FailFast = false })},
		"a string for it, in any letter case":  {base + `, "FailFast": "FALSE"`, phase(func(p *workflow.Phase) { p.FailFast = false })},
		"what is so by itself":                 {base + `, "FailFast": "true"`, phase(func(*workflow.Phase) {})},
		"a name with spaces around it":         {`"Name": " a\t", "PhaseType": 4, "Order": 0`, phase(func(*workflow.Phase) {})},
		"a number for a name":                  {`"Name": 7, "PhaseType": 4, "Order": 0`, phase(func(p *workflow.Phase) { p.Name = "7" })},
		"an image":                             {base + `, "ContainerImage": "duplocloud/zbuilder:v7"`, phase(func(p *workflow.Phase) { p.Image = "duplocloud/zbuilder:v7" })},
		"the manual's misspelling":             {base + `, "ContinerImage": "localhost:5000/a/b@sha256:` + strings.Repeat("0", 64) + `"`, phase(func(p *workflow.Phase) { p.Image = "localhost:5000/a/b@sha256:" + strings.Repeat("0", 64) })},
		"nulls":                                {base + `, "ContainerImage": null, "BuildParams": null, "Parallelism": null, "IsPhaseAutomated": null, "FailFast": null, "AllocationTags": null`, phase(func(*workflow.Phase) {})},
		"empty strings":                        {base + `, "ContainerImage": "", "BuildParams": "", "Parallelism": "", "IsPhaseAutomated": "", "FailFast": "", "AllocationTags": ""`, phase(func(*workflow.Phase) {})},
		"an allocation tag":                    {base + `, "AllocationTags": "build-1.x_y"`, phase(func(p *workflow.Phase) { p.AllocationTag = "build-1.x_y" })},
		"variables": {base + `, "BuildParams": "PHASE=X,  FOO = a=b ,,URL=http://h/?q=1, _E=, N=a b, Q==q"`, phase(func(p *workflow.Phase) {
			p.Params = []workflow.Param{{Name: "PHASE", Value: "X"}, {Name: "FOO", Value: "a=b"}, {Name: "URL", Value: "http://h/?q=1"}, {Name: "_E"}, {Name: "N", Value: "a b"}, {Name: "Q", Value: "=q"}}
		})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, problems, found := workflow.Parse("katkitconfig.js", []byte(entry(tt.members))).ForEnv("default")
			if !found || len(problems) > 0 {
				t.Fatalf("found %t, problems %v", found, problems)
			}
			if diff := cmp.Diff([]workflow.Phase{tt.want}, w.Phases, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheLastValueOfAVariableCounts(t *testing.T) {
	file := workflow.Parse("katkitconfig.js", []byte(entry(`"Name": "a", "PhaseType": 4, "Order": 0, "BuildParams": "A=1, B=2, A=3"`)))
	w, problems, _ := file.ForEnv("default")
	want := []workflow.Param{{Name: "A", Value: "3"}, {Name: "B", Value: "2"}}
	if diff := cmp.Diff(want, w.Phases[0].Params); diff != "" || problems.HasErrors() || len(problems) != 1 {
		t.Errorf("problems %v, params (-want +got):\n%s", problems, diff)
	}
}

func TestForEnvPicksTheEntry(t *testing.T) {
	const content = `[
		{"EnvName": "Default", "LocalFleet": "TRUE", "WorkFlow": [{"Name": "d", "PhaseType": 4, "Order": 0}]},
		{"EnvName": "bEtA", "LocalFleet": false, "WorkFlow": [{"Name": "b", "PhaseType": 4, "Order": 0}]}]`
	tests := map[string]struct {
		content, env string
		want         string // EnvName and LocalFleet of the entry
	}{
		"the env's own, ignoring case":           {content, "BETA", "bEtA false"},
		"spaces around the env do not count":     {content, " beta ", "bEtA false"},
		"default where the env has none":         {content, "prod", "Default true"},
		"default for a tenant without an env":    {content, "", "Default true"},
		"none where there is neither":            {`[{"EnvName": "beta", "WorkFlow": [{"Name": "b", "PhaseType": 4, "Order": 0}]}]`, "prod", "none"},
		"the own entry need not stand first":     {content, "DEFAULT", "Default true"},
		"letters beyond ASCII are folded as one": {`[{"EnvName": "GRÜN", "WorkFlow": [{"Name": "b", "PhaseType": 4, "Order": 0}]}]`, "grün", "GRÜN false"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, problems, found := workflow.Parse("katkitconfig.js", []byte(tt.content)).ForEnv(tt.env)
			got := "none"
			if found {
				got = fmt.Sprint(w.EnvName, " ", w.LocalFleet)
			}
			if got != tt.want || len(problems) > 0 {
				t.Errorf("ForEnv(%q) = %s with %v, want %s", tt.env, got, problems, tt.want)
			}
		})
	}
}

func TestPhasesAreSortedByOrder(t *testing.T) {
	names := func(content string) string {
		w, problems, _ := workflow.Parse("katkitconfig.js", []byte(content)).ForEnv("default")
		got := problems.Errors().Error()
		for _, p := range w.Phases {
			got += fmt.Sprintf("%s:%d ", p.Name, p.Order)
		}
		return got
	}
	tests := map[string]struct{ content, want string }{
		"whatever the order written": {`[{"EnvName": "default", "WorkFlow": [
			{"Name": "c", "PhaseType": 4, "Order": 10}, {"Name": "a", "PhaseType": 4, "Order": 2}, {"Name": "b", "PhaseType": 4, "Order": "9"}]}]`,
			"a:2 b:9 c:10 "},
		"equal orders as written": {`[{"EnvName": "default", "WorkFlow": [
			{"Name": "z", "PhaseType": 4, "Order": 1}, {"Name": "first", "PhaseType": 1, "Order": 0}, {"Name": "a", "PhaseType": 4, "Order": 1}]}]`,
			"first:0 z:1 a:1 "},
		"names that differ in punctuation alone, apart": {`[{"EnvName": "default", "WorkFlow": [
			{"Name": "a b", "PhaseType": 4, "Order": 1}, {"Name": "a-b", "PhaseType": 4, "Order": 2}]}]`,
			"a b:1 a-b:2 "},
		"no order is left for the last": {`[{"EnvName": "default", "WorkFlow": [
			{"Name": "a", "PhaseType": 4, "Order": 9999}, {"Name": "b", "PhaseType": 4}]}]`,
			"katkitconfig.js:2:50: error: this phase has no Order, and none is left after the one written before it, at most 9999: number the phases" +
				"a:9999 b:9999 "},
		"one after the other where none is given": {`[{"EnvName": "default", "WorkFlow": [
			{"Name": "z", "PhaseType": 4}, {"Name": "y", "PhaseType": 1}, {"Name": "x", "PhaseType": 4}]}]`,
			"z:0 y:1 x:2 "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := names(tt.content); got != tt.want {
				t.Errorf("phases are %q, want %q", got, tt.want)
			}
		})
	}
}

func TestManyEqualOrdersStandAsWritten(t *testing.T) {
	var phases, want, second []string
	for i := range workflow.MaxPhases {
		name := fmt.Sprintf("p%d", (i*37)%workflow.MaxPhases)
		order := (i * i / 3) % 2
		phases = append(phases, fmt.Sprintf(`{"Name": %q, "PhaseType": 4, "Order": %d}`, name, order))
		if order == 0 {
			want = append(want, name)
		} else {
			second = append(second, name)
		}
	}
	want = append(want, second...)
	w, _, _ := workflow.Parse("katkitconfig.js", []byte(`[{"EnvName": "default", "WorkFlow": [`+strings.Join(phases, ",")+`]}]`)).ForEnv("")
	var got []string
	for _, p := range w.Phases {
		got = append(got, p.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

func TestProblemsOfAnotherEnvDoNotStopThisOne(t *testing.T) {
	const content = `[
		{"EnvName": "dev", "WorkFlow": [{"Name": "a", "PhaseType": 3, "Order": 0}]},
		{"EnvName": "prod", "WorkFlow": [{"Name": "a", "PhaseType": 4, "Order": 0, "Cloud": 2}]},
		{"EnvName": "Twice", "WorkFlow": [{"Name": "a", "PhaseType": 4, "Order": 0}]},
		{"EnvName": "tWICE", "WorkFlow": [{"Name": "a", "PhaseType": 4, "Order": 0}]}]`
	file := workflow.Parse("katkitconfig.js", []byte(content))
	for env, want := range map[string]string{
		"dev":   "1 errors, 0 warnings",
		"prod":  "0 errors, 1 warnings",
		"twice": "1 errors, 0 warnings",
	} {
		_, problems, _ := file.ForEnv(env)
		if got := fmt.Sprintf("%d errors, %d warnings", len(problems.Errors()), len(problems.Warnings())); got != want {
			t.Errorf("%s has %s (%v), want %s", env, got, problems, want)
		}
	}
	if got := len(file.Diagnostics()); got != 3 {
		t.Errorf("the file has %d problems, want 3: %v", got, file.Diagnostics())
	}

	broken := workflow.Parse("katkitconfig.js", []byte(content[:len(content)-1]))
	if _, problems, found := broken.ForEnv("prod"); found || !problems.HasErrors() {
		t.Errorf("a file that ends early: found %t, problems %v, want an error for every env", found, problems)
	}
	nameless := workflow.Parse("katkitconfig.js", []byte(strings.Replace(content, `"EnvName": "dev"`, `"Env": "dev"`, 1)))
	if _, problems, _ := nameless.ForEnv("prod"); !problems.HasErrors() {
		t.Error("an entry that may be any env's gave prod no error")
	}
}

func TestMissingEnv(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"names the entries": {`[{"EnvName": "dev"}, {"EnvName": "beta"}]`,
			`f.js:1:1: error: no entry has EnvName "PROD" or "default": add one; it has "dev", "beta"`},
		"says that there is none": {`[]`,
			`f.js:1:1: error: no entry has EnvName "PROD" or "default": add one; it has no entry at all`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := workflow.Parse("f.js", []byte(tt.content)).MissingEnv("PROD").String()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("MissingEnv() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	repeat := func(n int, format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(parts, ", ")
	}
	file := func(envs, phases, params int) string {
		list := repeat(phases, `{"Name": "p%d", "PhaseType": 4, "Order": 0, "BuildParams": "@"}`)
		list = strings.ReplaceAll(list, "@", repeat(params, "V%d=x"))
		return "[" + repeat(envs, `{"EnvName": "e%d", "WorkFlow": [`+strings.ReplaceAll(list, "%", "%%")+`]}`) + "]"
	}
	tests := map[string]struct{ content, want string }{
		"as many envs as allowed":      {file(100, 1, 1), ""},
		"too many envs":                {file(101, 1, 1), "the file has 101 environments, at most 100 are allowed"},
		"as many phases as allowed":    {file(1, 64, 1), ""},
		"too many phases":              {file(1, 65, 1), "WorkFlow has 65 phases, at most 64 are allowed"},
		"as many variables as allowed": {file(1, 1, 100), ""},
		"too many variables":           {file(1, 1, 101), "BuildParams sets more than 100 variables"},
		"a name of 63 characters":      {entry(`"Name": "` + strings.Repeat("ü", 63) + `", "PhaseType": 4, "Order": 9999, "Parallelism": 64`), ""},
		"a value of 32 KiB":            {entry(`"Name": "a", "PhaseType": 4, "Order": 0, "BuildParams": "A=` + strings.Repeat("x", 32<<10) + `"`), ""},
		"a value of more":              {entry(`"Name": "a", "PhaseType": 4, "Order": 0, "BuildParams": "A=` + strings.Repeat("x", 32<<10+1) + `"`), "BuildParams: a value may have 32768 bytes at most"},
		"an image of 512 bytes":        {entry(`"Name": "a", "PhaseType": 4, "Order": 0, "ContainerImage": "` + strings.Repeat("a.", 200) + strings.Repeat("b", 11) + "/" + strings.Repeat("c", 100) + `"`), ""},
		"an image of 513 bytes":        {entry(`"Name": "a", "PhaseType": 4, "Order": 0, "ContainerImage": "` + strings.Repeat("a.", 200) + strings.Repeat("b", 12) + "/" + strings.Repeat("c", 100) + `"`), "ContainerImage may have 512 bytes at most"},
		"a name of 64 characters":      {entry(`"Name": "` + strings.Repeat("ü", 64) + `", "PhaseType": 4, "Order": 0`), "Name has more than 63 characters"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			problems := workflow.Parse("katkitconfig.js", []byte(tt.content)).Diagnostics()
			if tt.want == "" && len(problems) > 0 || tt.want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].Message, tt.want)) {
				t.Errorf("said %v, want %q", problems, tt.want)
			}
		})
	}
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"PRE_DEPLOY_BUILD":               "pre-deploy-build",
		"  a -- b  ":                     "a-b",
		"Größe 1":                        "gr-e-1",
		"сборка":                         "phase",
		"!":                              "phase",
		strings.Repeat("a", 50):          strings.Repeat("a", 40),
		strings.Repeat("a", 39) + " bcd": strings.Repeat("a", 39),
	} {
		if got := workflow.Slug(name); got != want {
			t.Errorf("Slug(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCheckParamName(t *testing.T) {
	for name, allowed := range map[string]bool{
		"PHASE": true, "foo_1": true, "_": true, "PATHS": true, "GIT": true, "LDFLAGS": true, "KATKITX": true, "path": true,
		"KATKIT_FETCH_DEPTH": true, "KATKIT_SUBMODULES": true, "KATKIT_LFS": true,
		"PATH": false, "GIT_SHA": false, "LD_PRELOAD": false, "KATKIT_RUN": false,
		"": false, "1A": false, "A-B": false, "A B": false, "Ü": false, "A\x00": false, strings.Repeat("A", 256): false,
	} {
		if err := workflow.CheckParamName(name); (err == nil) != allowed {
			t.Errorf("CheckParamName(%q) = %v, want allowed %t", name, err, allowed)
		}
	}
}

func TestVariablesOfTheCheckout(t *testing.T) {
	parse := func(params string) (workflow.Workflow, bool) {
		file := workflow.Parse("katkitconfig.js", []byte(`[{"EnvName": "DEV", "WorkFlow": [{"Name": "B", "PhaseType": 4, "BuildParams": "`+params+`"}]}]`))
		chosen, problems, _ := file.ForEnv("DEV")
		return chosen, problems.HasErrors()
	}
	if chosen, failed := parse("KATKIT_FETCH_DEPTH=0, KATKIT_SUBMODULES=recursive"); failed || len(chosen.Phases[0].Params) != 2 {
		t.Errorf("%+v", chosen)
	}
	if _, failed := parse("KATKIT_FETCH_DEPTH=all"); !failed {
		t.Error("a depth of all is taken")
	}
}
