package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

const (
	// patience is how long a spec waits for what shall happen. It is long for machines that are busy.
	patience = 2 * time.Minute
	// glance is how often it looks.
	glance = 200 * time.Millisecond
)

// suite is what all specs share. BeforeSuite fills it.
var suite environment

type environment struct {
	*install.Cluster
	github *install.GitHub
	images install.Images
	// token reads every repository of the stand-in; nothing else on this cluster knows it.
	token string
	// id is in the name of everything that this run of the suite makes.
	id    string
	count atomic.Int64
	pods  *podRecorder
}

func TestE2E(t *testing.T) {
	if os.Getenv("KUBECONFIG") == "" {
		t.Skip("SKIPPED: end-to-end tests need a cluster, and KUBECONFIG names none: run `make test-e2e`, which brings one")
	}
	cluster, err := install.Connect(t.Context(), &progress{t})
	if err != nil {
		t.Fatal(err)
	}
	suite.Cluster = cluster
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(glance)
	SetDefaultConsistentlyPollingInterval(glance)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Katkit end to end")
}

// progress writes lines of what takes long to the test's log.
type progress struct{ t *testing.T }

func (p *progress) Write(line []byte) (int, error) {
	p.t.Log(strings.TrimRight(string(line), "\n"))
	return len(line), nil
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.id = fmt.Sprintf("%06x", rand.N(1<<24))
	removeNamespaces(ctx, "") // what an earlier run that was killed left behind

	var err error
	suite.images, err = suite.Images(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(suite.Katkit(ctx, suite.images)).To(Succeed())
	suite.github, err = suite.GitHub(ctx, suite.images)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(suite.github.Close)

	suite.token = "e2e-token-" + suite.id
	Expect(suite.github.AddToken(ctx, suite.token, fakegithub.Account{
		Login: "katkit-e2e", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write},
	})).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(suite.github.RevokeToken(ctx, suite.token)).To(Succeed()) })

	suite.pods = recordPods()
	DeferCleanup(suite.pods.stop)
}, NodeTimeout(20*time.Minute))

var _ = AfterSuite(func(ctx SpecContext) {
	if suite.id != "" {
		removeNamespaces(ctx, suite.id)
	}
}, NodeTimeout(patience))

// name is a new name, the same for nothing else: "e2e-ID-N/WHAT", as repositories are named.
func (e *environment) name(what string) string {
	return fmt.Sprintf("e2e-%s/%s-%d", e.id, what, e.count.Add(1))
}

// serviceImage is the image of this tag that specs deploy.
func (e *environment) serviceImage(tag string) string {
	return imageRepository(e.images.Builder) + ":" + tag
}

// release makes the image of a commit available, as a build would: a tag of the builder image.
func (e *environment) release(ctx context.Context, sha string) {
	Expect(e.tag(ctx, e.images.Builder, e.serviceImage(sha))).To(Succeed())
}

const labelSuite = "e2e.katkit.dev/suite"

// removeNamespaces removes the namespaces of a run of the suite, or of all ("") of them, and waits until they are gone.
func removeNamespaces(ctx context.Context, id string) {
	selector := client.ListOption(client.HasLabels{labelSuite})
	if id != "" {
		selector = client.MatchingLabels{labelSuite: id}
	}
	Eventually(func(ctx context.Context) ([]string, error) {
		var list corev1.NamespaceList
		if err := suite.Client.List(ctx, &list, selector); err != nil {
			return nil, err
		}
		var names []string
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
			if list.Items[i].DeletionTimestamp.IsZero() {
				if err := deleteNamespace(ctx, list.Items[i].Name); err != nil {
					return nil, err
				}
			}
		}
		return names, nil
	}).WithContext(ctx).Should(BeEmpty(), "namespaces that are not gone")
}

func deleteNamespace(ctx context.Context, name string) error {
	err := suite.Clientset.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
