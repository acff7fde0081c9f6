package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// checkoutEnvironment says which commit is checked out, and what more is asked for.
func checkoutEnvironment(phase *v1alpha1.Phase, builder *v1alpha1.BuilderStatus) []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: contract.VarRepoURL, Value: phase.Spec.Execution.RepositoryURL},
		{Name: contract.VarGitSHA, Value: phase.Spec.SHA},
	}
	if phase.Spec.Execution.Fork {
		env = append(env, literal(contract.VarFork, "true"))
	}
	return append(env, asked(phase.Spec.Execution.Env, builder.Env)...)
}

// asked are the variables that are for the checkout, those of the class where nothing else has them. What comes from a Secret or a ConfigMap
// is not among them: the checkout has nothing of either.
func asked(phase []v1alpha1.BuilderEnvVar, class []v1alpha1.EnvVar) []corev1.EnvVar {
	var env []corev1.EnvVar
	set := map[string]bool{}
	for _, variable := range phase {
		if contract.SettableVariable(variable.Name) && variable.ValueFrom == nil {
			env, set[variable.Name] = append(env, literal(variable.Name, variable.Value)), true
		}
	}
	for _, variable := range class {
		if contract.SettableVariable(variable.Name) && !set[variable.Name] {
			env = append(env, literal(variable.Name, variable.Value))
		}
	}
	return env
}
