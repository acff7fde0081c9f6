package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// pluginPath is the plugin as it was built for this suite.
var pluginPath = filepath.Join("..", "..", "bin", "kubectl-katkit")

// viewer is a ServiceAccount of a tenant that has one role there, Kubernetes' own role view if nothing else is said.
type viewer struct {
	tenant *tenant
	// kubeconfig is a file that knows the cluster, and nobody to sign in as.
	kubeconfig string
	token      string
}

func (t *tenant) viewer(ctx context.Context) viewer {
	GinkgoHelper()
	return t.viewerWith(ctx, "viewer", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"})
}

// storeViewer is a viewer who may see runs and Pods, and read logs of the log store alone.
func (t *tenant) storeViewer(ctx context.Context) viewer {
	GinkgoHelper()
	const name = "store-viewer"
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"ciruns", "phases", contract.LogResource}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}},
	}}
	Expect(suite.Client.Create(ctx, role)).To(Succeed())
	return t.viewerWith(ctx, name, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name})
}

func (t *tenant) viewerWith(ctx context.Context, name string, role rbacv1.RoleRef) viewer {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: t.namespace, Name: name}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: role, Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: t.namespace, Name: meta.Name}}},
	} {
		Expect(suite.Client.Create(ctx, object)).To(Succeed())
	}
	request, err := suite.Clientset.CoreV1().ServiceAccounts(t.namespace).CreateToken(ctx, meta.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())

	config := clientcmdapi.NewConfig()
	config.CurrentContext = "e2e"
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e"}
	config.Clusters["e2e"] = &clientcmdapi.Cluster{
		Server: suite.Config.Host, TLSServerName: suite.Config.ServerName, InsecureSkipTLSVerify: suite.Config.Insecure,
		CertificateAuthority: suite.Config.CAFile, CertificateAuthorityData: suite.Config.CAData,
	}
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*config, path)).To(Succeed())
	return viewer{tenant: t, kubeconfig: path, token: request.Status.Token}
}

// logs is the call of the plugin's verb of this name, as the viewer.
func (v viewer) logs(args ...string) []string {
	return slices.Concat([]string{pluginPath, "logs"}, args, []string{"-n", v.tenant.namespace, "--kubeconfig", v.kubeconfig, "--token", v.token})
}

// shows returns the logs that the plugin shows, which has nothing to say beside them.
func (v viewer) shows(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return shows(ctx, v.logs(args...))
}

// shows returns what a program writes, which ends well, and says nothing on the standard error.
func shows(ctx context.Context, call []string) string {
	GinkgoHelper()
	command := exec.CommandContext(ctx, call[0], call[1:]...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	Expect(command.Run()).To(Succeed(), "%s", &said)
	Expect(said.String()).To(BeEmpty())
	return out.String()
}
