package e2e

import (
	"context"
	"fmt"

	. "github.com/onsi/gomega"

	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

// gate is something that programs in Pods can wait for, and a spec opens: a branch of a public repository.
type gate struct {
	repository string
}

func newGate(ctx context.Context) gate {
	g := gate{repository: suite.name("gate")}
	Expect(suite.github.CreateRepository(ctx, g.repository, fakegithub.RepositoryOptions{})).To(Succeed())
	_, err := suite.github.Commit(ctx, g.repository, fakegithub.Commit{Message: "closed"})
	Expect(err).NotTo(HaveOccurred())
	return g
}

// isOpen is a shell command that succeeds when the gate is open.
func (g gate) isOpen() string {
	return fmt.Sprintf("git ls-remote --exit-code %s/%s.git refs/heads/open >/dev/null", install.GitHubURL, g.repository)
}

// wait is a shell command that waits until the gate is open.
func (g gate) wait() string {
	return "until " + g.isOpen() + "; do sleep 0.2; done"
}

func (g gate) open(ctx context.Context) {
	_, err := suite.github.Commit(ctx, g.repository, fakegithub.Commit{Message: "open", Branch: "open"})
	Expect(err).NotTo(HaveOccurred())
}
