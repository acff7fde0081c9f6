package install

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// App is the name of the sample service, its container and its Service, as the sample repository's service description
// has it.
const App = "taskrunner"

const (
	appImage = "acme/taskrunner"
	appPort  = 8080
	// appBase is the sample app's base image; the local registry has a copy.
	appBase = "library/busybox"
	baseTag = "stable"
)

// Sample reads the repository test/fixtures/repos/NAME for a Commit. Where its files name the local cluster's registry,
// they name this cluster's instead.
func (c *Cluster) Sample(name string) (map[string]fakegithub.File, error) {
	files, err := fakegithub.FilesOf(os.DirFS(c.sampleFolder(name)))
	if err != nil {
		return nil, fmt.Errorf("reading the sample repository %s: %w", name, err)
	}
	for path, file := range files {
		file.Content = bytes.ReplaceAll(file.Content, []byte(localRegistry), []byte(c.Registry.Pull))
		files[path] = file
	}
	return files, nil
}

func (c *Cluster) sampleFolder(name string) string {
	return filepath.Join(c.Root, "test", "fixtures", "repos", name)
}

// AppEnv are the variables that the sample repository's ci.sh takes from its link: where this cluster has busybox.
func (c *Cluster) AppEnv() []v1alpha1.BuilderEnvVar {
	base := appBaseElsewhere()
	if c.Registry.Local {
		base = c.Registry.Pull + "/" + appBase + ":" + baseTag
	}
	return []v1alpha1.BuilderEnvVar{{Name: "BASE_IMAGE", Value: base}}
}

func appBaseElsewhere() string {
	return cmp.Or(os.Getenv("APP_BASE_IMAGE"), "docker.io/"+appBase+":"+baseTag)
}

// AppImage builds the sample app on this machine, as ci.sh does in a builder Pod, and pushes it with the sha as its tag
// unless it is there. It returns the image's name in the cluster.
func (c *Cluster) AppImage(ctx context.Context, sha string) (string, error) {
	base, err := c.baseImage(ctx, appBase, baseTag, appBaseElsewhere())
	if err != nil {
		return "", err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	folder := c.sampleFolder(App)
	err = c.step(ctx, "image "+App, func(ctx context.Context, tell func(string)) error {
		return c.provide(ctx, build{
			name: appImage, tag: sha, context: folder, dockerfile: filepath.Join(folder, "Dockerfile"),
			args: []string{"BASE_IMAGE=" + base, "GIT_SHA=" + sha},
		}, tell)
	})
	return c.Registry.Pull + "/" + appImage + ":" + sha, err
}

// App runs the sample service in a tenant, with an env of the tenant's own, and waits until it is available. Katkit
// never makes a service: a tenant has it before the first run.
func (c *Cluster) App(ctx context.Context, namespace, image, env string, replicas int32) error {
	labels := map[string]string{"app": App}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: App, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: appPod(image, namespace, env)},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: App, Labels: labels},
		Spec: corev1.ServiceSpec{
			Selector: labels,
			Ports:    []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(appPort)}},
		},
	}
	if err := c.Apply(ctx, service, deployment); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", Seconds(readyTimeout)))
	defer cancel()
	return c.RolledOut(ctx, namespace, App)
}

func appPod(image, namespace, env string) corev1.PodSpec {
	return corev1.PodSpec{
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(2)), // its web server does not listen to TERM
		Containers: []corev1.Container{{
			Name:  App,
			Image: image,
			Env: []corev1.EnvVar{
				{Name: "TENANT_ENV", Value: env},
				{Name: "GREETING", Value: "hello from " + namespace},
			},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: appPort, Protocol: corev1.ProtocolTCP}},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http")}},
				PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 5, // a busy machine is no reason to leave the Service
			},
		}},
	}
}
