package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

const (
	repository  = "bench/empty"
	linkName    = "empty"
	metricsPort = 8080
	// settleTimeout bounds the wait for everything that one measurement makes.
	settleTimeout = 10 * time.Minute
)

// config are three execution phases, one after the other.
const config = `[{"EnvName": "default", "WorkFlow": [
  {"Name": "FIRST", "PhaseType": "4", "Order": 1},
  {"Name": "SECOND", "PhaseType": "4", "Order": 2},
  {"Name": "THIRD", "PhaseType": "4", "Order": 3}
]}]
`

// phases is how many phases config has, and how many bare Pods a chain.
const phases = 3

// bench is a cluster that is ready to be measured.
type bench struct {
	settings
	cluster *install.Cluster
	images  install.Images
	// tenant and bare are namespaces of this process alone: for runs and for bare Pods.
	tenant, bare string
	sha          string
	audit        *auditLog
	manager      *manager
	// katkitJournal and bareJournal record what happens in the two namespaces.
	katkitJournal, bareJournal *journal
	stop                       context.CancelFunc
}

// prepare installs Katkit and the stand-in for GitHub and makes a tenant with a linked repository.
func prepare(ctx context.Context, s settings) (*bench, error) {
	cluster, err := install.Connect(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	id := fmt.Sprintf("bench-%06x", rand.N(1<<24))
	b := &bench{settings: s, cluster: cluster, tenant: id, bare: id + "-bare"}
	watching, stop := context.WithCancel(ctx)
	b.stop = stop
	if err := b.install(ctx, watching); err != nil {
		b.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return b, nil
}

func (b *bench) install(ctx, watching context.Context) error {
	images, err := b.cluster.Images(ctx)
	if err != nil {
		return err
	}
	b.images = images
	if b.audit, err = openAuditLog(ctx, b.cluster, b.auditLog); err != nil {
		return err
	}
	if err := b.cluster.Katkit(ctx, images, fmt.Sprintf("--metrics-bind-address=:%d", metricsPort)); err != nil {
		return err
	}
	if b.manager, err = findManager(ctx, b.cluster); err != nil {
		return err
	}
	github, err := b.cluster.GitHub(ctx, images)
	if err != nil {
		return err
	}
	defer github.Close()
	if b.sha, err = commit(ctx, github.Control); err != nil {
		return err
	}
	if err := b.cluster.Tenant(ctx, b.tenant, "bench"); err != nil {
		return err
	}
	if err := b.cluster.Apply(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.bare}}); err != nil {
		return err
	}
	if err := b.cluster.Apply(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.bare, Name: credential},
		StringData: map[string]string{v1alpha1.SecretKeyToken: "of-no-use"},
	}); err != nil {
		return err
	}
	link := b.cluster.NewLink(b.tenant, linkName, repository)
	link.Spec.Builder.Env, link.Spec.PollInterval = nil, nil
	// What retention removes later is no part of a run.
	link.Spec.Retention = v1alpha1.RetentionSpec{Succeeded: new(int32(1000)), Failed: new(int32(1000))}
	if err := b.cluster.Link(ctx, link); err != nil {
		return err
	}
	if b.katkitJournal, err = keepJournal(watching, b.cluster.Client, b.tenant); err != nil {
		return err
	}
	b.bareJournal, err = keepJournal(watching, b.cluster.Client, b.bare)
	return err
}

func commit(ctx context.Context, github *fakegithub.Control) (sha string, err error) {
	if err := github.CreateRepository(ctx, repository, fakegithub.RepositoryOptions{Private: true}); err != nil && !errors.Is(err, fakegithub.ErrExists) {
		return "", fmt.Errorf("making the repository: %w", err)
	}
	sha, err = github.Commit(ctx, repository, fakegithub.Commit{
		Message: "an empty ci.sh", Replace: true,
		Files: fakegithub.Texts(map[string]string{"katkitconfig.js": config, "ci.sh": "#!/bin/sh\n"}),
	})
	if err != nil {
		return "", fmt.Errorf("committing to the repository: %w", err)
	}
	return sha, nil
}

// close removes what prepare and the measurements made. Katkit stays installed.
func (b *bench) close(ctx context.Context) {
	b.stop()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for _, name := range []string{b.tenant, b.bare} {
		err := b.cluster.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if client.IgnoreNotFound(err) != nil {
			fmt.Fprintf(os.Stderr, "bench: namespace %s is left behind: %v\n", name, err)
		}
	}
	if err := b.audit.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}
