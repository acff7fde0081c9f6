package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// What the files say is found without Katkit's parsers, since those are what is tested.
var (
	builderImages = regexp.MustCompile(`"Conta?inerImage"\s*:\s*"([^"]+)"`)
	envNames      = regexp.MustCompile(`"EnvName"\s*:\s*"([^"]+)"`)
	hubtagRoles   = regexp.MustCompile(`"Name"\s*:\s*"([^"]+)",\s*"DockerImage"\s*:\s*"([^"]+<hubtag>)"`)
)

var _ = Describe("Files that users wrote for the original product work unchanged", func() {
	BeforeEach(func(ctx SpecContext) {
		if !suite.Registry.Local {
			Skip("the files name images of Docker Hub, which only the local cluster's registry can stand in for")
		}
		labelNode(ctx, v1alpha1.LabelAllocationTag, "build")
	})

	for _, repository := range userRepositories() {
		It(filepath.Base(repository), func(ctx SpecContext) {
			r := createRepository(ctx)
			commit := fakegithub.Commit{Message: "As it is", Files: fixture(repository, nil)}
			folders := foldersOf(commit.Files)
			for _, folder := range folders {
				commit.Files[filepath.Join(folder, "ci.sh")] = fakegithub.Text(script(`echo "$PHASE"`))
			}
			var err error
			r.sha, err = suite.github.Commit(ctx, r.name, commit)
			Expect(err).NotTo(HaveOccurred())

			var group sync.WaitGroup
			for _, folder := range folders {
				config := configOf(commit.Files, folder)
				for _, image := range builderImages.FindAllStringSubmatch(config, -1) {
					Expect(suite.tag(ctx, suite.images.Builder, suite.Registry.Pull+"/"+image[1])).To(Succeed())
				}
				for _, env := range envNames.FindAllStringSubmatch(config, -1) {
					t := newTenant(ctx, strings.ToUpper(env[1])) // "default" is no env's name, so that entry serves it
					group.Go(func() {
						defer GinkgoRecover()
						t.runAsIs(ctx, r, folder, content(commit.Files, folder, descriptionFile))
					})
				}
			}
			group.Wait()
		})
	}
})

// userRepositories are the folders of repositories that users wrote: those beside the checkout, else the project's own.
func userRepositories() []string {
	for _, folder := range []string{"../../../shared/corpus", "../fixtures/repos"} {
		var found []string
		configs, _ := filepath.Glob(filepath.Join(folder, "*", configFile)) // the pattern is right
		for _, config := range configs {
			if _, err := os.Stat(filepath.Join(filepath.Dir(config), "ci.sh")); err != nil { // the demo's has one, and is tested by itself
				found = append(found, filepath.Dir(config))
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// foldersOf lists the folders that hold a service.
func foldersOf(files map[string]fakegithub.File) []string {
	var folders []string
	for path := range files {
		if folder, found := strings.CutSuffix(path, descriptionFile); found {
			folders = append(folders, strings.TrimSuffix(folder, "/"))
		}
	}
	Expect(folders).NotTo(BeEmpty())
	return folders
}

// content is the text of a folder's file, "" when it has none.
func content(files map[string]fakegithub.File, folder, path string) string {
	return string(files[filepath.Join(folder, path)].Content)
}

// configOf is the text of the katkitconfig.js that counts for a folder.
func configOf(files map[string]fakegithub.File, folder string) string {
	if text := content(files, folder, configFile); text != "" {
		return text
	}
	return content(files, "", configFile)
}

// runAsIs makes the services that a description tells of, runs the commit, and checks that each runs the image that its
// description says.
func (t *tenant) runAsIs(ctx context.Context, r *repository, folder, description string) {
	GinkgoHelper()
	images := map[string]string{}
	for _, role := range hubtagRoles.FindAllStringSubmatch(description, -1) {
		images[role[1]] = strings.ReplaceAll(role[2], "<hubtag>", r.sha)
		Expect(suite.tag(ctx, suite.images.Builder, suite.Registry.Pull+"/"+images[role[1]])).To(Succeed())
		t.service(ctx, role[1])
	}
	Expect(images).NotTo(BeEmpty())
	run := t.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.FolderPath = folder })
	t.approveAll(ctx, run)
	run = succeeded(ctx, run)
	for name, image := range images {
		Expect(t.image(ctx, name)).To(Equal(image))
	}
	for name, phase := range phasesOf(ctx, run) {
		if phase.Spec.Type == v1alpha1.PhaseExecution {
			Expect(logs(ctx, phase)).To(HaveEach(name + "\n"))
		}
	}
}

// approveAll approves the phases of a run that ask for it.
func (t *tenant) approveAll(ctx context.Context, run *v1alpha1.CIRun) {
	Eventually(func(g Gomega, ctx context.Context) {
		phases, err := suite.Phases(ctx, run)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(phases).NotTo(BeEmpty())
		for i := range phases {
			if phases[i].Spec.Approval == v1alpha1.ApprovalManual {
				patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"approved":true}}`))
				g.Expect(suite.Client.Patch(ctx, &phases[i], patch)).To(Succeed())
			}
		}
	}).WithContext(ctx).Should(Succeed())
}

// labelNode gives a node a label until the spec is over.
func labelNode(ctx context.Context, label, value string) {
	var nodes corev1.NodeList
	Expect(suite.Client.List(ctx, &nodes)).To(Succeed())
	Expect(nodes.Items).NotTo(BeEmpty())
	node := &nodes.Items[0]
	set := func(ctx context.Context, value string) {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+label+`":`+value+`}}}`))
		Expect(suite.Client.Patch(ctx, node, patch)).To(Succeed())
	}
	set(ctx, `"`+value+`"`)
	DeferCleanup(func(ctx SpecContext) { set(ctx, "null") })
}
