package run

import (
	"fmt"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/servicedesc"
	"katkit.dev/katkit/internal/domain/workflow"
)

// File is a file of the repository at the run's commit.
type File struct {
	// Path from the repository's root.
	Path string
	// Found: the commit has it.
	Found bool
	// Content of the file.
	Content []byte
}

// Workflow is the list of phases that a run follows.
type Workflow struct {
	// Source tells a person where it came from.
	Source string
	// LocalFleet asks for the tenant's own hosts.
	LocalFleet bool
	// Phases in ascending order.
	Phases []v1alpha1.PhaseTemplate
	// Warnings are problems of the file that do not stop the run.
	Warnings []string
}

// Deploys tells whether the workflow has a deployment phase.
func (w Workflow) Deploys() bool {
	for _, phase := range w.Phases {
		if phase.Type == v1alpha1.PhaseDeployment {
			return true
		}
	}
	return false
}

// ConfigPaths are where katkitconfig.js is looked up for a folder of the repository ("" is the root), the
// first that is found counts.
func ConfigPaths(folder string) []string {
	if folder == "" {
		return []string{workflow.FileName}
	}
	return []string{folder + "/" + workflow.FileName, workflow.FileName}
}

// DescriptionPath is where a folder's service description is.
func DescriptionPath(folder string) string {
	if folder == "" {
		return servicedesc.FilePath
	}
	return folder + "/" + servicedesc.FilePath
}

// ChooseWorkflow takes the workflow of the run, else of the repository's file, else of the link: who asks for a run knows best, and a link serves
// repositories that say nothing.
// files are those of ConfigPaths, in that order; they are not looked at when the run has phases of its own.
func ChooseWorkflow(asked Request, link *v1alpha1.TenantRepoLink, env string, files []File) (Workflow, *problem.Problem) {
	if len(asked.Phases) > 0 {
		return fromObject("the run's spec.phases", asked.Phases)
	}
	where := ""
	if asked.HomeConfig {
		where = " of branch " + link.Spec.HomeBranch
	}
	for _, file := range files {
		if file.Found {
			chosen, cause := fromFile(file, env)
			chosen.Source += where
			return chosen, cause
		}
	}
	if len(link.Spec.Phases) > 0 {
		return fromObject(fmt.Sprintf("spec.phases of TenantRepoLink %s", link.Name), link.Spec.Phases)
	}
	commit := "the commit"
	if asked.HomeConfig {
		commit = "branch " + link.Spec.HomeBranch + ", which counts for pull requests,"
	}
	return Workflow{}, problem.Config(v1alpha1.ReasonNoWorkflow,
		"%s has no %s, and neither the run nor TenantRepoLink %s has spec.phases: add one of them to say which phases to run",
		commit, strings.Join(ConfigPaths(link.Spec.Folder()), " or "), link.Name)
}

// fromObject takes the phases of a link or a run. Their names may differ in nothing that the names of their
// Phases show; katkitconfig.js has the same rule.
func fromObject(source string, phases []v1alpha1.PhaseTemplate) (Workflow, *problem.Problem) {
	type object struct {
		order int32
		slug  string
	}
	seen := map[object]string{}
	for _, phase := range phases {
		key := object{phase.Order, workflow.Slug(phase.Name)}
		if other, twice := seen[key]; twice {
			return Workflow{}, problem.Config(v1alpha1.ReasonInvalidConfig,
				"%s: the names %q and %q of order %d both make a Phase that ends in %q: rename one of them",
				source, other, phase.Name, phase.Order, key.slug)
		}
		seen[key] = phase.Name
	}
	return Workflow{Source: source, Phases: sorted(phases)}, nil
}

func fromFile(file File, env string) (Workflow, *problem.Problem) {
	parsed := workflow.Parse(file.Path, file.Content)
	chosen, problems, found := parsed.ForEnv(env)
	switch {
	case problems.HasErrors():
		return Workflow{}, problem.Config(v1alpha1.ReasonInvalidConfig, "%s", problems.Error())
	case !found:
		return Workflow{}, problem.Config(v1alpha1.ReasonInvalidConfig, "%s", parsed.MissingEnv(env).String())
	}
	result := Workflow{
		Source:     fmt.Sprintf("%s (entry %s)", file.Path, chosen.EnvName),
		LocalFleet: chosen.LocalFleet,
		Warnings:   texts(problems.Warnings()),
	}
	for _, phase := range chosen.Phases {
		result.Phases = append(result.Phases, template(phase))
	}
	return result, nil
}

func template(phase workflow.Phase) v1alpha1.PhaseTemplate {
	result := v1alpha1.PhaseTemplate{
		Name: phase.Name, Type: v1alpha1.PhaseType(phase.Type), Order: phase.Order, Parallelism: phase.Parallelism,
		Image: phase.Image, Approval: v1alpha1.ApprovalAutomatic, AllocationTag: phase.AllocationTag,
	}
	if !phase.Automated {
		result.Approval = v1alpha1.ApprovalManual
	}
	if !phase.FailFast {
		result.FailFast = new(false)
	}
	for _, param := range phase.Params {
		result.Params = append(result.Params, v1alpha1.EnvVar{Name: param.Name, Value: param.Value})
	}
	return result
}

// Services reads the service description for the images that a commit's deployment shall bring. The
// second result are warnings.
func Services(file File, sha string) ([]v1alpha1.ServiceImage, []string, *problem.Problem) {
	if !file.Found {
		return nil, nil, problem.Config(v1alpha1.ReasonInvalidServiceDescription,
			"the commit has no %s, which a deployment phase needs: export the service, put %s in place of the image's tag, and commit the file",
			file.Path, servicedesc.Token)
	}
	description, problems := servicedesc.Parse(file.Path, file.Content)
	changes, more := description.Changes(sha)
	problems = append(problems, more...)
	if problems.HasErrors() {
		return nil, nil, problem.Config(v1alpha1.ReasonInvalidServiceDescription, "%s", problems.Error())
	}
	services := make([]v1alpha1.ServiceImage, 0, len(changes))
	for _, change := range changes {
		services = append(services, v1alpha1.ServiceImage{Role: change.Role, Image: change.Image})
	}
	return services, texts(problems.Warnings()), nil
}

// Roles names the services of a service description, as far as it can be read: those that are deployed before the others.
func Roles(file File) []string {
	description, _ := servicedesc.Parse(file.Path, file.Content)
	var deployed, others []string
	for _, role := range description.Roles {
		if role.Deployable() {
			deployed = append(deployed, role.Name)
		} else {
			others = append(others, role.Name)
		}
	}
	return append(deployed, others...)
}

func texts(list diagnostic.List) []string {
	result := make([]string, 0, len(list))
	for _, d := range list {
		result = append(result, d.String())
	}
	return result
}
