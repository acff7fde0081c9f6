package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/fakegithub"
)

var _ = Describe("A checkout", func() {
	It("brings exactly its commit, which need not be a branch's, and history, submodules and large files where the phase asks for them", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		lib := newUnreleased(ctx, map[string]string{"version": "wanted"})
		wanted := lib.sha
		lib.commit(ctx, fakegithub.Commit{Message: "newer", Files: fakegithub.Texts(map[string]string{"version": "newer"})})
		files := fakegithub.Texts(map[string]string{
			"ci.sh": script(`echo "$PHASE at $(git rev-parse HEAD): $(git rev-list --count HEAD) commits, lib $(cat lib/version 2>/dev/null || echo none), $(head -c 7 large.bin)"`),
			configFile: workflow(phase{Name: "PLAIN", PhaseType: 4},
				phase{Name: "MORE", PhaseType: 4, BuildParams: "KATKIT_FETCH_DEPTH=2, KATKIT_SUBMODULES=true, KATKIT_LFS=true"},
				phase{Name: "ALL", PhaseType: 4, BuildParams: "KATKIT_FETCH_DEPTH=0, KATKIT_SUBMODULES=recursive"}),
			".gitmodules":    "[submodule \"lib\"]\n\tpath = lib\n\turl = ../" + lib.name[len("e2e-"+suite.id+"/"):] + ".git\n",
			".gitattributes": "*.bin filter=lfs -text\n",
		})
		maps.Copy(files, map[string]fakegithub.File{
			"lib":       {Submodule: wanted},
			"large.bin": {Content: []byte("content"), Large: true},
		})
		r := newRepositoryOf(ctx, files)
		before := r.commit(ctx, fakegithub.Commit{Message: "again"})
		r.commit(ctx, fakegithub.Commit{Message: "again"})
		link := t.link(ctx, r)
		newest, older := t.run(ctx, link, r.sha), t.run(ctx, link, before)
		for _, c := range []struct {
			run     *v1alpha1.CIRun
			sha     string
			commits int
		}{{newest, r.sha, 3}, {older, before, 2}} {
			phases := phasesOf(ctx, succeeded(ctx, c.run))
			Expect(logOf(ctx, phases["PLAIN"])).To(Equal("PLAIN at " + c.sha + ": 1 commits, lib none, version\n"))
			Expect(logOf(ctx, phases["MORE"])).To(Equal("MORE at " + c.sha + ": 2 commits, lib wanted, content\n"))
			Expect(logOf(ctx, phases["ALL"])).To(Equal(fmt.Sprintf("ALL at %s: %d commits, lib wanted, version\n", c.sha, c.commits)))
		}
	})

	It("of a hostile repository's submodules brings their commits, and obeys no word of theirs, with the git of the agent image", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		hook := script("touch /workspace/ran")
		payload := newUnreleased(ctx, map[string]string{"payload": "brought", "hooks/post-checkout": hook, "y/hooks/post-checkout": hook})
		address := "\turl = ../" + payload.name[len("e2e-"+suite.id+"/"):] + ".git\n"
		files := fakegithub.Texts(map[string]string{
			"ci.sh": script("cat evil/payload A/modules/x/payload ./-u./payload/payload; echo", "ls -A ..", "ls -d .git/modules 2>/dev/null || readlink a"),
			".gitmodules": "[submodule \"../../../evil\"]\n\tpath = evil\n" + address + // as a folder of .git/modules it were beside the checkout
				"[submodule \"x/y\"]\n\tpath = A/modules/x\n" + address + // a hook of git's own, where file systems take A for a
				"[submodule \"-u./payload\"]\n\tpath = -u./payload\n\tupdate = !touch /workspace/ran\n" + address,
			configFile: workflow(phase{Name: "BUILD", PhaseType: 4, BuildParams: "KATKIT_SUBMODULES=recursive"}),
		})
		maps.Copy(files, map[string]fakegithub.File{
			"a":    {Content: []byte(".git"), Symlink: true},
			"evil": {Submodule: payload.sha}, "A/modules/x": {Submodule: payload.sha}, "-u./payload": {Submodule: payload.sha},
		})
		run := succeeded(ctx, t.runOf(ctx, newRepositoryOf(ctx, files)))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("broughtbroughtbrought\n.katkit\nsrc\n.git\n"))
	})
})

var _ = Describe("A builder image", func() {
	It("gets the agent by an init container where the manager is told so", Serial, func(ctx SpecContext) {
		Expect(suite.Katkit(ctx, suite.images, "--agent-delivery=init-container")).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(suite.Katkit(ctx, suite.images)).To(Succeed()) })
		t := newTenant(ctx, "DEV")
		run := succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("ls /katkit", "touch /katkit/x 2>/dev/null || echo read-only"), configFile: workflow(build)})))
		phase := phasesOf(ctx, run)["BUILD"]
		Expect(phase.Status.Builder.AgentDelivery).To(Equal(v1alpha1.AgentByInitContainer))
		Expect(logOf(ctx, phase)).To(Equal("katkit-agent\nread-only\n"))
		Expect(suite.pods.ofRun(run)).To(ConsistOf(HaveField("Spec.InitContainers", HaveLen(1))))
		expectStored(ctx, run)
	})

	It("may bring its own agent, and is told how to when it has none", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		runIn := func(image string) *v1alpha1.CIRun {
			r := newRepository(ctx, map[string]string{"ci.sh": script("test ! -e /katkit", "echo mine"), configFile: workflow(build)})
			return t.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.AgentInImage, link.Builder.Image = true, image })
		}
		run := succeeded(ctx, runIn(suite.images.Builder))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("mine\n"))
		expectStored(ctx, run)

		expectPhaseFailed(ctx, runIn(suite.images.GitHub), "BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig,
			"COPY --from="+suite.images.Agent+" /katkit-agent /katkit-agent")
	})

	It("that brings the agent of another version is told to be built anew, with the line to do it by", func(ctx SpecContext) {
		image := agentOfAnotherVersion(ctx)
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		run := t.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.AgentInImage, link.Builder.Image = true, image })
		phase := expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureConfig, string(contract.ReasonAgentMismatch),
			fmt.Sprintf("is of version %d", contract.Version+1), fmt.Sprintf("version %d is needed", contract.Version),
			"COPY --from="+suite.images.Agent+" /katkit-agent /katkit-agent", "Dockerfile of "+image)
		Expect(phase.Status.Attempts[0].Replicas[0].ExitCode).To(HaveValue(BeEquivalentTo(contract.ExitConfig)))
	}, SpecTimeout(patience))

	It("may be any that has its interpreter: without git, bash or the agent, of any user, with a root folder that is read-only", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.strictBuilders(ctx, 54321)
		ci := "#!/bin/sh\nset -eu\n! command -v git\n! command -v bash\nid -u\ntouch /x 2>/dev/null || echo read-only\n" +
			"echo built > artefact\necho mine > \"$HOME/file\"\nmktemp >/dev/null\necho NAME=value >> \"$KATKIT_OUTPUT\"\n"
		r := newRepository(ctx, map[string]string{"ci.sh": ci, configFile: workflow(build)})
		run := succeeded(ctx, t.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.Image = "busybox:stable" }))
		phase := phasesOf(ctx, run)["BUILD"]
		Expect(logOf(ctx, phase)).To(Equal("54321\nread-only\n"))
		Expect(phase.Status.Outputs).To(ConsistOf(v1alpha1.Output{Name: "NAME", Value: "value"}))
	})

	It("that the class does not allow is refused, with those that are, before a Pod is made", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		inClass := newClass(ctx, func(class *v1alpha1.BuilderClassSpec) { class.AllowedImages = []string{"registry.example.com/team/*"} })
		r := newRepository(ctx, map[string]string{"ci.sh": script(), configFile: workflow(build)})
		link := t.newLink("busybox", r)
		inClass(&link.Spec)
		link.Spec.Builder.Image = "busybox:stable"
		Expect(suite.Client.Create(ctx, link)).To(Succeed())
		refused := ContainElement(And(HaveField("Reason", v1alpha1.ReasonImageNotAllowed),
			HaveField("Message", And(ContainSubstring("busybox:stable"), ContainSubstring("use one of "+suite.images.Builder+", registry.example.com/team/*")))))
		Eventually(func(ctx context.Context) ([]metav1.Condition, error) {
			err := suite.Client.Get(ctx, client.ObjectKeyFromObject(link), link)
			return link.Status.Conditions, err
		}).WithContext(ctx).Should(refused)
		run := ended(ctx, t.run(ctx, link.Name, r.sha))
		Expect(run.Status.State).To(Equal(v1alpha1.RunFailed))
		Expect(run.Status.Conditions).To(refused)
		Expect(suite.pods.ofRun(run)).To(BeEmpty())
	})

	It("has the link's cache, which what was left there outlives", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		claim := t.cache(ctx)
		runWith := func(claim string) *v1alpha1.CIRun {
			r := newRepository(ctx, map[string]string{
				"ci.sh":    script(`cat "$KATKIT_CACHE/seen" 2>/dev/null || echo nothing`, `echo "$PHASE" >"$KATKIT_CACHE/seen"`),
				configFile: workflow(build, verify),
			})
			return t.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) {
				link.Builder.Cache = &v1alpha1.CacheSpec{ClaimName: claim, Path: "/var/cache/build"}
			})
		}
		phases := phasesOf(ctx, succeeded(ctx, runWith(claim)))
		Expect(logOf(ctx, phases["BUILD"])).To(Equal("nothing\n"))
		Expect(logOf(ctx, phases["VERIFY"])).To(Equal("BUILD\n"))
		Expect(phases["BUILD"].Spec.Execution.Env).To(ContainElement(v1alpha1.BuilderEnvVar{Name: contract.VarCache, Value: "/var/cache/build"}))

		By("naming the claim that is not there, long before the Pod has waited for a node for too long")
		expectPhaseFailed(ctx, runWith("no-such-claim"), "BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonCacheNotFound, "PersistentVolumeClaim "+t.namespace+"/no-such-claim")
	})
})

// agentOfAnotherVersion makes an image of nothing but an agent, built of the source as it will be when the contract has changed, and returns
// its name.
func agentOfAnotherVersion(ctx context.Context) string {
	GinkgoHelper()
	const source = "internal/contract/pod.go"
	line := func(version int) []byte { return fmt.Appendf(nil, "\nconst Version = %d\n", version) }
	now, err := os.ReadFile(filepath.Join(suite.Root, source))
	Expect(err).NotTo(HaveOccurred())
	Expect(bytes.Count(now, line(contract.Version))).To(Equal(1), source)
	dir := GinkgoT().TempDir()
	changed, overlay, binary := filepath.Join(dir, "pod.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "katkit-agent")
	Expect(os.WriteFile(changed, bytes.Replace(now, line(contract.Version), line(contract.Version+1), 1), 0o600)).To(Succeed())
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(suite.Root, source): changed}})
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(overlay, text, 0o600)).To(Succeed())
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-overlay", overlay, "-o", binary, "./cmd/agent")
	command.Dir, command.Env = suite.Root, append(os.Environ(), "CGO_ENABLED=0")
	printed, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(printed))
	agent, err := os.ReadFile(binary)
	Expect(err).NotTo(HaveOccurred())

	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	Expect(files.WriteHeader(&tar.Header{Name: strings.TrimPrefix(contract.AgentBinary, "/"), Mode: 0o755, Size: int64(len(agent))})).To(Succeed())
	_, err = files.Write(agent)
	Expect(err).NotTo(HaveOccurred())
	Expect(files.Close()).To(Succeed())
	image, err := suite.pushImage(ctx, suite.Registry.Pull+"/katkit/e2e-agent", layer.Bytes())
	Expect(err).NotTo(HaveOccurred())
	return image
}

// cache makes a claim of the tenant, on a volume that is a folder of the node, and returns its name.
func (t *tenant) cache(ctx context.Context) string {
	GinkgoHelper()
	const name = "cache"
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: t.namespace},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{Namespace: t.namespace, Name: name},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: "/tmp/" + t.namespace + "-cache", Type: new(corev1.HostPathDirectoryOrCreate),
			}},
		},
	}
	Expect(suite.Client.Create(ctx, volume)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(suite.Client.Delete(ctx, volume)).To(Succeed()) })
	Expect(suite.Client.Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: new(""), VolumeName: t.namespace,
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	})).To(Succeed())
	return name
}

// strictBuilders has the API server run the builds of a tenant as a user, with a root folder that is read-only, as a cluster's own policy may.
func (t *tenant) strictBuilders(ctx context.Context, user int64) {
	GinkgoHelper()
	t.mutatePods(ctx, mutation{
		change: []admissionregistrationv1.Mutation{applying(fmt.Sprintf(
			`Object{spec: Object.spec{containers: [Object.spec.containers{name: "build", securityContext: Object.spec.containers.securityContext{runAsUser: %d, readOnlyRootFilesystem: true}}]}}`, user))},
		shows: func(pod *corev1.PodSpec) bool {
			context := pod.Containers[0].SecurityContext
			return context != nil && context.ReadOnlyRootFilesystem != nil
		},
	})
}
