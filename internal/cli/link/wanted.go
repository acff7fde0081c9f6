package link

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/create"
)

const (
	defaultBranch = "main"
	// secretSuffix makes the name of a link's Secret of the link's.
	secretSuffix = "-github"
)

// options are what the flags say, "" for one that was not given.
type options struct {
	address, branch, folder, env, host, name string
	// secret is the name of one that is there; tokenFile where the token of a new one is read from.
	secret, tokenFile string
	app               app
}

// wanted makes the link that the flags ask for, without its namespace.
func (o options) wanted() (*v1alpha1.TenantRepoLink, error) {
	address, err := ParseAddress(o.address)
	if err != nil {
		return nil, err
	}
	host, err := parseHost(o.host)
	if err != nil {
		return nil, fmt.Errorf("--host: %w", err)
	}
	if host != "" && address.Host != "" && host != address.Host {
		return nil, fmt.Errorf("--host %s is another host than %s of the address: leave one of them out", host, address.Host)
	}
	branch, folder, err := address.Place(o.branch, o.folder)
	if err != nil {
		return nil, err
	}
	if err := create.CheckName(o.name); err != nil {
		return nil, err
	}
	name := cmp.Or(o.name, defaultName(address.Repository, folder))
	if name == "" {
		return nil, fmt.Errorf("the name of %s has nothing that a link's name can have: give the link one with --name", address.Repository)
	}
	link := &v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.TenantRepoLinkSpec{
			Repository: address.Repository, Host: cmp.Or(host, address.Host, defaultHost), HomeBranch: cmp.Or(branch, defaultBranch),
			FolderPath: strings.Trim(folder, "/"), Env: o.env,
		},
	}
	secret := o.secret
	if o.tokenFile != "" || o.app.given() {
		secret = name + secretSuffix
	}
	if secret != "" {
		link.Spec.SecretRef = &v1alpha1.ObjectName{Name: secret}
	}
	return link, nil
}

// newSecret makes the Secret that a link names of a token or an App, without its namespace.
func newSecret(link *v1alpha1.TenantRepoLink, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: link.Spec.SecretRef.Name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
}

var noLabel = regexp.MustCompile(`[^a-z0-9]+`)

// defaultName is a DNS label made of the repository's name and the folder. "" when nothing is left of them.
func defaultName(repository, folder string) string {
	_, name, _ := strings.Cut(repository, "/")
	label := strings.Trim(noLabel.ReplaceAllString(strings.ToLower(name+"-"+folder), "-"), "-")
	return strings.TrimRight(label[:min(len(label), create.MaxName)], "-")
}
