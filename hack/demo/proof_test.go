package main

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"katkit.dev/katkit/test/install"
)

var (
	oldSHA = strings.Repeat("a", 40)
	newSHA = strings.Repeat("b", 40)
)

// scene is what both tenants look like when the service in DEV runs a commit.
func scene(sha string) map[string]service {
	at := func(t tenant, sha string) service {
		var d appsv1.Deployment
		d.ResourceVersion, d.Generation = "7", 1
		d.Spec.Replicas = &t.replicas
		d.Spec.Template.Spec.Containers = []corev1.Container{{
			Name: install.App, Image: "registry:5000/acme/taskrunner:" + sha, Env: []corev1.EnvVar{{Name: "TENANT_ENV", Value: t.env}},
		}}
		return service{
			deployment: d, pods: []string{t.name + "-1"},
			answer: answer{Service: install.App, Version: sha, Env: t.env},
		}
	}
	return map[string]service{dev.name: at(dev, sha), prod.name: at(prod, oldSHA)}
}

func TestProve(t *testing.T) {
	cases := map[string]struct {
		change func(after map[string]service)
		wrong  string // "TENANT CHECK" of the one that fails; "": none
	}{
		"the image alone changed":   {func(map[string]service) {}, ""},
		"another image is deployed": {inDev(func(s *service) { s.deployment.Spec.Template.Spec.Containers[0].Image = "acme/taskrunner:other" }), "d-taskrunner image"},
		"replicas changed":          {inDev(func(s *service) { s.deployment.Spec.Replicas = new(int32(1)) }), "d-taskrunner replicas"},
		"a variable was lost":       {inDev(func(s *service) { s.deployment.Spec.Template.Spec.Containers[0].Env = nil }), "d-taskrunner env"},
		"another field changed":     {inDev(func(s *service) { s.deployment.Spec.Paused = true }), "d-taskrunner rest of spec"},
		"an annotation appeared":    {inDev(func(s *service) { s.deployment.Annotations = map[string]string{"a": "b"} }), "d-taskrunner metadata"},
		"the old version answers":   {inDev(func(s *service) { s.answer.Version = oldSHA }), "d-taskrunner answers"},
		"another env answers":       {inDev(func(s *service) { s.answer.Env = "PROD" }), "d-taskrunner answers"},
		"PROD was written to":       {inProd(func(s *service) { s.deployment.ResourceVersion = "8" }), "p-taskrunner object"},
		"PROD has a new status":     {inProd(func(s *service) { s.deployment.ResourceVersion, s.deployment.Status.ReadyReplicas = "8", 2 }), ""},
		"PROD has other Pods":       {inProd(func(s *service) { s.pods = []string{"another"} }), "p-taskrunner Pods"},
		"PROD got a run":            {inProd(func(s *service) { s.runs = []string{"run"} }), "p-taskrunner runs"},
		"PROD answers otherwise":    {inProd(func(s *service) { s.answer.Greeting = "hi" }), "p-taskrunner answers"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			after := scene(newSHA)
			test.change(after)
			found := test.wrong == ""
			for _, check := range prove(scene(oldSHA), after, newSHA) {
				named := check.tenant+" "+check.what == test.wrong
				found = found || named
				// A changed env is a changed spec, too; replicas likewise.
				if !check.ok && !named && check.what != "rest of spec" || check.ok && named {
					t.Errorf("%s", check)
				}
			}
			if !found {
				t.Errorf("there is no check %q", test.wrong)
			}
		})
	}
}

func inDev(change func(*service)) func(map[string]service) { return in(dev, change) }

func inProd(change func(*service)) func(map[string]service) { return in(prod, change) }

func in(t tenant, change func(*service)) func(map[string]service) {
	return func(seen map[string]service) {
		s := seen[t.name]
		change(&s)
		seen[t.name] = s
	}
}

func TestShorten(t *testing.T) {
	got := shorten("registry:5000/acme/taskrunner:" + oldSHA + " → tms_" + newSHA + ", pod-6cdd9b4ff4")
	if want := "registry:5000/acme/taskrunner:aaaaaaa → tms_" + newSHA + ", pod-6cdd9b4ff4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
