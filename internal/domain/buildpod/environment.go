package buildpod

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// environment has the variables of the phase as it lists them, the class's first, then the outputs by name, then the replica's index.
// Those from Secrets and ConfigMaps have marked names, and the agent gives them their own.
func environment(execution *v1alpha1.ExecutionSpec, class []v1alpha1.EnvVar, replica int32, outputs []v1alpha1.Output) []corev1.EnvVar {
	left := make(map[string]string, len(outputs))
	for _, output := range outputs {
		if contract.CheckOutputName(output.Name) == nil {
			left[output.Name] = output.Value
		}
	}
	var named []corev1.EnvVar
	fixed := slices.Sorted(maps.Keys(left))
	for _, variable := range execution.Env {
		if _, replaced := left[variable.Name]; replaced {
			continue
		}
		named = append(named, variableOf(variable))
		if variable.ValueFrom == nil {
			fixed = append(fixed, variable.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		named = append(named, literal(name, left[name]))
	}
	named = append(named, literal(contract.VarReplicaID, strconv.Itoa(int(replica))))
	fixed = append(fixed, contract.VarReplicaID)

	var env []corev1.EnvVar
	for _, variable := range class {
		if !slices.Contains(fixed, variable.Name) {
			env = append(env, literal(variable.Name, variable.Value))
		}
	}
	env = append(env, named...)
	if len(execution.EnvFrom) > 0 {
		env = append(env, literal(contract.VarFixed, strings.Join(fixed, ",")))
	}
	return env
}

// literal is a variable that ci.sh sees as it is: the kubelet would expand $(NAME); $$ is its escape for a plain $.
func literal(name, value string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, Value: strings.ReplaceAll(value, "$", "$$")}
}

func variableOf(variable v1alpha1.BuilderEnvVar) corev1.EnvVar {
	switch from := variable.ValueFrom; {
	case from == nil:
		return literal(variable.Name, variable.Value)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		return corev1.EnvVar{
			Name: contract.Sourced{Name: variable.Name, Kind: contract.SourceSecret}.Marked(),
			ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key, Optional: optional(ref.Optional),
			}},
		}
	default:
		ref := from.ConfigMapKeyRef
		return corev1.EnvVar{
			Name: contract.Sourced{Name: variable.Name, Kind: contract.SourceConfigMap}.Marked(),
			ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key, Optional: optional(ref.Optional),
			}},
		}
	}
}

// wholeSources are the Secrets and ConfigMaps all of whose keys are variables.
func wholeSources(execution *v1alpha1.ExecutionSpec) []corev1.EnvFromSource {
	var sources []corev1.EnvFromSource
	for i, from := range execution.EnvFrom {
		source, marked := corev1.EnvFromSource{}, contract.Sourced{Name: from.Prefix, Kind: contract.SourceSecret, Whole: true, Nth: i}
		if ref := from.SecretRef; ref != nil {
			source.SecretRef = &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Optional: optional(ref.Optional)}
		} else {
			ref := from.ConfigMapRef
			marked.Kind = contract.SourceConfigMap
			source.ConfigMapRef = &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Optional: optional(ref.Optional)}
		}
		source.Prefix = marked.Marked()
		sources = append(sources, source)
	}
	return sources
}

func optional(is bool) *bool {
	if !is {
		return nil
	}
	return &is
}
