package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"katkit.dev/katkit/internal/contract"
)

var checkedOut = contract.Report{Reason: contract.ReasonCompleted, Message: "Checked out"}

// workspace is a shared folder with a finished checkout of the files.
func workspace(t *testing.T, files map[string]string) string {
	t.Helper()
	base := t.TempDir()
	paths := pathsIn(base)
	if err := os.MkdirAll(paths.Source, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		writeFile(t, filepath.Join(paths.Source, name), content, 0o755)
	}
	if err := prepareControl(paths.Control); err != nil {
		t.Fatal(err)
	}
	if err := leaveWord(paths.Control, checkedOut); err != nil {
		t.Fatal(err)
	}
	return base
}

func runCI(t *testing.T, script string, env ...string) *agentProcess {
	t.Helper()
	return startAgent(t, contract.ExecCommand, workspace(t, map[string]string{"ci.sh": script}), env...)
}

func TestExecRunsTheScript(t *testing.T) {
	a := runCI(t, "#!/bin/bash\necho out; echo err >&2; echo -n more", "GIT_SHA=abc")
	r := a.wantSuccess()
	if got := a.log.String(); got != "out\nerr\nmore" {
		t.Errorf("log: %q", got)
	}
	if !r.LogComplete() || r.Tail != "out\nerr\nmore" || r.Log.Lines != 3 || r.Log.TailLines != 3 {
		t.Errorf("%+v", r)
	}
	if r.StartTime.IsZero() || r.FinishTime.Before(r.StartTime) {
		t.Errorf("from %s to %s", r.StartTime, r.FinishTime)
	}
}

func TestExecReportsTheExitCode(t *testing.T) {
	for _, code := range []int{1, 42, 120, 143, 255} {
		r := runCI(t, fmt.Sprintf("#!/bin/sh\necho last words\nexit %d\n", code)).
			wantFailure(contract.ClassUser, contract.ReasonCIScriptFailed, fmt.Sprintf("code %d", code))
		if r.ExitCode != code || !strings.HasPrefix(r.Tail, "last words\n[katkit] ") {
			t.Errorf("code %d: %+v", code, r)
		}
	}
}

func TestExecReportsAKilledScript(t *testing.T) {
	r := runCI(t, "#!/bin/sh\nkill -9 $$\n").wantFailure(contract.ClassUser, contract.ReasonCIScriptKilled, "SIGKILL", "memory")
	if r.ExitCode != 137 || r.Signal != 9 {
		t.Errorf("%+v", r)
	}
}

func TestExecHintsAtACommandOutOfMemory(t *testing.T) {
	r := runCI(t, "#!/bin/bash\nset -e\n(kill -9 $BASHPID)\n").wantFailure(contract.ClassUser, contract.ReasonCIScriptFailed, "SIGKILL", "memory")
	if r.ExitCode != 137 || r.Signal != 0 {
		t.Errorf("%+v", r)
	}
}

func TestExecFindsAndRunsEveryKindOfScript(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		mode   os.FileMode
		want   string
	}{
		"not executable":               {"#!/bin/sh\ntest -x \"$0\" && echo ran\n", 0o644, "ran\n"},
		"no shebang runs in bash":      {"[[ -n $BASH_VERSION ]] && echo ran\n", 0o644, "ran\n"},
		"empty":                        {"", 0o644, ""},
		"another interpreter":          {"#!/usr/bin/env -S cat\nx\n", 0o755, "#!/usr/bin/env -S cat\nx\n"},
		"an argument in the shebang":   {"#! /bin/sh  -e \nfalse\necho not reached\n", 0o755, "fails"},
		"a tab in the shebang":         {"#!/bin/sh\t-e\nfalse\necho not reached\n", 0o755, "fails"},
		"a shebang without anything":   {"#!\necho ran\n", 0o755, "ran\n"},
		"an absolute name for itself":  {"#!/bin/sh\ncase $0 in /*/ci.sh) echo ran;; esac\n", 0o755, "ran\n"},
		"stdin is empty":               {"#!/bin/sh\ncat; echo ran\n", 0o755, "ran\n"},
		"stdout blocks as usual":       {"#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x | fold -w 99 | tail -n 1 | wc -c\n", 0o755, "3\n"},
		"zombies are nobody's problem": {"#!/bin/bash\nfor i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.1; echo ran\n", 0o755, "ran\n"},
	} {
		t.Run(name, func(t *testing.T) {
			base := workspace(t, nil)
			writeFile(t, filepath.Join(base, "src/ci.sh"), c.script, c.mode)
			a := startAgent(t, contract.ExecCommand, base)
			if c.want == "fails" {
				a.wantFailure(contract.ClassUser, contract.ReasonCIScriptFailed)
				return
			}
			a.wantSuccess()
			if got := a.log.String(); got != c.want {
				t.Errorf("log %q, want %q", got, c.want)
			}
		})
	}
}

func TestExecRunsInTheFolderPath(t *testing.T) {
	for _, codePath := range []string{"services/api", "/services/api/", "services/api/"} {
		base := workspace(t, map[string]string{"services/api/ci.sh": "#!/bin/bash\necho $PWD; pwd\n", "ci.sh": "exit 1"})
		a := startAgent(t, contract.ExecCommand, base, "CODE_PATH="+codePath)
		a.wantSuccess()
		if want := filepath.Join(base, "src/services/api"); a.log.String() != want+"\n"+want+"\n" {
			t.Errorf("%q: %s", codePath, a.log.String())
		}
	}
}

func TestExecRefusesWhatCannotRun(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		links    map[string]string
		codePath string
		reason   contract.Reason
		words    string
	}{
		"no ci.sh":               {reason: contract.ReasonNoCIScript, words: "no ci.sh"},
		"no folder":              {codePath: "api", reason: contract.ReasonNoCIScript, words: "no folder api"},
		"no ci.sh in the folder": {files: map[string]string{"api/x": ""}, codePath: "api", reason: contract.ReasonNoCIScript, words: "no api/ci.sh"},
		"a folder":               {files: map[string]string{"ci.sh/x": ""}, reason: contract.ReasonCIScriptInvalid, words: "a folder"},
		"a link out of the tree": {links: map[string]string{"ci.sh": "/bin/true"}, reason: contract.ReasonCIScriptInvalid, words: "inside"},
		"a relative link out":    {links: map[string]string{"ci.sh": "../../../bin/true"}, reason: contract.ReasonCIScriptInvalid, words: "inside"},
		"a link to nothing":      {links: map[string]string{"ci.sh": "build.sh"}, reason: contract.ReasonNoCIScript, words: "link"},
		"a folder that leads out": {links: map[string]string{"api": "/"}, codePath: "api",
			reason: contract.ReasonCIScriptInvalid, words: "inside"},
		"dots in the folder path": {codePath: "api/../..", reason: contract.ReasonInvalidRequest, words: "leads out"},
		"CRLF":                    {files: map[string]string{"ci.sh": "#!/bin/bash\r\necho\r\n"}, reason: contract.ReasonCIScriptInvalid, words: "ci.sh, line 1"},
		"CRLF without a shebang":  {files: map[string]string{"ci.sh": "echo\r\n"}, reason: contract.ReasonCIScriptInvalid, words: "CRLF"},
		"an interpreter that is not there": {files: map[string]string{"ci.sh": "#!/opt/no/python\n"},
			reason: contract.ReasonCIScriptInvalid, words: `"/opt/no/python"`},
		"a relative interpreter": {files: map[string]string{"ci.sh": "#!bash\n"}, reason: contract.ReasonCIScriptInvalid, words: `"bash"`},
	} {
		t.Run(name, func(t *testing.T) {
			base := workspace(t, c.files)
			for link, target := range c.links {
				if err := os.Symlink(target, filepath.Join(base, "src", link)); err != nil {
					t.Fatal(err)
				}
			}
			a := startAgent(t, contract.ExecCommand, base, "CODE_PATH="+c.codePath)
			r := a.wantFailure(contract.ClassConfig, c.reason, c.words)
			if r.ExitCode != contract.ExitConfig || !strings.Contains(a.log.String(), r.Message) {
				t.Errorf("exit code %d, log %q", r.ExitCode, a.log.String())
			}
		})
	}
}

func TestExecFollowsALinkInsideTheTree(t *testing.T) {
	base := workspace(t, map[string]string{"build/ci.sh": "#!/bin/sh\necho ran"})
	if err := os.Symlink("build/ci.sh", filepath.Join(base, "src/ci.sh")); err != nil {
		t.Fatal(err)
	}
	startAgent(t, contract.ExecCommand, base).wantSuccess()
}

func TestExecWaitsForTheWord(t *testing.T) {
	base := t.TempDir()
	control := pathsIn(base).Control
	writeFile(t, filepath.Join(base, "src/ci.sh"), "echo ran", 0o755)
	a := startAgent(t, contract.ExecCommand, base)
	eventually(t, "exec waits", func() bool { return exists(filepath.Join(control, aliveFifo)) })
	alive, err := holdAlive(control)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaveWord(control, checkedOut); err != nil {
		t.Fatal(err)
	}
	alive.Close()
	a.wantSuccess()
}

func TestExecEndsWithAFailedCheckout(t *testing.T) {
	base := t.TempDir()
	control := pathsIn(base).Control
	alive, err := holdAlive(control)
	if err != nil {
		t.Fatal(err)
	}
	a := startAgent(t, contract.ExecCommand, base)
	word := failure(contract.ClassConfig, contract.ReasonCommitNotFound, "there is no such commit")
	if err := leaveWord(control, word); err != nil {
		t.Fatal(err)
	}
	alive.Close()
	r := a.wantFailure(contract.ClassConfig, contract.ReasonCommitNotFound, "there is no such commit")
	if r.ExitCode != contract.ExitCheckoutFailed || !r.StartTime.IsZero() {
		t.Errorf("exit code %d, ci.sh started at %s", r.ExitCode, r.StartTime)
	}
}

func TestExecNoticesAKilledCheckout(t *testing.T) {
	base := t.TempDir()
	alive, err := holdAlive(pathsIn(base).Control)
	if err != nil {
		t.Fatal(err)
	}
	a := startAgent(t, contract.ExecCommand, base)
	waitsAt(t, a, "do_sys_poll", "do_poll", "poll_schedule_timeout")
	alive.Close()
	a.wantFailure(contract.ClassInfra, contract.ReasonCheckoutFailed, "ended before it was done")
}

func TestExecToldToStopWhileWaiting(t *testing.T) {
	base := t.TempDir()
	a := startAgent(t, contract.ExecCommand, base)
	eventually(t, "exec waits", func() bool { return exists(filepath.Join(pathsIn(base).Control, aliveFifo)) })
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	if r := a.wantFailure(contract.ClassInfra, contract.ReasonTerminated); r.ExitCode != contract.ExitTerminated {
		t.Errorf("exit code %d", r.ExitCode)
	}
}

func TestExecPassesSignalsToTheGroup(t *testing.T) {
	for name, c := range map[string]struct {
		script, log string
		code        int
	}{
		"a script that cleans up":   {"trap 'echo cleaned; exit 7' TERM; echo ready; while :; do sleep 0.05; done", "cleaned", 7},
		"one that says all is well": {"trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done", "", contract.ExitTerminated},
		"one that just dies":        {"echo ready; sleep 60", "", 143},
		"one that will not hear":    {"trap '' TERM; echo ready; while :; do sleep 0.05; done", "is killed", 137},
	} {
		t.Run(name, func(t *testing.T) {
			ready := filepath.Join(t.TempDir(), "ready")
			a := runCI(t, "#!/bin/bash\n"+strings.Replace(c.script, "echo ready", "echo ready; touch "+ready, 1), "KATKIT_GRACE_SECONDS=1")
			eventually(t, "ci.sh runs", func() bool { return exists(ready) })
			_ = a.cmd.Process.Signal(syscall.SIGTERM)
			r := a.wantFailure(contract.ClassInfra, contract.ReasonTerminated, "SIGTERM")
			if r.ExitCode != c.code || !strings.Contains(a.log.String(), c.log) {
				t.Errorf("exit code %d, want %d; log:\n%s", r.ExitCode, c.code, a.log.String())
			}
		})
	}
}

func TestExecDoesNotWaitForWhatIsLeftBehind(t *testing.T) {
	for name, script := range map[string]string{
		"a child that keeps the output": "sleep 300 & echo $! >%s; echo done",
		"a child that writes for ever":  "yes & echo $! >%s",
	} {
		t.Run(name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			start := time.Now()
			a := runCI(t, "#!/bin/bash\n"+fmt.Sprintf(script, pidFile))
			a.wantSuccess()
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if !strings.Contains(a.log.String(), "left processes behind") {
				t.Error("the log does not say so")
			}
			pid, _ := os.ReadFile(pidFile)
			eventually(t, "the child is gone", func() bool { return !exists("/proc/" + strings.TrimSpace(string(pid))) })
		})
	}
}

func TestExecIsNotHeldByAProcessOfAnotherGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	a := runCI(t, fmt.Sprintf("#!/bin/bash\nsetsid bash -c 'echo $$ >%[1]s; exec sleep 300' & until [ -s %[1]s ]; do sleep 0.01; done\n", pidFile))
	a.wantSuccess()
	pid, _ := os.ReadFile(pidFile)
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(n, syscall.SIGKILL) // in a Pod it ends with process 1
}

func TestExecGetsTheLastOutputOfAChild(t *testing.T) {
	a := runCI(t, "#!/bin/bash\n(sleep 0.3; echo late) &\necho early\n")
	r := a.wantSuccess()
	if r.Tail != "early\nlate\n" {
		t.Errorf("%q", r.Tail)
	}
}

func TestExecReapsOrphans(t *testing.T) {
	a := runCI(t, `#!/bin/bash
for i in $(seq 50); do (true &); done
# All orphans are children of the agent by now, and none may stay a zombie.
for try in $(seq 400); do
  zombies=$(cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent=$PPID '$3 == "Z" && $4 == parent' | wc -l)
  [ "$zombies" = 0 ] && exit 0
  sleep 0.01
done
echo "$zombies zombies"; exit 1
`)
	a.wantSuccess()
}

func TestExecGivesTheScriptItsEnvironment(t *testing.T) {
	a := runCI(t, "#!/bin/bash\necho \"$ENV|$KATKIT_GRACE_SECONDS|$HOME\"; git config --get-all safe.directory; git config x.y; touch $HOME/x && echo writable\n",
		"ENV=DEV", "KATKIT_GRACE_SECONDS=5", "HOME=/nonexistent", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=x.y", "GIT_CONFIG_VALUE_0=kept")
	a.wantSuccess()
	want := fmt.Sprintf("DEV||%s/.katkit/home\n*\nkept\nwritable\n", a.base)
	if got := a.log.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExecPassesMuchOutputInFlatMemory(t *testing.T) {
	const size = 64 << 20
	base := workspace(t, map[string]string{"ci.sh": fmt.Sprintf("#!/bin/bash\nyes 0123456789abcde | head -c %d\necho VmHWM is\ngrep VmHWM /proc/$PPID/status\n", size)})
	a := startAgent(t, contract.ExecCommand, base)
	r := a.wantSuccess()
	if r.Log.Bytes < size || r.Log.Lines != size/16+2 || r.LogComplete() {
		t.Errorf("%+v", r.Log)
	}
	tail := a.log.String()[a.log.Len()-contract.LogTailBytes:]
	if want := int64(strings.Count(tail, "\n")); r.Log.TailLines != want {
		t.Errorf("%d lines in the tail, want %d", r.Log.TailLines, want)
	}
	if !strings.HasSuffix(tail, r.Tail) || len(r.Tail) < 3000 {
		t.Errorf("the tail is not the end of the log: %q", r.Tail)
	}
	lines := strings.Fields(tail)
	if kib, err := strconv.Atoi(lines[len(lines)-2]); err != nil || kib > 40<<10 {
		t.Errorf("the agent used %d KiB (%v)", kib, err)
	}
}

// waitsAt waits until a thread of the agent sleeps in one of the kernel's functions, where the kernel tells.
func waitsAt(t *testing.T, a *agentProcess, functions ...string) {
	t.Helper()
	eventually(t, "exec waits", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", a.cmd.Process.Pid))
		for _, thread := range threads {
			at, _ := os.ReadFile(thread)
			for _, f := range functions {
				if strings.Contains(string(at), f) {
					return true
				}
			}
		}
		return false
	})
}
