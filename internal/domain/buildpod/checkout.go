package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// checkoutEnvironment says which commit is checked out, and what more is asked for.
func checkoutEnvironment(phase *v1alpha1.Phase) []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: contract.VarRepoURL, Value: phase.Spec.Execution.RepositoryURL},
		{Name: contract.VarGitSHA, Value: phase.Spec.SHA},
	}
	if phase.Spec.Execution.Fork {
		env = append(env, literal(contract.VarFork, "true"))
	}
	for _, variable := range phase.Spec.Execution.Env {
		if contract.SettableVariable(variable.Name) {
			env = append(env, literal(variable.Name, variable.Value))
		}
	}
	return env
}
