package link

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/text"
)

// change is what is to be done with an object.
type change string

const (
	created   change = "created"
	rotated   change = "configured" // the word of kubectl apply
	unchanged change = "unchanged"
)

// observation is what is there.
type observation struct {
	// namespace, link and secret are nil where there is none; secret as well where none is wanted.
	namespace *corev1.Namespace
	link      *v1alpha1.TenantRepoLink
	secret    *corev1.Secret
}

// plan says what becomes of the link and of its Secret; secret is "" where none is wanted.
type plan struct{ link, secret change }

// decide tells what is to be done for a link, and its Secret if one is wanted. The error says why nothing is, and what a
// person can do.
func decide(wanted *v1alpha1.TenantRepoLink, secret *corev1.Secret, found observation) (plan, error) {
	if err := checkTenant(wanted.Namespace, found.namespace); err != nil {
		return plan{}, err
	}
	p := plan{link: created}
	if found.link != nil {
		if err := checkLink(wanted, found.link); err != nil {
			return plan{}, err
		}
		p.link = unchanged
	}
	if secret == nil {
		return p, nil
	}
	p.secret = created
	if found.secret != nil {
		if err := checkSecret(found.secret); err != nil {
			return plan{}, err
		}
		p.secret = rotated
		if sameCredential(found.secret.Data, secret.Data) {
			p.secret = unchanged
		}
	}
	return p, nil
}

func checkTenant(name string, namespace *corev1.Namespace) error {
	quoted := view.Quote(name)
	if namespace == nil {
		return fmt.Errorf("there is no namespace %s: -n names the tenant. A cluster admin makes one with:\n  kubectl create namespace %s\n  kubectl label namespace %s %s=%s",
			quoted, quoted, quoted, v1alpha1.LabelTenant, quoted)
	}
	if !isTenant(namespace) {
		return errors.New(link.NotATenant(quoted).Message)
	}
	return nil
}

// isTenant tells of a namespace, nil when it is not there, whether a cluster admin has made it a tenant.
func isTenant(namespace *corev1.Namespace) bool {
	return namespace != nil && namespace.Labels[v1alpha1.LabelTenant] != ""
}

// checkLink tells why a link that is there is not the one that is wanted.
func checkLink(wanted, found *v1alpha1.TenantRepoLink) error {
	name := found.Namespace + "/" + found.Name
	if found.DeletionTimestamp != nil {
		return fmt.Errorf("TenantRepoLink %s is being deleted: try again when it is gone", name)
	}
	fixed, changeable := differences(&wanted.Spec, &found.Spec)
	if len(fixed)+len(changeable) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("TenantRepoLink %s is there already, and is not what you ask for. Nothing was changed.", name)}
	lines = append(append(lines, fixed...), changeable...)
	if len(fixed) > 0 {
		lines = append(lines, fmt.Sprintf("A link's repository and host cannot be changed: make another link with --name, or delete this one first: kubectl delete trl %s -n %s", found.Name, found.Namespace))
	} else {
		lines = append(lines, fmt.Sprintf("Ask for what it has, make another link with --name, or change it first: kubectl edit trl %s -n %s", found.Name, found.Namespace))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// differences are a line for each field in which two links differ, of those that the verb sets: the fields that cannot be
// changed, and the others.
func differences(wanted, found *v1alpha1.TenantRepoLinkSpec) (fixed, changeable []string) {
	line := func(field, has, asked string) string {
		return fmt.Sprintf("  %s: it has %s, you ask for %s", field, view.Quote(cmp.Or(has, "none")), view.Quote(cmp.Or(asked, "none")))
	}
	if !strings.EqualFold(wanted.Repository, found.Repository) { // GitHub's names are the same in any letter case
		fixed = append(fixed, line("repository", found.Repository, wanted.Repository))
	}
	if wanted.Host != found.Host {
		fixed = append(fixed, line("host", found.Host, wanted.Host))
	}
	for _, field := range []struct{ name, has, asked string }{
		{"homeBranch", found.HomeBranch, wanted.HomeBranch},
		{"folderPath", found.Folder(), wanted.Folder()},
		{"env", found.Env, wanted.Env},
		{"secretRef", secretName(found), secretName(wanted)},
	} {
		if field.has != field.asked {
			changeable = append(changeable, line(field.name, field.has, field.asked))
		}
	}
	return fixed, changeable
}

func secretName(spec *v1alpha1.TenantRepoLinkSpec) string {
	if spec.SecretRef == nil {
		return ""
	}
	return spec.SecretRef.Name
}

// checkSecret tells why what a Secret holds is not to be replaced.
func checkSecret(found *corev1.Secret) error {
	name, namespace := text.Line(found.Name), text.Line(found.Namespace)
	switch {
	case found.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy:
		return fmt.Errorf("the Secret %s/%s is there already, and this command did not make it. Nothing was changed. Use what it holds with --secret %s, or make another link with --name",
			namespace, name, name)
	case found.DeletionTimestamp != nil:
		return fmt.Errorf("the Secret %s/%s is being deleted: try again when it is gone", namespace, name)
	}
	return nil
}
