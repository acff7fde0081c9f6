// Command demo shows Katkit's main job on a cluster: a commit of a linked repository is built, deployed and verified
// inside its tenant, and nowhere else. `make demo` runs it, after bringing the local cluster up.
//
// It installs Katkit and a stand-in for GitHub, makes the tenants d-taskrunner (DEV) and p-taskrunner (PROD) that both
// run an older version of the sample service, starts a run of a new commit in d-taskrunner, tells of its phases as they
// go, and then proves what came of it. It fails when anything is not as it should be, leaves everything where it is,
// and may be run again: each time there is a new commit and a new run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

const (
	repository = "acme/taskrunner"
	link       = "taskrunner"
	// runTimeout bounds the demo's run, a first pull of the builder image included.
	runTimeout = 10 * time.Minute
	// settleTimeout is what a service that an earlier demo left gets to become well.
	settleTimeout = 30 * time.Second
)

// tenant is one of the two tenants of the demo.
type tenant struct {
	name, env string
	replicas  int32
}

var (
	dev  = tenant{"d-taskrunner", "DEV", 2}
	prod = tenant{"p-taskrunner", "PROD", 3}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context) error {
	cluster, err := install.Connect(ctx, os.Stdout)
	if err != nil {
		return err
	}
	headline("Katkit on " + cluster.Config.Host)
	github, err := cluster.Up(ctx)
	if err != nil {
		return err
	}
	defer github.Close()

	headline("Two tenants run the service " + install.App)
	d := &stage{cluster: cluster, github: github}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	before, err := d.observe(ctx)
	if err != nil {
		return err
	}
	for _, t := range []tenant{dev, prod} {
		fmt.Printf("  %-16s %s\n", t.name, before[t.name])
	}

	sha, err := d.commit(ctx, "of "+time.Now().Format(time.DateTime))
	if err != nil {
		return err
	}
	run := install.NewRun(dev.name, link+"-"+sha[:7], link, sha)
	headline(fmt.Sprintf("Run %s of commit %s in %s", run.Name, sha[:7], dev.name))
	if run, err = d.run(ctx, run); err != nil {
		return err
	}

	headline("Proof")
	after, err := d.observe(ctx)
	if err != nil {
		return err
	}
	wrong := 0
	for _, check := range prove(before, after, sha) {
		fmt.Println(check)
		if !check.ok {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of the checks above failed", wrong)
	}
	whatNext(cluster, run)
	return nil
}

func headline(text string) { fmt.Printf("\n%s\n", text) }

// stage is what the demo plays on.
type stage struct {
	cluster *install.Cluster
	github  *install.GitHub
}

// prepare makes the repository, the tenants with their services, and the links. A service that is there and well stays
// as it is; others start with the repository's first release.
func (d *stage) prepare(ctx context.Context) error {
	var missing []tenant
	for _, t := range []tenant{dev, prod} {
		if err := d.cluster.Tenant(ctx, t.name, t.env); err != nil {
			return err
		}
		running, err := d.runs(ctx, t)
		if err != nil {
			return err
		}
		if !running {
			missing = append(missing, t)
		}
	}
	err := d.github.CreateRepository(ctx, repository, fakegithub.RepositoryOptions{Private: true})
	if err != nil && !errors.Is(err, fakegithub.ErrExists) {
		return fmt.Errorf("making the repository: %w", err)
	}
	if err == nil || len(missing) > 0 {
		if err := d.start(ctx, missing); err != nil {
			return err
		}
	}
	for _, t := range []tenant{dev, prod} {
		if err := d.cluster.Link(ctx, d.cluster.NewLink(t.name, link, repository)); err != nil {
			return err
		}
	}
	return nil
}

// start commits the first release and runs it in the tenants.
func (d *stage) start(ctx context.Context, tenants []tenant) error {
	sha, err := d.commit(ctx, "1")
	if err != nil || len(tenants) == 0 {
		return err
	}
	image, err := d.cluster.AppImage(ctx, sha)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := d.cluster.App(ctx, t.name, image, t.env, t.replicas); err != nil {
			return fmt.Errorf("starting the service in %s: %w", t.name, err)
		}
	}
	return nil
}

// runs tells whether the tenant's service is there and well, or soon will be. Then it stays as it is, whatever it runs.
func (d *stage) runs(ctx context.Context, t tenant) (bool, error) {
	var deployment appsv1.Deployment
	err := d.cluster.Client.Get(ctx, client.ObjectKey{Namespace: t.name, Name: install.App}, &deployment)
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	settling, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("after %s", install.Seconds(settleTimeout)))
	defer cancel()
	if err := d.cluster.RolledOut(settling, t.name, install.App); err != nil {
		fmt.Printf("  %-16s the service is not well and is started anew: %v\n", t.name, err)
		return false, ctx.Err()
	}
	return true, nil
}

// commit adds a release of the sample to the repository and returns its sha.
func (d *stage) commit(ctx context.Context, release string) (string, error) {
	files, err := d.cluster.Sample(install.App)
	if err != nil {
		return "", err
	}
	files["www/release"] = fakegithub.Text(release + "\n")
	sha, err := d.github.Commit(ctx, repository, fakegithub.Commit{Message: "Release " + release, Files: files, Replace: true})
	if err != nil {
		return "", fmt.Errorf("committing to %s: %w", repository, err)
	}
	return sha, nil
}

// run starts the run and tells of it until it has succeeded. If it does not even end, it shows what is known of it.
func (d *stage) run(ctx context.Context, run *v1alpha1.CIRun) (*v1alpha1.CIRun, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("after %s", install.Seconds(runTimeout)))
	defer cancel()
	live := newLive(d)
	if err := d.cluster.Run(ctx, run); err != nil {
		return nil, err
	}
	ended, err := d.cluster.Follow(ctx, run, func(now *v1alpha1.CIRun) { live.tell(ctx, now) })
	switch {
	case err == nil && ended.Status.State == v1alpha1.RunSucceeded:
		return ended, nil
	case err == nil:
		succeeded := meta.FindStatusCondition(ended.Status.Conditions, v1alpha1.ConditionSucceeded)
		return nil, fmt.Errorf("run %s/%s: %s", run.Namespace, run.Name, shorten(succeeded.Message))
	case errors.Is(err, context.Canceled):
		return nil, err
	}
	explaining, stop := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer stop()
	headline("What is known of it")
	d.cluster.Explain(explaining, run, os.Stdout)
	return nil, err
}

// whatNext names commands that work on what the demo left.
func whatNext(cluster *install.Cluster, run *v1alpha1.CIRun) {
	headline("All of this is so. It stays up; try next:")
	environment := "KUBECONFIG=" + os.Getenv("KUBECONFIG")
	if programs := os.Getenv("KUBEBUILDER_ASSETS"); cluster.Registry.Local && programs != "" {
		environment += " PATH=" + programs + ":$PATH"
	}
	verify := run.Status.Phases[len(run.Status.Phases)-1].PhaseName
	prodRun := &v1alpha1.CIRun{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CIRun"},
		ObjectMeta: metav1.ObjectMeta{Namespace: prod.name, Name: run.Name},
	}
	commands := []struct{ text, command string }{
		{"reach the cluster", "export " + environment},
		{"see the links, runs and phases", "kubectl get katkit -A"},
		{"read the story of the run", fmt.Sprintf("kubectl describe cirun -n %s %s", run.Namespace, run.Name)},
		{"read what ci.sh wrote", fmt.Sprintf("kubectl get phase -n %s %s -o jsonpath='{.status.attempts[*].replicas[*].log.tail}'", run.Namespace, verify)},
		{"run the same commit in PROD", fmt.Sprintf("kubectl create -f - <<< '%s'", manifest(prodRun, run.Status.SHA))},
		{"wait for it", fmt.Sprintf("kubectl wait -n %s --for=condition=Succeeded --timeout=10m cirun/%s", prodRun.Namespace, prodRun.Name)},
		{"another commit, another run", "make demo"},
	}
	if cluster.Registry.Local {
		commands = append(commands, struct{ text, command string }{"stop the cluster", "make cluster-down"})
	}
	for _, next := range commands {
		fmt.Printf("  # %s\n  %s\n", next.text, next.command)
	}
}

// manifest is a run as JSON in one line.
func manifest(run *v1alpha1.CIRun, sha string) string {
	return fmt.Sprintf(`{"apiVersion": %q, "kind": %q, "metadata": {"namespace": %q, "name": %q}, "spec": {"link": {"name": %q}, "commit": {"sha": %q}}}`,
		run.APIVersion, run.Kind, run.Namespace, run.Name, link, sha)
}
