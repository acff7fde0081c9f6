package phase

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
)

// oldCredential is how old a Secret may be that builder Pods are yet to clone with. Its token was good for
// github.CloneTokenLifetime when it was made.
const oldCredential = 20 * time.Minute

// credential gets the token that the builder Pods of a GitHub App's phase clone with.
func (c *Controller) credential(ctx context.Context, phase *v1alpha1.Phase) *domain.Credential {
	token, cause := c.Source.CloneToken(ctx, phase)
	return &domain.Credential{Token: token, Problem: cause}
}

// createCredential makes the Secret that builder Pods clone with. One that the Phase owns already is as good while it is
// young; one of somebody else is a problem, and never adopted.
func (c *Controller) createCredential(ctx context.Context, phase *v1alpha1.Phase, secret *corev1.Secret) error {
	secrets := c.Core.Secrets(secret.Namespace)
	_, err := secrets.Create(ctx, secret, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return credentialRefused(secret, err)
	}
	existing, err := secrets.Get(ctx, secret.Name, metav1.GetOptions{})
	switch {
	case err != nil:
		return fmt.Errorf("reading Secret %s: %w", secret.Name, err)
	case !metav1.IsControlledBy(existing, phase) || existing.Type != secret.Type:
		return problem.Config(v1alpha1.ReasonNameConflict,
			"Secret %s/%s is there already and is not this Phase's: delete it and start a new run", secret.Namespace, secret.Name)
	case c.Clock.Since(existing.CreationTimestamp.Time) < oldCredential:
		return nil
	}
	if err := c.deleteCredential(ctx, existing); err != nil {
		return err
	}
	_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	return credentialRefused(secret, err)
}

// credentialRefused is the problem, or the error, of a Secret that was not made. It never has the token in it, whatever
// stands behind the API server.
func credentialRefused(secret *corev1.Secret, err error) error {
	if err == nil {
		return nil
	}
	token := secret.Data[v1alpha1.SecretKeyToken]
	said := strings.NewReplacer(string(token), "…", base64.StdEncoding.EncodeToString(token), "…").Replace(err.Error())
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(said, "exceeded quota"):
		return problem.Transient(v1alpha1.ReasonWaitingForQuota, "the Secret that the builder Pod clones with waits for room in the namespace's quota: %s", said)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return problem.Config(v1alpha1.ReasonPodRejected, "the API server refused the Secret that the builder Pod clones with: %s", said)
	}
	return errors.New("creating Secret " + secret.Name + ": " + said)
}

// removeCredentials removes Secrets that builder Pods cloned with, as far as they are there and the Phase's.
func (c *Controller) removeCredentials(ctx context.Context, phase *v1alpha1.Phase, names []string) error {
	for _, name := range names {
		existing, err := c.Core.Secrets(phase.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return fmt.Errorf("reading Secret %s: %w", name, err)
		case !metav1.IsControlledBy(existing, phase):
			continue
		}
		if err := c.deleteCredential(ctx, existing); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) deleteCredential(ctx context.Context, secret *corev1.Secret) error {
	same := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &secret.UID}}
	if err := c.Core.Secrets(secret.Namespace).Delete(ctx, secret.Name, same); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing Secret %s: %w", secret.Name, err)
	}
	return nil
}
