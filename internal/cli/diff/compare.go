package diff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/diagnostic"
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
	// Warnings are problems of the service description that stop no deployment.
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

// Source reads the link's service description at a commit (40 hex digits).
type Source func(ctx context.Context, link *v1alpha1.TenantRepoLink, sha string) (run.File, error)

// Compare reads the service description and the workloads that it names. The error tells all that would keep a
// deployment from beginning.
func Compare(ctx context.Context, live client.Reader, link *v1alpha1.TenantRepoLink, sha string, from Source) (Comparison, error) {
	file, err := from(ctx, link, sha)
	if err != nil {
		return Comparison{}, err
	}
	wanted, warnings, cause := run.Services(file, sha)
	if cause != nil {
		return Comparison{}, errors.New(cause.Message)
	}
	result := Comparison{Warnings: warnings, LeftAlone: leftAlone(file)}
	var problems []error
	for _, want := range wanted {
		service, err := compare(ctx, live, link.Namespace, want)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		result.Services = append(result.Services, service)
	}
	return result, errors.Join(problems...)
}

// compare finds the workload and the container as a deployment phase does.
func compare(ctx context.Context, live client.Reader, namespace string, want v1alpha1.ServiceImage) (Service, error) {
	found, ok, err := workload.Find(ctx, live, namespace, want.Role)
	if err != nil {
		return Service{}, err
	}
	if !ok {
		return Service{}, errors.New(rollout.NotFound(namespace, want.Role).Message)
	}
	receipt, cause := found.Receipt(want)
	if cause != nil {
		return Service{}, errors.New(cause.Message)
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
	return service, nil
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

// Text writes the comparison for people.
func (c Comparison) Text(w io.Writer) error {
	var b strings.Builder
	for _, s := range c.Services {
		s.text(&b)
	}
	for _, name := range c.LeftAlone {
		fmt.Fprintf(&b, "%s: left alone, its DockerImage has no %s\n", diagnostic.Printable(name, 253), servicedesc.Token)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Service) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s/%s, container %s\n", strings.ToLower(s.Kind), s.Name, s.Container)
	if s.Before == s.After {
		fmt.Fprintf(b, "  image: %s (no change)\n", s.Before)
		return
	}
	fmt.Fprintf(b, "- image: %s\n+ image: %s\n", s.Before, s.After)
	replicas := count(int(s.Replicas), "replica", "replicas")
	if s.Kind == "DaemonSet" {
		replicas = "a Pod on each of " + count(int(s.Replicas), "node", "nodes")
	}
	kept := []string{count(s.Env, "environment variable", "environment variables")}
	if s.EnvFrom > 0 {
		kept = append(kept, count(s.EnvFrom, "source of variables", "sources of variables"))
	}
	kept = append(kept, replicas)
	if len(s.Others) > 0 {
		kept = append(kept, count(len(s.Others), "other container", "other containers")+" ("+strings.Join(s.Others, ", ")+")")
	}
	fmt.Fprintf(b, "  kept: %s\n", strings.Join(kept, ", "))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
