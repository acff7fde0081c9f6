package diff

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/internal/source"
)

// fromGitHub reads the file with the token of the link's Secret, as the user may read it.
func fromGitHub(live client.Reader, factory *github.Factory) Source {
	return func(ctx context.Context, link *v1alpha1.TenantRepoLink, sha string) (run.File, error) {
		secrets := &secretReader{Reader: live}
		opener := source.Opener{Secrets: secrets, GitHub: factory}
		repository, cause := opener.Open(ctx, link)
		if secrets.forbidden {
			return run.File{}, fmt.Errorf("you may not read Secret %s/%s, which holds the token for %s: name a clone that has the commit with --dir, or ask for the right to get this Secret",
				link.Namespace, link.Spec.SecretRef.Name, link.Spec.Repository)
		}
		if cause != nil {
			return run.File{}, explain(cause, link)
		}
		if _, cause := repository.Resolve(ctx, v1alpha1.CommitSelector{SHA: sha}); cause != nil {
			return run.File{}, explain(cause, link)
		}
		file, cause := repository.File(ctx, run.DescriptionPath(link.Spec.Folder()), sha, v1alpha1.ReasonInvalidServiceDescription)
		if cause != nil {
			return run.File{}, explain(cause, link)
		}
		return file, nil
	}
}

func explain(cause *problem.Problem, link *v1alpha1.TenantRepoLink) error {
	if cause.Reason == v1alpha1.ReasonHostNotAllowed {
		return fmt.Errorf("%s: if you trust this host with the link's token, say so with --github-host %s", cause.Message, link.Spec.Host)
	}
	return errors.New(cause.Message)
}

// secretReader remembers whether a Secret was refused.
type secretReader struct {
	client.Reader
	forbidden bool
}

// Get implements client.Reader.
func (r *secretReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := r.Reader.Get(ctx, key, object, options...)
	r.forbidden = r.forbidden || apierrors.IsForbidden(err)
	return err
}
