package agent

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestInstallCopiesTheAgent(t *testing.T) {
	base, dir := t.TempDir(), t.TempDir()
	for range 2 { // the kubelet may start it again
		startAgent(t, contract.InstallCommand+" "+dir, base).wantSuccess()
	}
	info, err := os.Stat(filepath.Join(dir, "katkit-agent"))
	if err != nil || info.Mode() != 0o755 {
		t.Fatalf("%v, %v", info, err)
	}
	a := prepareAgent(t, contract.ExecCommand, workspace(t, map[string]string{"ci.sh": "echo built\n"}))
	a.cmd.Path = filepath.Join(dir, "katkit-agent")
	a.start().wantSuccess()

	r := startAgent(t, contract.InstallCommand+" /nonexistent", base).wantFailure(contract.ClassInfra, contract.ReasonAgentFailed, "/nonexistent/katkit-agent")
	if r.ExitCode != contract.ExitInfra {
		t.Errorf("exit code %d", r.ExitCode)
	}
}

func TestAnAgentOfAnotherVersionTakesNoPart(t *testing.T) {
	base := workspace(t, map[string]string{"ci.sh": "echo \"built ${KATKIT_CONTRACT-}\"\n"})
	for _, needed := range []string{"1", "0", ""} {
		a := startAgent(t, contract.ExecCommand, base, contract.VarContract+"="+needed)
		a.wantFailure(contract.ClassConfig, contract.ReasonAgentMismatch, "version 2", "version "+needed)
		if strings.Contains(a.log.String(), "built") {
			t.Error("ci.sh ran")
		}
	}
	a := startAgent(t, contract.ExecCommand, base, contract.VarContract+"=2")
	a.wantSuccess()
	if got := a.log.String(); got != "built \n" {
		t.Errorf("ci.sh saw %q", got)
	}
}

// As in an image whose file system is read-only, with users that it does not know: nothing but the workspace is written to.
func TestAnyUserCanBuild(t *testing.T) {
	s := newGitServer(t)
	sha := s.addCommit(t, "private/app.git", tree{files: map[string]string{"ci.sh": "#!/bin/bash\nset -e\ntouch \"$HOME/x\" \"$(mktemp)\" built\n" +
		"git status --porcelain\necho \"NAME=$(id -u)\" >>\"$KATKIT_OUTPUT\"\n"}})
	secure, ca := s.withTLS(t)
	base := t.TempDir()
	writeFile(t, pathsIn(base).Token, goodToken, 0o644)
	for _, dir := range []string{base, filepath.Dir(base)} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyProgram(filepath.Join(base, "agent")); err != nil {
		t.Fatal(err)
	}
	as := func(user uint32, command string, env ...string) *agentProcess {
		a := prepareAgent(t, command, base, append(env, "HOME=/nonexistent", "TMPDIR=/nonexistent")...)
		a.cmd.Path, a.cmd.Dir = filepath.Join(base, "agent"), "/"
		if os.Geteuid() == 0 { // else one user has to do
			a.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		}
		return a.start()
	}
	as(65532, contract.CheckoutCommand, "KATKIT_REPO_URL="+secure.URL+"/private/app.git", "GIT_SHA="+sha, contract.VarCABundle+"="+ca).wantSuccess()
	if err := os.Remove(pathsIn(base).Termination); err != nil { // each container has its own
		t.Fatal(err)
	}
	build := as(12345, contract.ExecCommand, "KATKIT_CONTRACT=2")
	r := build.wantSuccess()
	if len(r.Outputs) != 1 || build.log.String() != "?? built\n" {
		t.Errorf("outputs %v, log %q", r.Outputs, build.log.String())
	}
}
