package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/github"
)

// appKeys are the keys of a Secret that holds a GitHub App.
var appKeys = []string{v1alpha1.SecretKeyAppID, v1alpha1.SecretKeyAppInstallationID, v1alpha1.SecretKeyAppPrivateKey}

// credential reads the link's Secret.
func (o *Opener) credential(ctx context.Context, link *v1alpha1.TenantRepoLink) (github.Credential, *problem.Problem) {
	if link.Spec.SecretRef == nil {
		return github.Credential{}, nil
	}
	key := types.NamespacedName{Namespace: link.Namespace, Name: link.Spec.SecretRef.Name}
	return o.read(ctx, key, "TenantRepoLink "+link.Name)
}

// read reads a Secret that somebody names.
func (o *Opener) read(ctx context.Context, key types.NamespacedName, by string) (github.Credential, *problem.Problem) {
	var secret corev1.Secret
	if err := o.Secrets.Get(ctx, key, &secret); err != nil {
		if apierrors.IsNotFound(err) {
			return github.Credential{}, problem.Config(v1alpha1.ReasonTokenMissing,
				"Secret %s, which %s names, is not there: kubectl create secret generic %s -n %s --from-file=token=FILE", key, by, key.Name, key.Namespace)
		}
		return github.Credential{}, problem.Transient(v1alpha1.ReasonTokenMissing, "Secret %s could not be read: %v", key, err)
	}
	return parseCredential(secret.Data, fmt.Sprintf("Secret %s, which %s names,", key, by))
}

// parseCredential takes a token or a GitHub App from the data of a Secret, which a problem names and never repeats.
func parseCredential(data map[string][]byte, secret string) (github.Credential, *problem.Problem) {
	token := data[v1alpha1.SecretKeyToken]
	var there, lacking []string
	for _, name := range appKeys {
		if len(data[name]) > 0 {
			there = append(there, name)
		} else {
			lacking = append(lacking, name)
		}
	}
	switch {
	case len(token) > 0 && len(there) > 0:
		return github.Credential{}, problem.Config(v1alpha1.ReasonCredentialInvalid, "%s has the keys %q and %s: leave the token or the GitHub App, and remove the other",
			secret, v1alpha1.SecretKeyToken, strings.Join(there, ", "))
	case len(token) > 0:
		return github.Credential{Token: string(token)}, nil
	case len(there) == 0:
		return github.Credential{}, problem.Config(v1alpha1.ReasonTokenMissing, "%s has no key %q with a GitHub token in it, nor the keys of a GitHub App: %s",
			secret, v1alpha1.SecretKeyToken, strings.Join(appKeys, ", "))
	case len(lacking) > 0:
		return github.Credential{}, problem.Config(v1alpha1.ReasonCredentialInvalid, "%s has %s, and lacks %s: a GitHub App needs all of %s",
			secret, strings.Join(there, ", "), strings.Join(lacking, ", "), strings.Join(appKeys, ", "))
	}
	app, err := parseApp(data)
	if err != nil {
		return github.Credential{}, problem.Config(v1alpha1.ReasonCredentialInvalid, "%s does not hold a GitHub App: %v", secret, err)
	}
	return github.Credential{App: app}, nil
}

func parseApp(data map[string][]byte) (*github.App, error) {
	id, err := parseID(data, v1alpha1.SecretKeyAppID)
	if err != nil {
		return nil, err
	}
	installation, err := parseID(data, v1alpha1.SecretKeyAppInstallationID)
	if err != nil {
		return nil, err
	}
	key, err := github.ParsePrivateKey(data[v1alpha1.SecretKeyAppPrivateKey])
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", v1alpha1.SecretKeyAppPrivateKey, err)
	}
	return &github.App{ID: id, InstallationID: installation, PrivateKey: key}, nil
}

func parseID(data map[string][]byte, key string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimSpace(string(data[key])), 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("key %s is not a number such as 12345", key)
	}
	return id, nil
}

// scopeOf limits an App's tokens to the link's repository, by its number once that is known.
func scopeOf(target *v1alpha1.TenantRepoLink) github.Scope {
	scope := github.Scope{Repository: link.Repository(target)}
	if target.Status.Repository != nil {
		scope.ID = target.Status.Repository.ID
	}
	return scope
}

// CloneToken gets a token to check out the repository of an execution phase whose credential is a GitHub App, good for
// that and for [github.CloneTokenLifetime].
func (o *Opener) CloneToken(ctx context.Context, phase *v1alpha1.Phase) (string, *problem.Problem) {
	execution := phase.Spec.Execution
	key := types.NamespacedName{Namespace: phase.Namespace, Name: execution.CredentialSecret}
	credential, cause := o.read(ctx, key, "Phase "+phase.Name)
	if cause != nil {
		return "", cause
	}
	if credential.App == nil {
		return "", problem.Config(v1alpha1.ReasonCredentialInvalid,
			"Secret %s holds a token, and held a GitHub App when the run of Phase %s began: start a new run of the commit", key, phase.Name)
	}
	host, repository, found := o.GitHub.Cloned(execution.RepositoryURL)
	if !found {
		return "", problem.Config(v1alpha1.ReasonHostNotAllowed, "%s is of no GitHub that is allowed now (allowed: %s): start a new run of the commit",
			execution.RepositoryURL, strings.Join(o.GitHub.Hosts(), ", "))
	}
	opened, err := o.GitHub.Client(host, credential, github.Scope{Repository: repository})
	if err != nil {
		return "", explain(err, of(key, err), v1alpha1.ReasonHostNotAllowed)
	}
	token, err := opened.CloneToken(ctx)
	if err != nil {
		return "", explain(err, of(key, err), v1alpha1.ReasonRepositoryNotFound)
	}
	return token, nil
}

// of tells a person which Secret it was.
func of(secret types.NamespacedName, err error) string {
	kind := "token"
	if detail, ok := errors.AsType[*github.Error](err); ok && detail.About != "" {
		kind = "GitHub App"
	}
	return fmt.Sprintf(" (%s of Secret %s)", kind, secret)
}
