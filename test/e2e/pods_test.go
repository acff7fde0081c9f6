package e2e

import (
	"context"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// podRecorder remembers every builder Pod that was ever made while the suite runs, as it was last seen.
type podRecorder struct {
	mu   sync.Mutex
	pods map[types.UID]*corev1.Pod
	done chan struct{}
}

func recordPods() *podRecorder {
	r := &podRecorder{pods: map[types.UID]*corev1.Pod{}, done: make(chan struct{})}
	factory := informers.NewSharedInformerFactoryWithOptions(suite.Clientset, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = v1alpha1.LabelComponent + "=" + v1alpha1.ComponentBuilder
	}))
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.saw,
		UpdateFunc: func(_, pod any) { r.saw(pod) },
	})
	Expect(err).NotTo(HaveOccurred())
	factory.Start(r.done)
	Expect(cache.WaitForCacheSync(r.done, informer.HasSynced)).To(BeTrue())
	return r
}

func (r *podRecorder) saw(object any) {
	pod, isPod := object.(*corev1.Pod)
	if !isPod {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods[pod.UID] = pod
}

func (r *podRecorder) stop() { close(r.done) }

// of returns the builder Pods that were ever made for which the condition holds, by name.
func (r *podRecorder) of(condition func(*corev1.Pod) bool) []*corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*corev1.Pod
	for _, pod := range r.pods {
		if condition(pod) {
			found = append(found, pod)
		}
	}
	slices.SortFunc(found, func(a, b *corev1.Pod) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return found
}

// ofRun returns the builder Pods that were ever made for a run.
func (r *podRecorder) ofRun(run *v1alpha1.CIRun) []*corev1.Pod {
	return r.of(func(pod *corev1.Pod) bool { return pod.Labels[v1alpha1.LabelRunUID] == string(run.UID) })
}

// in returns the builder Pods that were ever made in a namespace.
func (r *podRecorder) in(namespace string) []*corev1.Pod {
	return r.of(func(pod *corev1.Pod) bool { return pod.Namespace == namespace })
}

// awaitNoPods waits until the builder Pods of a run, which has ended, are gone.
func awaitNoPods(ctx context.Context, run *v1alpha1.CIRun) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) ([]corev1.Pod, error) {
		var pods corev1.PodList
		err := suite.Client.List(ctx, &pods, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(run.UID)})
		return pods.Items, err
	}).WithContext(ctx).Should(BeEmpty(), "builder Pods of run %s, which has ended", run.Name)
}
