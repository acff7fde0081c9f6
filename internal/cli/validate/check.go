package validate

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/domain/servicedesc"
	"katkit.dev/katkit/internal/domain/workflow"
)

// sampleSHA stands for a commit's sha where an image is tried out.
var sampleSHA = strings.Repeat("0", 40)

// Report is the result of a check. Its JSON is documented in docs/plugin.md: fields are added, never changed.
type Report struct {
	// Valid: there is no error, though there may be warnings.
	Valid bool `json:"valid"`
	// Diagnostics are all problems, with paths relative to the folder that was checked.
	Diagnostics diagnostic.List `json:"diagnostics"`
	// Folders that have one of the two files, sorted; the root first.
	Folders []Folder `json:"folders"`
}

// Folder is what a link with this folder path reads.
type Folder struct {
	// Path is "" for the root.
	Path string `json:"path"`
	// Config is the path of the katkitconfig.js that counts, the folder's or the root's; "" when there is none.
	Config string `json:"config,omitempty"`
	// Description is the path of the service description; "" when there is none.
	Description string `json:"description,omitempty"`
	// CIScript: the folder has a ci.sh.
	CIScript bool `json:"ciScript"`
	// Envs are the entries of Config, in its order.
	Envs []Env `json:"envs"`
	// Services are the roles whose image a deployment sets.
	Services []Service `json:"services"`
}

// Env is an entry of a katkitconfig.js.
type Env struct {
	// Name is EnvName as the file spells it; "default" serves every env that has no entry of its own.
	Name string `json:"name"`
	// Valid: no error concerns this entry. Without it Phases is empty.
	Valid bool `json:"valid"`
	// LocalFleet: builders run on the tenant's own hosts.
	LocalFleet bool `json:"localFleet"`
	// Phases in the order in which they run; equal orders run side by side.
	Phases []Phase `json:"phases"`
}

// Phase is a phase of a run, as in workflow.Phase.
type Phase struct {
	Name          string  `json:"name"`
	Type          string  `json:"type"`
	Order         int32   `json:"order"`
	Parallelism   int32   `json:"parallelism"`
	Image         string  `json:"image,omitempty"`
	Automated     bool    `json:"automated"`
	FailFast      bool    `json:"failFast"`
	AllocationTag string  `json:"allocationTag,omitempty"`
	Params        []Param `json:"params"`
}

// Param is a variable that BuildParams sets.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Service is a role of a service description whose image holds the token.
type Service struct {
	Role  string `json:"role"`
	Image string `json:"image"`
}

// Check reads the files of a working copy, which fsys is the root of. Whatever is wrong with them is in the report;
// the error is about the folder as a whole, or the context's.
func Check(ctx context.Context, fsys fs.FS) (Report, error) {
	f, err := find(ctx, fsys)
	if err != nil {
		return Report{}, err
	}
	parsed := map[string]workflow.File{}
	for _, folder := range slices.Sorted(maps.Keys(f.configs)) {
		name := path.Join(folder, workflow.FileName)
		if content, ok := f.read(name); ok {
			parsed[folder] = workflow.Parse(name, content)
			f.problems = append(f.problems, parsed[folder].Diagnostics()...)
		}
	}
	all := maps.Clone(f.configs)
	maps.Copy(all, f.descriptions)
	report := Report{Folders: []Folder{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		// The root of a repository with a service per folder may have nothing but the workflow that they share.
		shared := name == "" && !f.descriptions[name] && len(all) > 1
		report.Folders = append(report.Folders, f.folder(name, parsed, shared))
	}
	if len(all) == 0 {
		f.report(diagnostic.Error, workflow.FileName, fmt.Sprintf("neither this file nor %s was found, in the root or in a folder (%d looked into): "+
			"run this in the repository's root, or add the two files", servicedesc.FilePath, f.searched))
	}
	report.Diagnostics = append(diagnostic.List{}, f.problems.Sorted()...)
	report.Valid = !f.problems.HasErrors()
	return report, nil
}

func (f *files) folder(name string, parsed map[string]workflow.File, shared bool) Folder {
	folder := Folder{Path: name, Envs: []Env{}, CIScript: f.has(path.Join(name, scriptName))}
	config, owner, found := f.config(name)
	if found {
		folder.Config, folder.Envs = config, envs(parsed[owner])
	} else {
		f.report(diagnostic.Warning, path.Join(name, workflow.FileName),
			"it is not there, nor is one in the root: add it to say which phases to run, or list them in spec.phases of the TenantRepoLink")
	}
	folder.Services = f.services(&folder)
	if !shared {
		f.missing(folder)
	}
	return folder
}

func envs(file workflow.File) []Env {
	result := []Env{}
	for _, name := range file.EnvNames() {
		if slices.ContainsFunc(result, func(e Env) bool { return strings.EqualFold(e.Name, name) }) {
			continue // an error says that there are two
		}
		flow, problems, _ := file.ForEnv(name)
		env := Env{Name: name, Valid: !problems.HasErrors(), LocalFleet: flow.LocalFleet, Phases: []Phase{}}
		if env.Valid {
			for _, p := range flow.Phases {
				env.Phases = append(env.Phases, phaseOf(p))
			}
		}
		result = append(result, env)
	}
	return result
}

func phaseOf(p workflow.Phase) Phase {
	phase := Phase{
		Name: p.Name, Type: string(p.Type), Order: p.Order, Parallelism: p.Parallelism, Image: p.Image,
		Automated: p.Automated, FailFast: p.FailFast, AllocationTag: p.AllocationTag, Params: []Param{},
	}
	for _, param := range p.Params {
		phase.Params = append(phase.Params, Param(param))
	}
	return phase
}

// services reads the folder's service description. Its errors are warnings when no phase would ever read it.
func (f *files) services(folder *Folder) []Service {
	services := []Service{}
	if !f.descriptions[folder.Path] {
		return services
	}
	folder.Description = run.DescriptionPath(folder.Path)
	content, ok := f.read(folder.Description)
	if !ok {
		return services
	}
	description, problems := servicedesc.Parse(folder.Description, content)
	_, more := description.Changes(sampleSHA)
	problems = append(problems, more...)
	if folder.neverDeploys() {
		for i := range problems {
			problems[i].Severity = diagnostic.Warning
		}
	}
	f.problems = append(f.problems, problems...)
	for _, role := range description.Roles {
		if role.Deployable() {
			services = append(services, Service{Role: role.Name, Image: role.DockerImage})
		}
	}
	return services
}

// missing reports files that a phase of the folder needs.
func (f *files) missing(folder Folder) {
	if env, phase, found := folder.first(workflow.Deployment); found && folder.Description == "" {
		f.report(diagnostic.Error, run.DescriptionPath(folder.Path), fmt.Sprintf("it is not there, but phase %q of env %q deploys it: "+
			"write it with kubectl katkit export deployment/NAME -n TENANT -f FILE", phase, diagnostic.Printable(env, 63)))
	}
	if env, phase, found := folder.first(workflow.Execution); found && !folder.CIScript {
		f.report(diagnostic.Warning, path.Join(folder.Path, scriptName), fmt.Sprintf("it is not there, but phase %q of env %q runs it: add it",
			phase, diagnostic.Printable(env, 63)))
	}
}

// first finds a phase of a type, in any env.
func (f *Folder) first(kind workflow.PhaseType) (env, phase string, found bool) {
	for _, e := range f.Envs {
		for _, p := range e.Phases {
			if p.Type == string(kind) {
				return e.Name, p.Name, true
			}
		}
	}
	return "", "", false
}

// neverDeploys: every env is known, and none has a deployment phase.
func (f *Folder) neverDeploys() bool {
	_, _, deploys := f.first(workflow.Deployment)
	return !deploys && len(f.Envs) > 0 && !slices.ContainsFunc(f.Envs, func(e Env) bool { return !e.Valid })
}
