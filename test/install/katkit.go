package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Where Katkit's manifests put the manager, the receiver and the log store.
const (
	Namespace          = "katkit-system"
	ManagerDeployment  = "katkit-manager"
	ReceiverDeployment = "katkit-receiver"
	LogStoreDeployment = "katkit-logstore"
)

// GitHubURL is the stand-in's address in the cluster; Katkit takes it for github.com.
const GitHubURL = "http://github.github.svc"

// readyTimeout bounds the wait for something installed, image pulls included.
const readyTimeout = 3 * time.Minute

// Katkit applies config/default and config/builderclass with these images and with the stand-in for github.com, and waits
// until manager and log store are ready. The volume of the log store is of the cluster's default StorageClass, or on the local cluster,
// which has none, a folder of this machine. args are further flags of the manager. A Katkit that somebody else installed on a cluster
// that is not the local one is left alone, with an error.
func (c *Cluster) Katkit(ctx context.Context, images Images, args ...string) error {
	if err := c.refuseForeign(ctx); err != nil {
		return err
	}
	return c.step(ctx, "katkit", func(ctx context.Context, tell func(string)) error {
		ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", Seconds(readyTimeout)))
		defer cancel()
		objects, err := c.manifests("config/default")
		if err != nil {
			return err
		}
		classes, err := c.manifests("config/builderclass")
		if err != nil {
			return err
		}
		for _, object := range slices.Concat(objects, classes) {
			if err := customize(object, images, args); err != nil {
				return err
			}
		}
		objects = slices.DeleteFunc(objects, c.optional)
		tell("applying config/default")
		if err := c.volumes(ctx, objects); err != nil {
			return err
		}
		if err := c.apply(ctx, objects...); err != nil {
			return err
		}
		if err := c.established(ctx, objects); err != nil {
			return err
		}
		tell("applying config/builderclass")
		if err := c.apply(ctx, classes...); err != nil {
			return err
		}
		for _, deployment := range []string{LogStoreDeployment, ManagerDeployment} {
			tell("waiting for " + deployment)
			if err := c.RolledOut(ctx, Namespace, deployment); err != nil {
				return err
			}
		}
		tell("manager and log store are ready in " + Namespace)
		return nil
	})
}

// refuseForeign protects a Katkit that people work with: its github.com would become the stand-in.
func (c *Cluster) refuseForeign(ctx context.Context) error {
	if c.Registry.Local {
		return nil
	}
	manager, err := c.Clientset.AppsV1().Deployments(Namespace).Get(ctx, ManagerDeployment, metav1.GetOptions{})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	ours := slices.ContainsFunc(manager.ManagedFields, func(entry metav1.ManagedFieldsEntry) bool { return entry.Manager == FieldOwner })
	if ours {
		return nil
	}
	return fmt.Errorf("%s has a Katkit that was installed otherwise: use a cluster for tests, or remove it first (kubectl delete -k config/default)", c.Config.Host)
}

// manifests builds a kustomization of the checkout.
func (c *Cluster) manifests(folder string) ([]*unstructured.Unstructured, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(c.Root, folder))
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", folder, err)
	}
	var objects []*unstructured.Unstructured
	for _, resource := range resources.Resources() {
		content, err := resource.Map()
		if err != nil {
			return nil, fmt.Errorf("building %s: %w", folder, err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	rank := map[string]int{"Namespace": -2, "CustomResourceDefinition": -1}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int {
		return cmp.Compare(rank[a.GetKind()], rank[b.GetKind()])
	})
	return objects, nil
}

// optional tells whether an object is of a kind that Katkit does without where it is not served, as on Kubernetes 1.35.
func (c *Cluster) optional(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind()
	if kind.Kind != "MutatingAdmissionPolicy" && kind.Kind != "MutatingAdmissionPolicyBinding" {
		return false
	}
	_, err := c.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	return meta.IsNoMatchError(err)
}

// customize sets what an overlay would: the images and the manager's flags.
func customize(object *unstructured.Unstructured, images Images, args []string) error {
	switch {
	case object.GetKind() == "Deployment" && object.GetName() == ManagerDeployment:
		return change(object, func(manager *appsv1.Deployment) {
			container := &manager.Spec.Template.Spec.Containers[0]
			container.Image = images.Manager
			container.Args = append(container.Args, "--github-host=github.com="+GitHubURL)
			container.Args = append(container.Args, args...)
		})
	case object.GetKind() == "Deployment" && object.GetName() == ReceiverDeployment:
		return change(object, func(receiver *appsv1.Deployment) {
			receiver.Spec.Template.Spec.Containers[0].Image = images.Receiver
		})
	case object.GetKind() == "Deployment" && object.GetName() == LogStoreDeployment:
		return change(object, func(store *appsv1.Deployment) {
			container := &store.Spec.Template.Spec.Containers[0]
			container.Image = images.LogStore
			container.Args = append(container.Args, "--retention=3h") // each run of the tests leaves more than a gigabyte
		})
	case object.GetKind() == "BuilderClass":
		return change(object, func(class *v1alpha1.BuilderClass) {
			class.Spec.Image, class.Spec.AgentImage = images.Builder, images.Agent
		})
	}
	return nil
}

// change edits an object by its type.
func change[T any](object *unstructured.Unstructured, edit func(*T)) error {
	var typed T
	converter := runtime.DefaultUnstructuredConverter
	if err := converter.FromUnstructured(object.Object, &typed); err != nil {
		return fmt.Errorf("reading %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	edit(&typed)
	content, err := converter.ToUnstructured(&typed)
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	object.Object = content
	prune(object)
	return nil
}

// prune removes what a type adds that nobody asked for.
func prune(object *unstructured.Unstructured) {
	unstructured.RemoveNestedField(object.Object, "status")
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(object.Object, "spec", "template", "metadata", "creationTimestamp")
}

// apply makes objects what they shall be, whoever changed them before.
func (c *Cluster) apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		err := c.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(FieldOwner), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

func (c *Cluster) established(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: object.GetName()}}
		err := Await(ctx, c, crd, func(crd *apiextensionsv1.CustomResourceDefinition) (bool, error) {
			for _, condition := range crd.Status.Conditions {
				if condition.Type == apiextensionsv1.Established {
					return condition.Status == apiextensionsv1.ConditionTrue, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RolledOut waits until all replicas of a Deployment run its newest template and are available, and the Pods of others are
// gone, as far as the cluster counts those that terminate; its deadline is ctx's.
// The error tells what keeps the Pods from it.
func (c *Cluster) RolledOut(ctx context.Context, namespace, name string) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	err := Await(ctx, c, deployment, func(d *appsv1.Deployment) (bool, error) { return rolledOut(d), nil })
	if err == nil {
		return nil
	}
	if deployment.Spec.Selector == nil {
		return err
	}
	// ctx may be over, which is why we are here.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if why := c.trouble(ctx, namespace, metav1.FormatLabelSelector(deployment.Spec.Selector)); why != "" {
		return errors.Join(err, errors.New(why))
	}
	return err
}

func rolledOut(d *appsv1.Deployment) bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.AvailableReplicas == want && s.Replicas == want &&
		(s.TerminatingReplicas == nil || *s.TerminatingReplicas == 0)
}
