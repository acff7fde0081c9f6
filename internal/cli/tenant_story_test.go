package cli_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// TestATenantIsMade is what a cluster admin does first, on a real API server; ann is one, bob may read alone, and carl may make
// namespaces but has not the deployer's rights.
func TestATenantIsMade(t *testing.T) {
	cluster, admin := start(t)
	create(t, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Annotations: map[string]string{"team": "shop"}}})
	ann, bob, carl := clusterWide(t, cluster, admin, "ann", "*"), clusterWide(t, cluster, admin, "bob", "get"), clusterWide(t, cluster, admin, "carl", "get", "create", "patch")
	const next = "\nNext:\n  kubectl katkit link OWNER/REPO --token-file FILE -n d-shop\n"
	objects := []string{"namespace/d-shop", "serviceaccount/katkit-deployer", "rolebinding.rbac.authorization.k8s.io/katkit-deployer", "resourcequota/katkit", "limitrange/katkit"}
	told := func(words ...string) string {
		var lines strings.Builder
		for i, word := range words {
			lines.WriteString(objects[i] + " " + word + "\n")
		}
		return lines.String() + next
	}

	if out, said, code := bob.run(t, "tenant", "create", tenant, "--env", "DEV"); code != 1 || out != "" || !strings.Contains(said, "error: you may not patch namespaces: a tenant is made by a cluster admin") {
		t.Errorf("bob: exit code %d, output %s, said %s", code, out, said)
	}
	out, said, code := ann.run(t, "tenant", "create", tenant, "--env", "DEV")
	if code != 0 || out != told("configured", "created", "created") || !strings.HasPrefix(said, "Warning: there is no ClusterRole katkit-deployer") {
		t.Errorf("exit code %d, output %s, said %s", code, out, said)
	}
	create(t, admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "katkit-deployer"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"update"}}}})
	for _, args := range [][]string{{"--env", "DEV"}, nil} { // an env that is not named stays
		if out, said, code := ann.run(t, append([]string{"tenant", "create", tenant}, args...)...); code != 0 || out != told("unchanged", "unchanged", "unchanged") || said != "" {
			t.Errorf("again: exit code %d, output %s, said %s", code, out, said)
		}
	}
	if out, said, code := ann.run(t, "tenant", "create", tenant, "--quota", "sample", "--dry-run=none"); code != 0 || out != told("unchanged", "unchanged", "unchanged", "created", "created") {
		t.Errorf("with a quota: exit code %d, output %s, said %s", code, out, said)
	}
	var namespace corev1.Namespace
	if err := admin.Get(t.Context(), client.ObjectKey{Name: tenant}, &namespace); err != nil || namespace.Labels[v1alpha1.LabelTenant] != tenant ||
		namespace.Annotations[v1alpha1.AnnotationEnv] != "DEV" || namespace.Annotations["team"] != "shop" {
		t.Errorf("the Namespace is %+v, %v", namespace.ObjectMeta, err)
	}
	for said, args := range map[string][]string{
		"error: tenant d-shop has the env DEV: with PROD its links would run other phases": {tenant, "--env", "PROD"},
		"error: namespace d-shop is the tenant d-shop":                                     {"other", "-n", tenant},
		"error: namespace default is the system's":                                         {"default"},
		"error: --env is empty":                                                            {tenant, "--env="},
		`error: -o "json": only yaml is there`:                                             {tenant, "-o", "json"},
	} {
		if out, got, code := ann.run(t, append([]string{"tenant", "create"}, args...)...); code != 1 || out != "" || !strings.Contains(got, said) {
			t.Errorf("%v: exit code %d, output %s, said %s", args, code, out, got)
		}
	}
	if out, said, code := ann.run(t, "tenant", "create", tenant, "--env", "PROD", "--force"); code != 0 || out != told("configured", "unchanged", "unchanged") {
		t.Errorf("forced: exit code %d, output %s, said %s", code, out, said)
	}
	if out, said, code := carl.run(t, "tenant", "create", "d-new", "--env", "DEV"); code != 1 || out != "namespace/d-new created\nserviceaccount/katkit-deployer created\n" ||
		!strings.Contains(said, "you may not give the ClusterRole katkit-deployer to a ServiceAccount") || !strings.Contains(said, "The same command again goes on where this one ended") {
		t.Errorf("carl: exit code %d, output %s, said %s", code, out, said)
	}
	printed(t, ann, admin)
}

// printed holds that the manifests are printed without a cluster, and are what the API server takes.
func printed(t *testing.T, ann user, admin client.Client) {
	t.Helper()
	out, said, code := ann.run(t, "tenant", "create", "d-printed", "--dry-run=client", "-o", "yaml", "--quota", "sample")
	if code != 0 || said != "" || strings.Count(out, "\n---\n") != 4 {
		t.Errorf("exit code %d, output %s, said %s", code, out, said)
	}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "d-printed"}, &corev1.Namespace{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the Namespace was made: %v", err)
	}
	strict := client.WithFieldValidation(admin, metav1.FieldValidationStrict)
	for document := range strings.SplitSeq(out, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		var options []client.CreateOption
		if object.GetKind() != "Namespace" { // the first, which the others are in
			options = append(options, client.DryRunAll)
		}
		if err := strict.Create(t.Context(), object, options...); err != nil {
			t.Errorf("%s: %v", document, err)
		}
	}
}

// clusterWide makes a user who may do some verbs to namespaces and what a tenant consists of.
func clusterWide(t *testing.T, cluster *envtest.Environment, admin client.Client, name string, verbs ...string) user {
	t.Helper()
	u := person(t, cluster, admin, name, nil)
	create(t, admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces", "serviceaccounts", "resourcequotas", "limitranges"}, Verbs: verbs},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings", "clusterroles"}, Verbs: verbs},
	}}, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}}})
	return u
}
