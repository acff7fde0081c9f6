package cli_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

const (
	firstToken  = "ghp_first56789abcdefghijABCDEFGHIJ012345"
	secondToken = "ghp_second6789abcdefghijABCDEFGHIJ012345"
)

// linking is a tenant in which ann links repositories, and the test plays the manager. ann may do what docs/plugin.md says is
// needed, and no more; bob the same but for Secrets, carl but for making links, dora but for the namespace.
type linking struct {
	*testing.T
	admin                client.Client
	ann, bob, carl, dora user
	first, second        string // files with tokens
}

// TestARepositoryIsLinked is what people do to link repositories, on a real API server.
func TestARepositoryIsLinked(t *testing.T) {
	cluster, admin := start(t)
	create(t, admin,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Labels: map[string]string{v1alpha1.LabelTenant: tenant}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "plain"}})
	namespaces := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}}
	secrets := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "patch"}}
	links := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"tenantrepolinks"}, Verbs: verbs}
	}
	l := linking{T: t, admin: admin,
		ann: person(t, cluster, admin, "ann", []rbacv1.PolicyRule{namespaces, secrets, links("get", "list", "watch", "create"),
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"get"}}}),
		bob:  person(t, cluster, admin, "bob", []rbacv1.PolicyRule{namespaces, links("get", "list", "watch", "create")}),
		carl: person(t, cluster, admin, "carl", []rbacv1.PolicyRule{namespaces, secrets, links("get", "list", "watch")}),
		dora: person(t, cluster, admin, "dora", []rbacv1.PolicyRule{secrets, links("get", "list", "watch", "create")}),
	}
	create(t, admin,
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "namespaces"}, Rules: []rbacv1.PolicyRule{namespaces}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "ann"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "namespaces"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "ann"}}})
	dir := t.TempDir()
	l.first, l.second = filepath.Join(dir, "first"), filepath.Join(dir, "second")
	write(t, l.first, firstToken+"\n")
	write(t, l.second, secondToken)
	t.Run("what cannot be linked", func(t *testing.T) { l.with(t).refusals() })
	t.Run("linked, rejected, with another token", func(t *testing.T) { l.with(t).rotation() })
	t.Run("what is there already", func(t *testing.T) { l.with(t).again() })
	t.Run("a GitHub App", func(t *testing.T) { l.with(t).apps() })
	t.Run("not told", func(t *testing.T) { l.with(t).untold() })
}

func (l linking) with(t *testing.T) linking {
	t.Helper()
	l.T = t
	return l
}

// refusals leave nothing behind.
func (l linking) refusals() {
	// Somebody else's Secret, of the name that a link would have its own by.
	create(l.T, l.admin, &corev1.Secret{ObjectMeta: meta("taken-github"), StringData: map[string]string{v1alpha1.SecretKeyToken: "theirs"}})
	for name, c := range map[string]struct {
		user user
		args []string
		said string
	}{
		"no tenant":            {l.ann, []string{"--tenant", "plain"}, "error: namespace plain is not a tenant: a cluster admin makes it one with: kubectl label namespace plain katkit.dev/tenant=NAME\n"},
		"no namespace":         {l.ann, []string{"--tenant", "none"}, "error: there is no namespace none: -n names the tenant."},
		"an invalid link":      {l.ann, []string{"--folder", "../api", "--name", "api"}, "folderPath has no '.' or '..' in it: name the folder from the repository's root"},
		"an invalid branch":    {l.ann, []string{"--branch", "a..b"}, "homeBranch is not a valid branch name"},
		"a Secret is taken":    {l.ann, []string{"--name", "taken"}, "the Secret d-shop/taken-github is there already, and this command did not make it."},
		"no right to Secrets":  {l.bob, nil, `error: you may not get secrets in namespace d-shop: the verb "get" on secrets is needed there.`},
		"no right to links":    {l.carl, nil, `error: you may not create tenantrepolinks.katkit.dev in namespace d-shop: the verb "create" on tenantrepolinks.katkit.dev is needed there.`},
		"no right to see a ns": {l.dora, nil, `error: you may not get namespaces in namespace d-shop: the verb "get" on namespaces is needed there.`},
	} {
		args := append([]string{"link", "acme/shop", "--token-file", l.first}, c.args...)
		out, said, code := c.user.run(l.T, args...)
		if code != 2 || out != "" || !strings.Contains(said, c.said) {
			l.Errorf("%s: exit code %d, output %s, said %s, want %s", name, code, out, said, c.said)
		}
		l.noToken(out + said)
	}
	var made v1alpha1.TenantRepoLinkList
	var secrets corev1.SecretList
	if err := l.admin.List(l.Context(), &made); err != nil || len(made.Items) > 0 {
		l.Errorf("links %v, %v", made.Items, err)
	}
	if err := l.admin.List(l.Context(), &secrets); err != nil || len(secrets.Items) != 1 || string(secrets.Items[0].Data[v1alpha1.SecretKeyToken]) != "theirs" {
		l.Errorf("%d Secrets, %v", len(secrets.Items), err)
	}
}

// rotation is a repository that is linked with a token that GitHub rejects, then with one that it takes.
func (l linking) rotation() {
	verb := l.ann.begin(l.T, "link", "git@github.com:acme/Shop.git", "--folder", "/api/", "--env", "BETA", "--token-file", l.first)
	verb.out.Await(l.T, "secret/shop-api-github created\ntenantrepolink.katkit.dev/shop-api created\n")
	verb.said.Await(l.T, "waiting up to 2m for Katkit to check the link\n")
	verb.said.Await(l.T, "Warning: ServiceAccount d-shop/katkit-deployer is not there")
	l.check("shop-api", metav1.ConditionUnknown, v1alpha1.ReasonGitHubUnavailable, "no \x1b[31manswer\x1b[0m")
	verb.said.Await(l.T, "not yet, Katkit tries again: GitHubUnavailable: no answer\n")
	l.check("shop-api", metav1.ConditionFalse, v1alpha1.ReasonTokenRejected, "replace it with a valid one")
	if code := verb.code(l.T); code != 1 || !strings.Contains(verb.said.String(), "error: TenantRepoLink d-shop/shop-api is not ready: TokenRejected: replace it with a valid one\nThe link stays,") {
		l.Errorf("exit code %d, said %s", code, verb.said)
	}
	l.noToken(verb.out.String() + verb.said.String())
	link := l.link("shop-api")
	if s := link.Spec; s.Repository != "acme/Shop" || s.Host != "github.com" || s.HomeBranch != "main" || s.FolderPath != "api" || s.Env != "BETA" || s.SecretRef.Name != "shop-api-github" {
		l.Errorf("the link is %+v", s)
	}
	l.secret("shop-api-github", firstToken)

	// The same with another token waits for the next check, whatever is known.
	verb = l.ann.begin(l.T, "link", "acme/shop", "--folder", "api", "--env", "BETA", "--token-file", l.second)
	verb.said.Await(l.T, "for the link's next check, which is the first with the new credential")
	l.secret("shop-api-github", secondToken)
	select {
	case code := <-verb.ended:
		l.Fatalf("the verb took what was known before, with exit code %d", code)
	default:
	}
	l.check("shop-api", metav1.ConditionTrue, v1alpha1.ReasonReady, "found")
	want := "secret/shop-api-github configured\ntenantrepolink.katkit.dev/shop-api unchanged\nready: branch main of acme/Shop was found\n" +
		"newest commit: 5c1fe1b Mend the basket\n\nNext:\n  kubectl katkit run shop-api -n d-shop\n"
	if code := verb.code(l.T); code != 0 || verb.out.String() != want {
		l.Errorf("exit code %d, output %s%s", code, verb.out, verb.said)
	}
	l.noToken(verb.out.String() + verb.said.String())
}

// apps puts a GitHub App in the place of the token, and a token in that of the App.
func (l linking) apps() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		l.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	file := filepath.Join(l.TempDir(), "key.pem")
	write(l.T, file, text)
	link := []string{"link", "acme/shop", "--folder", "api", "--env", "BETA", "--tenant", tenant, "--wait=false"}
	app := []string{"--app-id", "42", "--app-installation-id", "7", "--app-private-key-file", file}
	for name, c := range map[string]struct {
		args []string
		said string
	}{
		"a token, too": {append(slices.Clone(app), "--token-file", l.first), "none of the others can be"},
		"no key":       {app[:4], "must all be set"},
		"a wrong key":  {append(slices.Clone(app[:5]), l.first), "is not an RSA private key in PEM"},
	} {
		out, said, code := l.ann.run(l.T, append(slices.Clone(link), c.args...)...)
		if code != 2 || out != "" || !strings.Contains(said, c.said) {
			l.Errorf("%s: exit code %d, output %s, said %s", name, code, out, said)
		}
		l.noToken(out + said)
	}
	l.secret("shop-api-github", secondToken)
	for _, c := range []struct {
		args []string
		want map[string]string
	}{
		{app, map[string]string{"githubAppID": "42", "githubAppInstallationID": "7", "githubAppPrivateKey": text}},
		{[]string{"--token-file", l.second}, map[string]string{"token": secondToken}},
	} {
		out, said, code := l.ann.run(l.T, append(slices.Clone(link), c.args...)...)
		if code != 0 || out != "secret/shop-api-github configured\ntenantrepolink.katkit.dev/shop-api unchanged\n" || strings.Contains(out+said, text[40:80]) {
			l.Errorf("exit code %d, output %s, said %s", code, out, said)
		}
		var secret corev1.Secret
		if err := l.admin.Get(l.Context(), client.ObjectKey{Namespace: tenant, Name: "shop-api-github"}, &secret); err != nil {
			l.Fatal(err)
		}
		got := map[string]string{}
		for key, value := range secret.Data {
			got[key] = string(value)
		}
		if !maps.Equal(got, c.want) {
			l.Errorf("the Secret has the keys %v", slices.Sorted(maps.Keys(got)))
		}
	}
}

// again asks for the link that is there, and for others of its name.
func (l linking) again() {
	create(l.T, l.admin, &corev1.ServiceAccount{ObjectMeta: meta("katkit-deployer")})
	before := l.link("shop-api").ResourceVersion
	args := []string{"link", "https://github.com/acme/shop/tree/main/api", "--branch", "main", "--env", "BETA", "--tenant", tenant}
	out, said, code := l.ann.run(l.T, append(args, "--token-file", l.second)...)
	if code != 0 || said != "" || !strings.HasPrefix(out, "secret/shop-api-github unchanged\ntenantrepolink.katkit.dev/shop-api unchanged\nready: ") {
		l.Errorf("exit code %d, output %s, said %s", code, out, said)
	}
	if out, said, code := l.bob.run(l.T, append(args, "--secret", "shop-api-github", "--wait=false")...); code != 0 || out != "tenantrepolink.katkit.dev/shop-api unchanged\n" || !strings.HasPrefix(said, "Katkit checks the link now") {
		l.Errorf("exit code %d, output %s, said %s", code, out, said)
	}
	for want, more := range map[string][]string{
		"  repository: it has acme/Shop, you ask for acme/web\nA link's repository and host cannot be changed": {"acme/web", "--token-file", l.first, "--folder", "api", "--env", "BETA"},
		"  env: it has BETA, you ask for none\n":                    {"acme/shop", "--token-file", l.first, "--folder", "api"},
		"  secretRef: it has shop-api-github, you ask for github\n": {"acme/shop", "--secret", "github", "--folder", "api", "--env", "BETA"},
	} {
		if out, said, code := l.ann.run(l.T, append([]string{"link", "--name", "shop-api"}, more...)...); code != 2 || out != "" || !strings.Contains(said, want) {
			l.Errorf("%v: exit code %d, output %s, said %s", more, code, out, said)
		}
	}
	l.secret("shop-api-github", secondToken)
	if after := l.link("shop-api").ResourceVersion; after != before {
		l.Errorf("the link was written: version %s, then %s", before, after)
	}
}

// untold is a link that nobody checks, one that is waited for no more, and one that goes away.
func (l linking) untold() {
	out, said, code := l.ann.run(l.T, "link", "acme/silent", "--timeout", "1s")
	if code != 2 || out != "tenantrepolink.katkit.dev/silent created\n" || !strings.Contains(said, "after 1s it is not known whether it works: Katkit has not checked it. Does its manager run?") {
		l.Errorf("exit code %d, output %s, said %s", code, out, said)
	}
	if l.link("silent").Spec.SecretRef != nil {
		l.Error("a link without a token names a Secret")
	}
	verb := l.ann.begin(l.T, "link", "acme/silent")
	verb.said.Await(l.T, "waiting up to 2m")
	verb.interrupt()
	if code := verb.code(l.T); code != 130 || !strings.Contains(verb.said.String(), "stopped waiting; the link stays") {
		l.Errorf("exit code %d, said %s", code, verb.said)
	}
	verb = l.ann.begin(l.T, "link", "acme/silent")
	verb.said.Await(l.T, "waiting up to 2m")
	if err := l.admin.Delete(l.Context(), l.link("silent")); err != nil {
		l.Fatal(err)
	}
	if code := verb.code(l.T); code != 2 || !strings.Contains(verb.said.String(), "TenantRepoLink d-shop/silent was deleted") {
		l.Errorf("exit code %d, said %s", code, verb.said)
	}
}

// check has the manager write what it found.
func (l linking) check(name string, status metav1.ConditionStatus, reason, message string) {
	l.Helper()
	link := l.link(name)
	apimeta.SetStatusCondition(&link.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: link.Generation})
	if status == metav1.ConditionTrue {
		link.Status.HomeBranch = &v1alpha1.CommitStatus{SHA: sha, Message: "Mend the basket"}
	}
	if err := l.admin.Status().Update(l.Context(), link); err != nil {
		l.Fatal(err)
	}
}

func (l linking) link(name string) *v1alpha1.TenantRepoLink {
	l.Helper()
	var link v1alpha1.TenantRepoLink
	if err := l.admin.Get(l.Context(), client.ObjectKey{Namespace: tenant, Name: name}, &link); err != nil {
		l.Fatal(err)
	}
	return &link
}

// secret holds that a Secret has the token, and has it in its data alone.
func (l linking) secret(name, token string) {
	l.Helper()
	var secret corev1.Secret
	if err := l.admin.Get(l.Context(), client.ObjectKey{Namespace: tenant, Name: name}, &secret); err != nil {
		l.Fatal(err)
	}
	if string(secret.Data[v1alpha1.SecretKeyToken]) != token || len(secret.Data) != 1 || secret.Type != corev1.SecretTypeOpaque ||
		secret.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy || len(secret.Annotations) > 0 || secret.ManagedFields[0].Manager != v1alpha1.ManagedBy {
		l.Errorf("Secret %s: %d keys, type %s, labels %v, annotations %v", name, len(secret.Data), secret.Type, secret.Labels, secret.Annotations)
	}
}

// noToken holds that nothing of the tokens was printed.
func (l linking) noToken(printed string) {
	l.Helper()
	for _, token := range []string{firstToken, secondToken} {
		if strings.Contains(printed, token) || strings.Contains(printed, base64.StdEncoding.EncodeToString([]byte(token))) {
			l.Errorf("a token is printed: %s", printed)
		}
	}
}
