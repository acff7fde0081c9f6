package workflow_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/domain/jsonfile"
	"katkit.dev/katkit/internal/domain/workflow"
)

// renderer writes workflows as their authors might: numbers as strings or not,
// comments, trailing commas, any white space.
type renderer struct{ *rand.Rand }

func (r renderer) pick(choices ...string) string { return choices[r.IntN(len(choices))] }

func (r renderer) space() string {
	return r.pick("", "", " ", "\n", "\r\n", "\t", " \t ", "// no [\n", "/* no \" */")
}

// scalar writes a number or a boolean, in quotes or not.
func (r renderer) scalar(v any) string { return r.pick("%v", `"%v"`) }

func (r renderer) members(open, end string, members []string) string {
	var b strings.Builder
	b.WriteString(r.space() + open)
	for i, m := range members {
		b.WriteString(r.space() + m + r.space())
		if i < len(members)-1 || r.IntN(3) == 0 {
			b.WriteString(",")
		}
	}
	b.WriteString(r.space() + end)
	return b.String()
}

func (r renderer) member(name, value string) string {
	return `"` + name + `"` + r.space() + ":" + r.space() + value
}

func (r renderer) quote(s string) string { return string(hujson.String(s)) }

func (r renderer) phase(p workflow.Phase) string {
	var params []string
	for _, v := range p.Params {
		params = append(params, r.pick("", " ")+v.Name+r.pick("", " ")+"="+v.Value+r.pick("", " "))
	}
	types := map[workflow.PhaseType]int{workflow.Execution: 4, workflow.Deployment: 1}
	members := []string{
		r.member("Name", r.quote(p.Name)),
		r.member("PhaseType", fmt.Sprintf(r.scalar(0), types[p.Type])),
		r.member("Order", fmt.Sprintf(r.scalar(0), p.Order)),
		r.member("BuildParams", r.quote(strings.Join(params, r.pick(",", ", ", ",,")))),
	}
	if p.Parallelism != 1 || r.IntN(2) == 0 {
		members = append(members, r.member("Parallelism", fmt.Sprintf(r.scalar(0), p.Parallelism)))
	}
	if !p.Automated || r.IntN(2) == 0 {
		members = append(members, r.member("IsPhaseAutomated", fmt.Sprintf(r.scalar(0), p.Automated)))
	}
	if !p.FailFast || p.Type == workflow.Execution && r.IntN(2) == 0 {
		members = append(members, r.member("FailFast", fmt.Sprintf(r.scalar(0), p.FailFast)))
	}
	if p.Image != "" {
		members = append(members, r.member(r.pick("ContainerImage", "ContinerImage"), r.quote(p.Image)))
	}
	if p.AllocationTag != "" {
		members = append(members, r.member("AllocationTags", r.quote(p.AllocationTag)))
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return r.members("{", "}", members)
}

func (r renderer) file(workflows []workflow.Workflow) []byte {
	var entries []string
	for _, w := range workflows {
		var phases []string
		for _, p := range w.Phases {
			phases = append(phases, r.phase(p))
		}
		entries = append(entries, r.members("{", "}", []string{
			r.member("EnvName", r.quote(w.EnvName)),
			r.member("LocalFleet", fmt.Sprintf(r.scalar(0), w.LocalFleet)),
			r.member("WorkFlow", r.members("[", "]", phases)),
		}))
	}
	return []byte(r.pick("", "\ufeff") + r.members("[", "]", entries) + r.pick("", "// end"))
}

// workflow makes one that a file can say.
func (r renderer) workflow(name string) workflow.Workflow {
	w := workflow.Workflow{EnvName: name, LocalFleet: r.IntN(2) == 0}
	deployment := r.IntN(8)
	for i := range 1 + r.IntN(8) {
		p := workflow.Phase{
			Name:        fmt.Sprintf("%s %d", r.pick("build", "Größe", `quote " \`, "сборка", "a=b"), i),
			Type:        workflow.Execution,
			Order:       int32(r.IntN(4)) * 3333,
			Parallelism: 1,
			Automated:   r.IntN(4) > 0,
			FailFast:    true,
		}
		for v := range r.IntN(4) {
			p.Params = append(p.Params, workflow.Param{
				Name:  fmt.Sprintf("%s%d", r.pick("A", "foo_", "_"), v),
				Value: r.pick("", "x", "a=b", "two words", `"quoted"`, `back\slash`, "größe", "[{", "//"),
			})
		}
		if i == deployment {
			p.Type = workflow.Deployment
		} else {
			p.Parallelism = int32(1 + r.IntN(64))
			p.FailFast = r.IntN(3) > 0
			p.Image = r.pick("", "busybox", "localhost:5000/a/b:c", "example/builder:v1")
			p.AllocationTag = r.pick("", "build", "A-1.b_c")
		}
		w.Phases = append(w.Phases, p)
	}
	slices.SortStableFunc(w.Phases, func(a, b workflow.Phase) int { return int(a.Order - b.Order) })
	return w
}

func TestParseOfRenderedIsTheSame(t *testing.T) {
	for seed := range uint64(500) {
		r := renderer{rand.New(rand.NewPCG(seed, 1))}
		var want []workflow.Workflow
		for _, name := range []string{"default", "DEV", "größe", "p r o d"}[:1+r.IntN(4)] {
			want = append(want, r.workflow(name))
		}
		content := r.file(want)
		file := workflow.Parse("katkitconfig.js", content)
		if problems := file.Diagnostics(); len(problems) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, problems, content)
		}
		for _, w := range want {
			got, _, _ := file.ForEnv(strings.ToUpper(w.EnvName))
			if diff := cmp.Diff(w, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d, %s (-want +got):\n%s\n%s", seed, w.EnvName, diff, content)
			}
		}
	}
}

func TestHostileFilesTakeBoundedMemory(t *testing.T) {
	fill := func(head, body, tail string) string {
		return head + strings.Repeat(body, (jsonfile.MaxBytes-len(head)-len(tail))/len(body)) + tail
	}
	for name, content := range map[string]string{
		"as many values as allowed":  "[" + strings.Repeat(`{"a":0},`, jsonfile.MaxValues/4) + "]",
		"entries without end":        fill("[", `{"EnvName":"abcdefghijklmnop"},`, "]"),
		"unknown fields":             "[" + strings.Repeat("{"+strings.Repeat(`"a":0,`, 150)+`"EnvName":"`+strings.Repeat("x", 100)+`"},`, 100) + "]",
		"bad variables":              fill(`[{"EnvName":"a","WorkFlow":[{"Name":"a","PhaseType":4,"Order":0,"BuildParams":"`, "b,", `"}]}]`),
		"the same variable":          fill(`[{"EnvName":"a","WorkFlow":[{"Name":"a","PhaseType":4,"Order":0,"BuildParams":"`, "A=1,", `"}]}]`),
		"a name as long as the file": fill(`[{"EnvName":"a","WorkFlow":[{"Name":"`, "😀", `"}]}]`),
		"equal phases":               `[{"EnvName":"a","WorkFlow":[` + strings.Repeat(`{"Name":"a","PhaseType":4,"Order":0},`, 64) + `]}]`,
		"64 deep":                    strings.Repeat("[", 64) + strings.Repeat("]", 64),
		"as deep as the file":        fill("", "[", ""),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			problems := workflow.Parse("katkitconfig.js", []byte(content)).Diagnostics()
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 48<<20 {
				t.Errorf("took %d KiB for %d bytes", got>>10, len(content))
			}
			if len(problems) == 0 {
				t.Error("no problem")
			}
		})
	}
}

var labelValue = regexp.MustCompile(`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`)

// FuzzParse holds what the docs promise of every workflow without errors, and
// of every diagnostic, against any content.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"repos/*/katkitconfig.js", "repos/*/*/katkitconfig.js", "invalid/*.js"} {
		paths, err := filepath.Glob(filepath.Join(fixtures, pattern))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds for %s: %v", pattern, err)
		}
		for _, path := range paths {
			f.Add(read(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		file := workflow.Parse("katkitconfig.js", content)
		lines := strings.Count(string(content), "\n") + 1
		for _, d := range file.Diagnostics() {
			if d.Line < 1 || d.Line > lines || d.Column < 1 || d.Column > len(content)+1 {
				t.Errorf("%v is not in a file of %d lines", d, lines)
			}
			if s := d.String(); len(s) > 4096 || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("%q is too long or not printable", s)
			}
		}
		if s := file.Diagnostics().Error(); len(s) > 1024 || !utf8.ValidString(s) {
			t.Errorf("the summary has %d bytes: %q", len(s), s)
		}
		for _, env := range append(file.EnvNames(), "nobody") {
			w, problems, found := file.ForEnv(env)
			if found && !problems.HasErrors() {
				checkWorkflow(t, w)
			}
		}
	})
}

func checkWorkflow(t *testing.T, w workflow.Workflow) {
	t.Helper()
	deployments, last := 0, int32(0)
	names, objects := map[string]bool{}, map[string]bool{}
	for _, p := range w.Phases {
		if p.Type == workflow.Deployment {
			deployments++
			if !p.FailFast {
				t.Errorf("%q is a deployment and does not fail fast", p.Name)
			}
		} else if p.Type != workflow.Execution {
			t.Errorf("%q has type %q", p.Name, p.Type)
		}
		if p.Order < last || p.Order > workflow.MaxOrder {
			t.Errorf("%q has order %d after %d", p.Name, p.Order, last)
		}
		last = p.Order
		object := fmt.Sprintf("%d-%s", p.Order, workflow.Slug(p.Name))
		if p.Name == "" || utf8.RuneCountInString(p.Name) > workflow.MaxNameLength || names[p.Name] || objects[object] {
			t.Errorf("name %q (%s) is empty, long or not unique", p.Name, object)
		}
		names[p.Name], objects[object] = true, true
		if p.Parallelism < 1 || p.Parallelism > workflow.MaxParallelism {
			t.Errorf("%q has parallelism %d", p.Name, p.Parallelism)
		}
		if _, err := reference.ParseNormalizedNamed(p.Image); p.Image != "" && err != nil {
			t.Errorf("%q has image %q: %v", p.Name, p.Image, err)
		}
		if len(p.AllocationTag) > 63 || !labelValue.MatchString(p.AllocationTag) {
			t.Errorf("%q has allocation tag %q", p.Name, p.AllocationTag)
		}
		set := map[string]bool{}
		for _, v := range p.Params {
			if workflow.CheckParamName(v.Name) != nil || set[v.Name] || strings.ContainsRune(v.Value, 0) {
				t.Errorf("%q has variable %q=%q", p.Name, v.Name, v.Value)
			}
			set[v.Name] = true
		}
	}
	if len(w.Phases) == 0 || len(w.Phases) > workflow.MaxPhases || deployments > 1 {
		t.Errorf("%d phases, %d deployments", len(w.Phases), deployments)
	}
}
