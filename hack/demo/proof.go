package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// service is what is seen of a tenant at one moment.
type service struct {
	deployment appsv1.Deployment
	pods       []string
	runs       []string
	answer     answer
}

// answer is what the sample service says about itself.
type answer struct {
	Service, Version, Release, Env, Greeting string
}

func (a answer) String() string {
	return fmt.Sprintf("version %s, release %s, env %s, %q", shorten(a.Version), a.Release, a.Env, a.Greeting)
}

// observe looks at the service of both tenants, and asks it through the API server.
func (d *stage) observe(ctx context.Context) (map[string]service, error) {
	seen := map[string]service{}
	for _, t := range []tenant{dev, prod} {
		var s service
		if err := d.cluster.Client.Get(ctx, client.ObjectKey{Namespace: t.name, Name: install.App}, &s.deployment); err != nil {
			return nil, fmt.Errorf("looking at the service in %s: %w", t.name, err)
		}
		var pods corev1.PodList
		if err := d.cluster.Client.List(ctx, &pods, client.InNamespace(t.name), client.MatchingLabels(s.deployment.Spec.Selector.MatchLabels)); err != nil {
			return nil, fmt.Errorf("looking at the Pods in %s: %w", t.name, err)
		}
		for _, pod := range pods.Items {
			s.pods = append(s.pods, pod.Name)
		}
		slices.Sort(s.pods)
		var runs v1alpha1.CIRunList
		if err := d.cluster.Client.List(ctx, &runs, client.InNamespace(t.name)); err != nil {
			return nil, fmt.Errorf("looking at the runs in %s: %w", t.name, err)
		}
		for _, run := range runs.Items {
			s.runs = append(s.runs, run.Name)
		}
		content, err := d.cluster.Clientset.CoreV1().Services(t.name).ProxyGet("http", install.App, "http", "/", nil).DoRaw(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking the service in %s: %w", t.name, err)
		}
		if err := json.Unmarshal(content, &s.answer); err != nil {
			return nil, fmt.Errorf("the service in %s answers %q: %w", t.name, content, err)
		}
		seen[t.name] = s
	}
	return seen, nil
}

func (s service) String() string {
	return fmt.Sprintf("%d × %s  %s", s.replicas(), shorten(s.answer.Version), s.env())
}

func (s service) replicas() int32 {
	if s.deployment.Spec.Replicas == nil {
		return 1
	}
	return *s.deployment.Spec.Replicas
}

func (s service) image() string { return s.deployment.Spec.Template.Spec.Containers[0].Image }

func (s service) env() string {
	var pairs []string
	for _, variable := range s.deployment.Spec.Template.Spec.Containers[0].Env {
		pairs = append(pairs, fmt.Sprintf("%s=%q", variable.Name, variable.Value))
	}
	return strings.Join(pairs, " ")
}

// check is one line of the proof.
type check struct {
	ok         bool
	tenant     string
	what, seen string
}

func (c check) String() string {
	mark := "ok"
	if !c.ok {
		mark = "NOT SO"
	}
	return fmt.Sprintf("  %-6s  %-13s %-12s %s", mark, c.tenant, c.what, c.seen)
}

// prove compares what was before the run of the commit sha with what is after it.
func prove(before, after map[string]service, sha string) []check {
	was, is := before[dev.name], after[dev.name]
	checks := []check{
		{strings.HasSuffix(is.image(), ":"+sha) && was.image() != is.image(), dev.name, "image", shorten(was.image() + " → " + is.image())},
		same(dev, "env", was.env(), is.env()),
		same(dev, "replicas", fmt.Sprint(was.replicas()), fmt.Sprint(is.replicas())),
		restOfSpec(was.deployment, is.deployment),
		{is.answer.Version == sha && is.answer.Env == dev.env, dev.name, "answers", is.answer.String()},
	}
	was, is = before[prod.name], after[prod.name]
	return append(checks,
		same(prod, "image", was.image(), is.image()),
		untouched(was.deployment, is.deployment),
		same(prod, "Pods", strings.Join(was.pods, " "), strings.Join(is.pods, " ")),
		same(prod, "runs", strings.Join(was.runs, " "), strings.Join(is.runs, " ")),
		check{was.answer == is.answer && is.answer.Env == prod.env, prod.name, "answers", is.answer.String()},
	)
}

// same checks that something did not change.
func same(t tenant, what, was, is string) check {
	if was != is {
		return check{false, t.name, what, shorten(was + " → " + is)}
	}
	return check{true, t.name, what, shorten(strings.TrimSpace(is + " unchanged"))}
}

// restOfSpec checks that nothing but the image of the container changed in a Deployment.
func restOfSpec(was, is appsv1.Deployment) check {
	expected := was.DeepCopy()
	expected.Spec.Template.Spec.Containers[0].Image = is.Spec.Template.Spec.Containers[0].Image
	if !equality.Semantic.DeepEqual(expected.Spec, is.Spec) {
		return check{false, dev.name, "rest of spec", "changed:\n" + cmp.Diff(expected.Spec, is.Spec)}
	}
	if diff := cmp.Diff(kept(was.ObjectMeta, katkits...), kept(is.ObjectMeta, katkits...)); diff != "" {
		return check{false, dev.name, "metadata", "changed:\n" + diff}
	}
	return check{true, dev.name, "rest of spec", "every other field unchanged"}
}

// katkits are the annotations by which Katkit tells whose change it was.
var katkits = []string{v1alpha1.AnnotationRun, v1alpha1.AnnotationRunUID, v1alpha1.AnnotationSHA, v1alpha1.AnnotationChangeCause}

// kept is the metadata that people own: all but what Kubernetes itself counts there, and the annotations left out.
func kept(meta metav1.ObjectMeta, without ...string) map[string]map[string]string {
	annotations := map[string]string{}
	for name, value := range meta.Annotations {
		if !strings.HasPrefix(name, "deployment.kubernetes.io/") && !slices.Contains(without, name) {
			annotations[name] = value
		}
	}
	return map[string]map[string]string{"labels": meta.Labels, "annotations": annotations}
}

// untouched checks that nobody wrote to the Deployment in PROD. Kubernetes itself may have updated the status.
func untouched(was, is appsv1.Deployment) check {
	if was.ResourceVersion == is.ResourceVersion {
		return check{true, prod.name, "object", fmt.Sprintf("generation %d, resourceVersion %s unchanged", is.Generation, is.ResourceVersion)}
	}
	ok := was.UID == is.UID && was.Generation == is.Generation && equality.Semantic.DeepEqual(was.Spec, is.Spec) &&
		equality.Semantic.DeepEqual(kept(was.ObjectMeta), kept(is.ObjectMeta)) && !equality.Semantic.DeepEqual(was.Status, is.Status)
	text := fmt.Sprintf("generation %d → %d, resourceVersion %s → %s", was.Generation, is.Generation, was.ResourceVersion, is.ResourceVersion)
	if ok {
		text += " for its status alone"
	}
	return check{ok, prod.name, "object", text}
}
