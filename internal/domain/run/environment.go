package run

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
)

// environment is what ci.sh sees (docs/manual.md lists it), but for the class's variables and what the link's envFrom brings: link, BuildParams, run,
// each winning over the one before it, and Katkit's own variables over all.
func environment(m Material, template v1alpha1.PhaseTemplate, run string) []v1alpha1.BuilderEnvVar {
	own := []v1alpha1.EnvVar{
		{Name: contract.VarEnv, Value: m.Tenant.EnvOf(m.Link)},
		{Name: contract.VarGitSHA, Value: m.Commit.SHA},
		{Name: contract.VarGitRepo, Value: m.Link.Spec.Repository},
		{Name: contract.VarCodePath, Value: m.Link.Spec.Folder()},
		{Name: contract.VarReplicaCount, Value: strconv.Itoa(int(max(template.Parallelism, 1)))},
		{Name: contract.VarTenant, Value: m.Tenant.Name},
		{Name: contract.VarRun, Value: run},
		{Name: contract.VarPhaseName, Value: template.Name},
		{Name: contract.VarBranch, Value: m.Commit.Ref},
		{Name: contract.VarPullRequest, Value: pullRequest(m.Commit)},
		{Name: contract.VarRepoURL, Value: m.CloneURL},
		{Name: contract.VarCI, Value: "true"},
		{Name: contract.VarKatkit, Value: "true"},
	}
	if cache := cache(m); cache != nil {
		own = append(own, v1alpha1.EnvVar{Name: contract.VarCache, Value: cache.Path})
	}
	phase := []v1alpha1.EnvVar{{Name: contract.VarPhase, Value: template.Name}}
	env := m.Link.Spec.Builder.DeepCopy().Env
	if m.Commit.Fork {
		env = slices.DeleteFunc(env, func(v v1alpha1.BuilderEnvVar) bool { return v.ValueFrom != nil })
	}
	for _, variable := range slices.Concat(phase, template.Params, m.Env, own) {
		env = append(env, v1alpha1.BuilderEnvVar{Name: variable.Name, Value: variable.Value})
	}
	return contract.MergeVariables(env, func(v v1alpha1.BuilderEnvVar) string { return v.Name })
}

// wholeSources are the Secrets and ConfigMaps all of whose keys ci.sh sees.
func wholeSources(m Material) []v1alpha1.EnvFromSource {
	if m.Commit.Fork {
		return nil
	}
	return m.Link.Spec.Builder.DeepCopy().EnvFrom
}

func pullRequest(commit Commit) string {
	if commit.PullRequest == 0 {
		return ""
	}
	return strconv.Itoa(int(commit.PullRequest))
}

// Exposes is the problem of a link that would show ci.sh a credential for GitHub: a Secret that it, or another link of the tenant, has as
// its secretRef, or one that is made for builder Pods to clone with. links are those of the tenant.
func Exposes(link *v1alpha1.TenantRepoLink, links []v1alpha1.TenantRepoLink) *problem.Problem {
	owner := map[string]string{}
	for i := range links {
		if ref := links[i].Spec.SecretRef; ref != nil {
			owner[ref.Name] = links[i].Name
		}
	}
	if ref := link.Spec.SecretRef; ref != nil {
		owner[ref.Name] = link.Name
	}
	for _, used := range secretsOf(link.Spec.Builder) {
		switch of, is := owner[used.secret]; {
		case is:
			return problem.Config(v1alpha1.ReasonCredentialExposed,
				"%s of TenantRepoLink %s names Secret %s, which is the credential for GitHub of TenantRepoLink %s (secretRef) and never a variable of ci.sh: "+
					"keep what ci.sh needs in another Secret", used.where, link.Name, used.secret, of)
		case buildpod.IsCredentialName(used.secret):
			return problem.Config(v1alpha1.ReasonCredentialExposed,
				"%s of TenantRepoLink %s names Secret %s, whose name is one of those that Katkit makes for builder Pods to clone with: "+
					"keep what ci.sh needs in a Secret of another name", used.where, link.Name, used.secret)
		}
	}
	return nil
}

type usedSecret struct{ where, secret string }

func secretsOf(builder v1alpha1.BuilderSpec) []usedSecret {
	var used []usedSecret
	for _, variable := range builder.Env {
		if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
			used = append(used, usedSecret{"builder.env (" + variable.Name + ")", variable.ValueFrom.SecretKeyRef.Name})
		}
	}
	for i, from := range builder.EnvFrom {
		if from.SecretRef != nil {
			used = append(used, usedSecret{fmt.Sprintf("builder.envFrom[%d]", i), from.SecretRef.Name})
		}
	}
	return used
}

// Withheld warns of what a fork's commit does not get of a link's variables; nil when it gets all.
func Withheld(m Material) []string {
	if !m.Commit.Fork {
		return nil
	}
	var what []string
	for _, variable := range m.Link.Spec.Builder.Env {
		if variable.ValueFrom != nil {
			what = append(what, variable.Name)
		}
	}
	if n := len(m.Link.Spec.Builder.EnvFrom); n > 0 {
		what = append(what, fmt.Sprintf("all of the %d in builder.envFrom", n))
	}
	if len(what) == 0 {
		return nil
	}
	return []string{"a fork's commit gets nothing of the tenant's Secrets and ConfigMaps: " + strings.Join(what, ", ") + " of the link is left out"}
}
