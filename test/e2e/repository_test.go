package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"

	. "github.com/onsi/gomega"

	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

// phase is a phase as katkitconfig.js spells it.
type phase struct {
	Name             string
	PhaseType        int
	Order            int
	BuildParams      string `json:",omitempty"`
	Parallelism      int    `json:",omitempty"`
	ContainerImage   string `json:",omitempty"`
	AllocationTags   string `json:",omitempty"`
	IsPhaseAutomated *bool  `json:",omitempty"`
}

// The workflow that most specs follow, one after the other.
var (
	build  = phase{Name: "BUILD", PhaseType: 4}
	deploy = phase{Name: "DEPLOY", PhaseType: 1, Order: 1}
	verify = phase{Name: "VERIFY", PhaseType: 4, Order: 2}
)

const (
	configFile      = "katkitconfig.js"
	descriptionFile = "servicedescription/servicedescription.js"
)

// workflow is a katkitconfig.js with these phases for every env.
func workflow(phases ...phase) string {
	text, err := json.MarshalIndent([]map[string]any{{"EnvName": "default", "WorkFlow": phases}}, "", "  ")
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// localFleet is a katkitconfig.js with these phases, whose builders run on the tenant's own hosts.
func localFleet(phases ...phase) string {
	text, err := json.Marshal([]map[string]any{{"EnvName": "default", "LocalFleet": "true", "WorkFlow": phases}})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// description is a servicedescription.js with these roles, all of the image that release tags.
func description(roles ...string) string {
	var list []map[string]string
	for _, role := range roles {
		list = append(list, map[string]string{"Name": role, "DockerImage": suite.serviceImage("<hubtag>")})
	}
	text, err := json.Marshal(map[string]any{"Roles": list})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// script is a ci.sh of these lines, run by bash, that stops at the first one that fails.
func script(lines ...string) string {
	return "#!/bin/bash\nset -eu\n" + strings.Join(lines, "\n") + "\n"
}

// repository is one of GitHub's stand-in.
type repository struct {
	name string
	// sha of the newest commit of main.
	sha string
}

// newRepository makes a private repository with one commit, and releases the image of that commit.
func newRepository(ctx context.Context, files map[string]string) *repository {
	return newRepositoryOf(ctx, fakegithub.Texts(files))
}

func newRepositoryOf(ctx context.Context, files map[string]fakegithub.File) *repository {
	r := createRepository(ctx)
	r.commit(ctx, fakegithub.Commit{Message: "Begin\n\nwith all files", Files: files})
	return r
}

// newUnreleased makes a private repository with one commit whose image nobody has built.
func newUnreleased(ctx context.Context, files map[string]string) *repository {
	r := createRepository(ctx)
	var err error
	r.sha, err = suite.github.Commit(ctx, r.name, fakegithub.Commit{Message: "Begin", Files: fakegithub.Texts(files)})
	Expect(err).NotTo(HaveOccurred())
	return r
}

func createRepository(ctx context.Context) *repository {
	r := &repository{name: suite.name("app")}
	Expect(suite.github.CreateRepository(ctx, r.name, fakegithub.RepositoryOptions{Private: true, DefaultBranch: "main"})).To(Succeed())
	return r
}

// fixture is the files of a folder on disk, with more files added.
func fixture(folder string, more map[string]string) map[string]fakegithub.File {
	files, err := fakegithub.FilesOf(os.DirFS(folder))
	Expect(err).NotTo(HaveOccurred())
	maps.Copy(files, fakegithub.Texts(more))
	return files
}

// commit adds a commit, and releases its image: the one that a deployment of the commit brings.
func (r *repository) commit(ctx context.Context, commit fakegithub.Commit) string {
	sha, err := suite.github.Commit(ctx, r.name, commit)
	Expect(err).NotTo(HaveOccurred())
	if commit.Branch == "" {
		r.sha = sha
	}
	suite.release(ctx, sha)
	return sha
}

// cloneURL is where builders fetch it.
func (r *repository) cloneURL() string { return fmt.Sprintf("%s/%s.git", install.GitHubURL, r.name) }
