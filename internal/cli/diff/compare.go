package diff

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/domain/servicedesc"
	"katkit.dev/katkit/internal/workload"
)

// Comparison is what a deployment would do.
type Comparison struct {
	// Services in the order of the service description.
	Services []Service
	// LeftAlone are the names of the roles whose image does not hold the token.
	LeftAlone []string
	// Warnings are what else a person should know before a deployment: problems of the service description, a commit
	// that a run would refuse to go back to, other owners of a workload.
	Warnings []string
}

// Service is what a deployment would do with one workload.
type Service struct {
	Kind, Name, Container string
	// Before is the image now, After the one that would be set.
	Before, After string
	// Env counts the container's variables, EnvFrom the Secrets and ConfigMaps that it takes variables from.
	Env, EnvFrom int
	// Replicas that the workload asks for now.
	Replicas int32
	// Others are the names of its other containers.
	Others []string
}

// Differs tells whether at least one image would change.
func (c Comparison) Differs() bool {
	for _, s := range c.Services {
		if s.Before != s.After {
			return true
		}
	}
	return false
}

// readLink reads a link as the user.
func readLink(ctx context.Context, live client.Reader, namespace, name string) (*v1alpha1.TenantRepoLink, error) {
	var link v1alpha1.TenantRepoLink
	err := live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &link)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("namespace %s has no TenantRepoLink %s: kubectl get trl -n %s lists them, and -n names another tenant", namespace, name, namespace)
	}
	if meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("the cluster does not know TenantRepoLinks: Katkit is not installed there, or --context names another cluster (%w)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading TenantRepoLink %s/%s: %w", namespace, name, err)
	}
	return &link, nil
}

// Commit is the commit of the link's repository that would be deployed.
type Commit interface {
	// File reads the service description. One that is not there is not an error.
	File(ctx context.Context) (run.File, error)
	// Older says why a run would refuse the commit, since it is older than one that it would replace; "" when it is not.
	Older(ctx context.Context, receipts []v1alpha1.Receipt) (string, error)
}

// Compare reads the service description at a commit (40 hex digits), and the workloads that it names. The error tells all
// that would keep a deployment from beginning.
func Compare(ctx context.Context, live client.Reader, namespace, sha string, commit Commit) (Comparison, error) {
	file, err := commit.File(ctx)
	if err != nil {
		return Comparison{}, err
	}
	wanted, warnings, cause := run.Services(file, sha)
	if cause != nil {
		return Comparison{}, errors.New(cause.Message)
	}
	result := Comparison{Warnings: warnings, LeftAlone: leftAlone(file)}
	var receipts []v1alpha1.Receipt
	var problems []error
	for _, want := range wanted {
		service, receipt, err := compare(ctx, live, namespace, want)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		result.Services = append(result.Services, service)
		receipts = append(receipts, receipt)
		if receipt.Owner != "" && service.Before != service.After {
			result.Warnings = append(result.Warnings, fmt.Sprintf("warning: %s %s is managed by %s as well, which may bring its own image back",
				receipt.Kind, receipt.Name, receipt.Owner))
		}
	}
	if len(problems) > 0 {
		return Comparison{}, errors.Join(problems...)
	}
	if replaced := rollout.ToCompare(receipts, sha); len(replaced) > 0 {
		why, err := commit.Older(ctx, replaced)
		if err != nil {
			return Comparison{}, err
		}
		if why != "" {
			result.Warnings = append(result.Warnings, "warning: "+why)
		}
	}
	return result, nil
}

// compare finds the workload and the container as a deployment phase does.
func compare(ctx context.Context, live client.Reader, namespace string, want v1alpha1.ServiceImage) (Service, v1alpha1.Receipt, error) {
	found, ok, err := workload.Find(ctx, live, namespace, want.Role)
	if err != nil {
		return Service{}, v1alpha1.Receipt{}, err
	}
	if !ok {
		return Service{}, v1alpha1.Receipt{}, errors.New(rollout.NotFound(namespace, want.Role).Message)
	}
	receipt, cause := found.Receipt(want)
	if cause != nil {
		return Service{}, v1alpha1.Receipt{}, errors.New(cause.Message)
	}
	service := Service{
		Kind: receipt.Kind, Name: receipt.Name, Container: receipt.Container,
		Before: receipt.PreviousImage, After: receipt.Image, Replicas: receipt.Replicas,
	}
	for _, container := range found.Containers {
		if container.Name == receipt.Container {
			service.Env, service.EnvFrom = len(container.Env), len(container.EnvFrom)
			continue
		}
		service.Others = append(service.Others, container.Name)
	}
	return service, receipt, nil
}

func leftAlone(file run.File) []string {
	description, _ := servicedesc.Parse(file.Path, file.Content)
	var names []string
	for _, role := range description.Roles {
		if !role.Deployable() {
			names = append(names, role.Name)
		}
	}
	return names
}
