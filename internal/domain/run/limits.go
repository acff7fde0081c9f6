package run

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
	"katkit.dev/katkit/internal/domain/problem"
)

// Limits tells what of a run's material the BuilderClass does not allow: the problem of phases that ask for too many
// builder Pods, and warnings of what is cut or left out.
func Limits(run *v1alpha1.CIRun, m Material) ([]string, *problem.Problem) {
	class := m.Class.Spec
	var wide []string
	for _, phase := range m.Workflow.Phases {
		if class.MaxParallelism > 0 && phase.Parallelism > class.MaxParallelism {
			wide = append(wide, fmt.Sprintf("%s asks for %d", phase.Name, phase.Parallelism))
		}
	}
	if len(wide) > 0 {
		return nil, problem.Config(v1alpha1.ReasonInvalidParallelism,
			"BuilderClass %s allows a phase %d builder Pods side by side: %s (%s); lower Parallelism, or ask a cluster admin to raise maxParallelism",
			m.Class.Name, class.MaxParallelism, strings.Join(wide, ", "), m.Workflow.Source)
	}
	builder := m.Link.Spec.Builder
	warnings := warnings(m)
	for _, limit := range []struct {
		asked     *metav1.Duration
		otherwise time.Duration
		limit     *metav1.Duration
		what      string
	}{
		{builder.Timeout, defaultExecutionTimeout, class.MaxTimeout, "builder.timeout of the link"},
		{builder.UnscheduledTimeout, defaultUnscheduledTimeout, class.MaxUnscheduledTimeout, "builder.unscheduledTimeout of the link"},
		{builder.QueueTimeout, defaultQueueTimeout, class.MaxQueueTimeout, "builder.queueTimeout of the link"},
		{run.Spec.Timeout, defaultRunTimeout, class.MaxRunTimeout, "timeout of the run"},
	} {
		asked, given := timeout(limit.asked, limit.otherwise, nil), timeout(limit.asked, limit.otherwise, limit.limit)
		if *asked != *given {
			warnings = append(warnings, fmt.Sprintf("%s is %s: BuilderClass %s allows %s, which counts", limit.what, asked.Duration, m.Class.Name, given.Duration))
		}
	}
	return warnings, nil
}

// warnings tell what of the link's wishes is not granted to this run.
func warnings(m Material) []string {
	builder := m.Link.Spec.Builder
	var warnings []string
	if builder.ServiceAccountName != "" && m.ServiceAccount() == "" {
		warnings = append(warnings, fmt.Sprintf("ci.sh gets no token of ServiceAccount %s, which the link names: the commit is a fork's", builder.ServiceAccountName))
	}
	if builder.Resources == nil {
		return warnings
	}
	limit := builderclass.StorageLimit(m.Class.Spec)
	if asked, set := builder.Resources.Limits[corev1.ResourceEphemeralStorage]; set && asked.Cmp(limit) > 0 {
		warnings = append(warnings, fmt.Sprintf("builder.resources.limits.ephemeral-storage of the link is %s: BuilderClass %s allows %s, which counts",
			asked.String(), m.Class.Name, limit.String()))
	}
	return warnings
}
