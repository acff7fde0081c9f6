package run

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/workflow"
)

const (
	defaultExecutionTimeout   = time.Hour
	defaultUnscheduledTimeout = 15 * time.Minute
	defaultQueueTimeout       = 24 * time.Hour
	defaultRunTimeout         = 3 * time.Hour
	// deploymentTimeout bounds the wait for a rollout; a Deployment's own progress deadline is usually shorter.
	deploymentTimeout = 30 * time.Minute
)

// Tenant is what a namespace says about itself.
type Tenant struct {
	// Name is the value of the label katkit.dev/tenant; "" when the namespace is no tenant.
	Name string
	// Env is the annotation katkit.dev/env.
	Env string
}

// EnvOf is the name of the environment that a link's runs see: the link's, else the tenant's.
func (t Tenant) EnvOf(link *v1alpha1.TenantRepoLink) string {
	if link.Spec.Env != "" {
		return link.Spec.Env
	}
	return t.Env
}

// Commit is what is run.
type Commit struct {
	// SHA is 40 hex digits.
	SHA string
	// Message is the first line of the commit's message, Author its GitHub login or name.
	Message, Author string
	// Ref is the branch that it was asked for by, PullRequest the number of the pull request, if it was by those.
	Ref         string
	PullRequest int32
	// Fork: it is of a pull request from another repository, or was named alone and nothing shows that it is not.
	Fork bool
}

// Material is what the Phases of a run are made of.
type Material struct {
	Tenant   Tenant
	Link     *v1alpha1.TenantRepoLink
	Class    *v1alpha1.BuilderClass
	Commit   Commit
	CloneURL string
	// CredentialKind is what the link's Secret holds; "" without one.
	CredentialKind v1alpha1.CredentialKind
	Workflow       Workflow
	// Services are the images that a deployment phase shall bring.
	Services []v1alpha1.ServiceImage
	// ServiceHosts are those of a service of the tenant, with nothing in it when there is none; nil when they are not needed (see NeedsServiceHosts).
	ServiceHosts *v1alpha1.Scheduling
	// Env are the run's own variables.
	Env []v1alpha1.EnvVar
	// Carried are the phases that a re-run does not run again, by their names in the workflow, and Outputs what they left.
	Carried map[string]v1alpha1.RunPhaseStatus
	Outputs []v1alpha1.Output
	// Warnings are those of all files that were read.
	Warnings []string
}

// BuildPhases makes the Phases of a run, in ascending order, but for those that are carried over. Each names the ones of the
// next lower order as those that it waits for, and holds everything that it needs but for what the BuilderClass says when it begins.
func BuildPhases(run *v1alpha1.CIRun, m Material) []*v1alpha1.Phase {
	phases := make([]*v1alpha1.Phase, 0, len(m.Workflow.Phases))
	var after, same []string
	for i, template := range m.Workflow.Phases {
		if i > 0 && template.Order != m.Workflow.Phases[i-1].Order {
			after, same = same, nil
		}
		if _, carried := m.Carried[template.Name]; carried {
			continue
		}
		phase := newPhase(run, m, template)
		phase.Spec.After = slices.Clone(after)
		if template.Type == v1alpha1.PhaseDeployment {
			phase.Finalizers = []string{v1alpha1.FinalizerDeployment}
			phase.Spec.Deployment = deployment(run, m)
			phase.Spec.Timeout = metav1.Duration{Duration: deploymentTimeout}
		} else {
			phase.Spec.Execution = execution(m, template, run.Name)
			phase.Spec.Timeout = *timeout(m.Link.Spec.Builder.Timeout, defaultExecutionTimeout, m.Class.Spec.MaxTimeout)
		}
		phase.Spec.QueueTimeout = timeout(m.Link.Spec.Builder.QueueTimeout, defaultQueueTimeout, m.Class.Spec.MaxQueueTimeout)
		phases = append(phases, phase)
		same = append(same, phase.Name)
	}
	return phases
}

func newPhase(run *v1alpha1.CIRun, m Material, template v1alpha1.PhaseTemplate) *v1alpha1.Phase {
	return &v1alpha1.Phase{
		ObjectMeta: metav1.ObjectMeta{
			Name:      fmt.Sprintf("%s-%d-%s", run.Name, template.Order, workflow.Slug(template.Name)),
			Namespace: run.Namespace,
			Labels: map[string]string{
				v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
				v1alpha1.LabelLink:      m.Link.Name,
				v1alpha1.LabelRun:       run.Name,
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("CIRun"))},
		},
		Spec: v1alpha1.PhaseSpec{
			Run: v1alpha1.ObjectName{Name: run.Name}, Name: template.Name, Type: template.Type, Order: template.Order,
			SHA: m.Commit.SHA, Approval: cmp.Or(template.Approval, v1alpha1.ApprovalAutomatic),
		},
	}
}

func deployment(run *v1alpha1.CIRun, m Material) *v1alpha1.DeploymentSpec {
	return &v1alpha1.DeploymentSpec{
		ServiceAccountName: cmp.Or(m.Link.Spec.Deployer.ServiceAccountName, v1alpha1.DefaultDeployer),
		Services:           slices.Clone(m.Services),
		AllowOlder:         run.Spec.AllowOlder,
	}
}

func execution(m Material, template v1alpha1.PhaseTemplate, run string) *v1alpha1.ExecutionSpec {
	builder := m.Link.Spec.Builder
	retry := m.Class.Spec.Retry
	if builder.Retry != nil {
		retry = *builder.Retry
	}
	spec := &v1alpha1.ExecutionSpec{
		Builder:            request(m, template),
		RepositoryURL:      m.CloneURL,
		EnvFrom:            wholeSources(m),
		Fork:               m.Commit.Fork,
		Cache:              cache(m),
		Env:                environment(m, template, run),
		Parallelism:        max(template.Parallelism, 1),
		FailFast:           template.FailFast == nil || *template.FailFast,
		RetryOnInfra:       retry.OnInfra,
		UnscheduledTimeout: timeout(builder.UnscheduledTimeout, defaultUnscheduledTimeout, m.Class.Spec.MaxUnscheduledTimeout),
		CarriedOutputs:     slices.Clone(m.Outputs),
		ServiceAccountName: m.ServiceAccount(),
	}
	if m.Link.Spec.SecretRef != nil {
		spec.CredentialSecret, spec.CredentialKind = m.Link.Spec.SecretRef.Name, m.CredentialKind
	}
	return spec
}

// timeout is what was asked for, or the default, as far as the cap allows.
func timeout(asked *metav1.Duration, otherwise time.Duration, limit *metav1.Duration) *metav1.Duration {
	result := metav1.Duration{Duration: otherwise}
	if asked != nil {
		result = *asked
	}
	if limit != nil {
		result.Duration = min(result.Duration, limit.Duration)
	}
	return &result
}

// cache is the link's. A stranger has none: what a fork leaves there, every later build would trust.
func cache(m Material) *v1alpha1.CacheSpec {
	asked := m.Link.Spec.Builder.Cache
	if asked == nil || m.Commit.Fork {
		return nil
	}
	return &v1alpha1.CacheSpec{ClaimName: asked.ClaimName, Path: cmp.Or(asked.Path, v1alpha1.DefaultCachePath)}
}

func sorted(phases []v1alpha1.PhaseTemplate) []v1alpha1.PhaseTemplate {
	result := slices.Clone(phases)
	slices.SortStableFunc(result, func(a, b v1alpha1.PhaseTemplate) int { return cmp.Compare(a.Order, b.Order) })
	return result
}
