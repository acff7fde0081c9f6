package link

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
)

const (
	links      = "tenantrepolinks.katkit.dev"
	secrets    = "secrets"
	namespaces = "namespaces"
)

// result is what became of a link and its Secret.
type result struct {
	plan
	// link as the API server has it.
	link *v1alpha1.TenantRepoLink
}

// ensure makes what is wanted in a namespace; secret is nil where there is none. Nothing is made unless the API server takes
// all of it.
func ensure(ctx context.Context, live client.Client, namespace string, wanted *v1alpha1.TenantRepoLink, secret *corev1.Secret) (result, error) {
	wanted.Namespace = namespace
	if secret != nil {
		secret.Namespace = namespace
	}
	found, err := observe(ctx, live, wanted, secret)
	if err != nil {
		return result{}, err
	}
	p, err := decide(wanted, secret, found)
	if err != nil {
		return result{}, err
	}
	if _, err := act(ctx, client.NewDryRunClient(live), wanted, secret, found, p); err != nil {
		return result{}, err
	}
	link, err := act(ctx, live, wanted, secret, found, p)
	if err != nil {
		return result{}, fmt.Errorf("%w\nThe same command again goes on where this one ended", err)
	}
	return result{plan: p, link: link}, nil
}

// observe reads what is there.
func observe(ctx context.Context, live client.Reader, wanted *v1alpha1.TenantRepoLink, secret *corev1.Secret) (observation, error) {
	var found observation
	var err error
	if found.namespace, err = read(ctx, live, &corev1.Namespace{}, client.ObjectKey{Name: wanted.Namespace}, namespaces, wanted.Namespace); err != nil {
		return found, err
	}
	if !isTenant(found.namespace) {
		return found, nil // it need not be known what else is there, and the user may have no right to
	}
	if found.link, err = read(ctx, live, &v1alpha1.TenantRepoLink{}, client.ObjectKeyFromObject(wanted), links, wanted.Namespace); err != nil {
		return found, err
	}
	if secret != nil {
		found.secret, err = read(ctx, live, &corev1.Secret{}, client.ObjectKeyFromObject(secret), secrets, wanted.Namespace)
	}
	return found, err
}

// read gives nil for what is not there.
func read[T client.Object](ctx context.Context, live client.Reader, object T, key client.ObjectKey, resource, namespace string) (T, error) {
	var none T
	err := live.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, explain(err, "get", resource, namespace)
	}
	return object, nil
}

// act does what the plan says, the Secret first: a link whose Secret is missing does not work. It gives the link as the API
// server has it.
func act(ctx context.Context, live client.Client, wanted *v1alpha1.TenantRepoLink, secret *corev1.Secret, found observation, p plan) (*v1alpha1.TenantRepoLink, error) {
	switch p.secret {
	case unchanged: // or none
	case created:
		if err := live.Create(ctx, secret.DeepCopy(), client.FieldOwner(v1alpha1.ManagedBy)); err != nil {
			return nil, hide(explain(err, "create", secrets, secret.Namespace), secret)
		}
	case rotated:
		if err := rotate(ctx, live, found.secret.DeepCopy(), secret); err != nil {
			return nil, hide(explain(err, "patch", secrets, secret.Namespace), secret)
		}
	}
	if p.link != created {
		return found.link, nil
	}
	link := wanted.DeepCopy()
	if err := live.Create(ctx, link, client.FieldOwner(v1alpha1.ManagedBy)); err != nil {
		return nil, explain(err, "create", links, wanted.Namespace)
	}
	return link, nil
}

// rotate replaces the token or the App of a Secret, unless the Secret has changed since it was read.
func rotate(ctx context.Context, live client.Client, found, secret *corev1.Secret) error {
	data := map[string]any{}
	for _, key := range credentialKeys() {
		if value, wanted := secret.Data[key]; wanted {
			data[key] = value
		} else {
			data[key] = nil // a token and an App exclude each other
		}
	}
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": found.UID, "resourceVersion": found.ResourceVersion},
		"data":     data,
	})
	if err != nil {
		return fmt.Errorf("making the patch: %w", err)
	}
	return live.Patch(ctx, found, client.RawPatch(types.MergePatchType, body), client.FieldOwner(v1alpha1.ManagedBy))
}

// deployerMissing tells whether the ServiceAccount that deploys for the link is not there. Who may not read it is not told.
func deployerMissing(ctx context.Context, live client.Reader, link *v1alpha1.TenantRepoLink) bool {
	var account metav1.PartialObjectMetadata
	account.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccount"))
	return apierrors.IsNotFound(live.Get(ctx, client.ObjectKey{Namespace: link.Namespace, Name: deployer(link)}, &account))
}

// deployer is the ServiceAccount that deploys for the link.
func deployer(link *v1alpha1.TenantRepoLink) string {
	return cmp.Or(link.Spec.Deployer.ServiceAccountName, v1alpha1.DefaultDeployer)
}

// explain says which right is missing where one is, else what was tried.
func explain(err error, verb, resource, namespace string) error {
	// Admission and quotas forbid as well.
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), fmt.Sprintf("cannot %s resource", verb)) {
		return fmt.Errorf("you may not %s %s in namespace %s: the verb %q on %s is needed there. Kubernetes' role admin of the namespace has it.\nThe API server said: %w",
			verb, resource, namespace, verb, resource, err)
	}
	return find.Explain(err, fmt.Sprintf("%s %s in namespace %s", verb, resource, namespace))
}

// hide takes the token or the key out of what the API server said, or a webhook behind it.
func hide(err error, secret *corev1.Secret) error {
	var secrets []string
	for _, key := range []string{v1alpha1.SecretKeyToken, v1alpha1.SecretKeyAppPrivateKey} {
		if value := secret.Data[key]; len(value) > 0 {
			secrets = append(secrets, string(value), "…", base64.StdEncoding.EncodeToString(value), "…")
		}
	}
	said := err.Error()
	clean := strings.NewReplacer(secrets...).Replace(said)
	if clean == said {
		return err
	}
	return errors.New(clean)
}
