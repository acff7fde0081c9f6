package agent

import (
	"os/exec"
	"strings"

	"katkit.dev/katkit/internal/contract"
)

// findLFS returns an error when git could not bring the files that Git LFS keeps.
func findLFS() error {
	if _, err := exec.LookPath("git-lfs"); err != nil {
		return &refusal{failure(contract.ClassConfig, contract.ReasonCheckoutFailed, "variable %s asks for the files of Git LFS, but the agent image has no git-lfs:"+
			" a cluster admin puts Katkit's own agent image, or one with git-lfs, into the BuilderClass", contract.VarLFS)}
	}
	return nil
}

// lfsConfig has git replace the pointers of Git LFS while it fills the working tree. The files come from the repository's own
// LFS server, whatever .lfsconfig says: a commit does not choose where the token goes or what is read with it.
func lfsConfig(req request) [][2]string {
	return [][2]string{
		{"filter.lfs.process", "git-lfs filter-process"}, {"filter.lfs.smudge", "git-lfs smudge -- %f"}, {"filter.lfs.clean", "git-lfs clean -- %f"},
		{"filter.lfs.required", "true"}, {"lfs.url", strings.TrimSuffix(req.url, ".git") + ".git/info/lfs"},
	}
}
