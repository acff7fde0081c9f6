package install

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// SecretName is the Secret of a tenant that holds its GitHub token.
const SecretName = "github"

// linkPollInterval is as short as the API allows: what tests change on GitHub shows soon.
const linkPollInterval = 10 * time.Second

// Tenant makes a tenant of the Namespace name: its label, its env (none when env is ""), a Secret with a GitHub token,
// and the deployer that Katkit acts as there.
func (c *Cluster) Tenant(ctx context.Context, name, env string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelTenant: name}}}
	if env != "" {
		namespace.Annotations = map[string]string{v1alpha1.AnnotationEnv: env}
	}
	deployer := metav1.ObjectMeta{Namespace: name, Name: v1alpha1.DefaultDeployer}
	return c.Apply(ctx,
		namespace,
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: SecretName},
			Data:       map[string][]byte{v1alpha1.SecretKeyToken: []byte(ReporterToken)},
		},
		&corev1.ServiceAccount{ObjectMeta: deployer},
		&rbacv1.RoleBinding{
			ObjectMeta: deployer,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "katkit-deployer"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: v1alpha1.DefaultDeployer}},
		},
	)
}

// NewLink returns a link of a repository's branch main, with the tenant's Secret and the variables that the sample
// repositories need.
func (c *Cluster) NewLink(namespace, name, repository string) *v1alpha1.TenantRepoLink {
	return &v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.TenantRepoLinkSpec{
			Repository: repository, HomeBranch: "main",
			SecretRef:    &v1alpha1.ObjectName{Name: SecretName},
			Builder:      v1alpha1.BuilderSpec{Env: c.AppEnv()},
			PollInterval: &metav1.Duration{Duration: linkPollInterval},
		},
	}
}

// Link makes a link and waits until it is ready; link then holds what the cluster has. One that is there is replaced, since the stand-in
// may have lost the repository that it knows. The error of one that does not become ready in a minute tells why.
func (c *Cluster) Link(ctx context.Context, link *v1alpha1.TenantRepoLink) error {
	if err := c.Client.Delete(ctx, link.DeepCopy()); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting link %s/%s of before: %w", link.Namespace, link.Name, err)
	}
	if err := c.Apply(ctx, link); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("after a minute"))
	defer cancel()
	var ready *metav1.Condition
	err := Await(ctx, c, link, func(link *v1alpha1.TenantRepoLink) (bool, error) {
		ready = meta.FindStatusCondition(link.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == link.Generation, nil
	})
	if err != nil && ready != nil {
		return fmt.Errorf("link %s/%s is not ready: %s: %s", link.Namespace, link.Name, ready.Reason, ready.Message)
	}
	return err
}

// NewRun returns a run of a commit, 40 hex digits.
func NewRun(namespace, name, link, sha string) *v1alpha1.CIRun {
	return &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: link}, Commit: v1alpha1.CommitSelector{SHA: sha}},
	}
}

// Run creates a run; run then holds what the cluster has.
func (c *Cluster) Run(ctx context.Context, run *v1alpha1.CIRun) error {
	if err := c.Client.Create(ctx, run); err != nil {
		return fmt.Errorf("creating run %s/%s: %w", run.Namespace, run.Name, err)
	}
	return nil
}

// Follow watches a run until it has ended, well or badly, and returns it. changed may be nil; else it is called with
// every state that is seen, the last one included.
func (c *Cluster) Follow(ctx context.Context, run *v1alpha1.CIRun, changed func(*v1alpha1.CIRun)) (*v1alpha1.CIRun, error) {
	followed := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: run.Name}}
	err := Await(ctx, c, followed, func(now *v1alpha1.CIRun) (bool, error) {
		if changed != nil {
			changed(now)
		}
		return now.Status.State.Terminal(), nil
	})
	return followed, err
}

// Apply makes objects what they shall be by server-side apply, whoever changed them before. Fields without a value are
// left to others.
func (c *Cluster) Apply(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		gvk, err := apiutil.GVKForObject(object, c.Client.Scheme())
		if err != nil {
			return fmt.Errorf("applying %s: %w", object.GetName(), err)
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return fmt.Errorf("applying %s: %w", object.GetName(), err)
		}
		raw := &unstructured.Unstructured{Object: content}
		raw.SetGroupVersionKind(gvk)
		prune(raw)
		if err := c.apply(ctx, raw); err != nil {
			return err
		}
	}
	return nil
}
