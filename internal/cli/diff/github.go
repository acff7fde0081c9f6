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

// hosted is a commit on GitHub.
type hosted struct {
	repository *source.Repository
	link       *v1alpha1.TenantRepoLink
	sha        string
}

// openGitHub reads the token of the link's Secret, as the user may read it, and makes sure that the commit is there.
func openGitHub(ctx context.Context, live client.Reader, factory *github.Factory, link *v1alpha1.TenantRepoLink, sha string) (Commit, error) {
	secrets := &secretReader{Reader: live}
	opener := source.Opener{Secrets: secrets, GitHub: factory}
	repository, cause := opener.Open(ctx, link)
	if secrets.forbidden {
		return nil, fmt.Errorf("you may not read Secret %s/%s, which holds the token for %s: name a clone that has the commit with --dir, or ask for the right to get this Secret",
			link.Namespace, link.Spec.SecretRef.Name, link.Spec.Repository)
	}
	if cause != nil {
		return nil, explain(cause, link)
	}
	if _, cause := repository.Commit(ctx, sha); cause != nil {
		return nil, explain(cause, link)
	}
	return hosted{repository, link, sha}, nil
}

// File implements Commit.
func (h hosted) File(ctx context.Context) (run.File, error) {
	file, cause := h.repository.File(ctx, run.DescriptionPath(h.link.Spec.Folder()), h.sha, v1alpha1.ReasonInvalidServiceDescription)
	if cause != nil {
		return run.File{}, explain(cause, h.link)
	}
	return file, nil
}

// Older implements Commit.
func (h hosted) Older(ctx context.Context, receipts []v1alpha1.Receipt) (string, error) {
	switch cause := h.repository.Older(ctx, receipts, h.sha); {
	case cause == nil:
		return "", nil
	case cause.Reason == v1alpha1.ReasonOlderCommit:
		return "a run would refuse this commit: " + cause.Message, nil
	default:
		return "", explain(cause, h.link)
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
