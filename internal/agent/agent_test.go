package agent

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// The agent reaps every child of its process and sets its umask, so the tests run it as a process of its own: this
// test binary, started again.
const (
	envAgent = "AGENT_TEST_COMMAND"
	envBase  = "AGENT_TEST_BASE"
)

func TestMain(m *testing.M) {
	if command := os.Getenv(envAgent); command != "" {
		base := os.Getenv(envBase)
		os.Unsetenv(envAgent)
		os.Unsetenv(envBase)
		os.Exit(Main(strings.Fields(command), pathsIn(base), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func pathsIn(base string) Paths {
	return Paths{
		Source:      filepath.Join(base, "src"),
		Control:     filepath.Join(base, ".katkit"),
		Token:       filepath.Join(base, "token"),
		Termination: filepath.Join(base, "termination-log"),
		Spool:       filepath.Join(base, "spool"),
		LogToken:    filepath.Join(base, "log-token"),
	}
}

// agentProcess is one container of a builder Pod.
type agentProcess struct {
	t      *testing.T
	base   string
	cmd    *exec.Cmd
	log    bytes.Buffer
	stderr bytes.Buffer
	done   chan struct{}
}

func startAgent(t *testing.T, command, base string, env ...string) *agentProcess {
	t.Helper()
	return prepareAgent(t, command, base, env...).start()
}

func prepareAgent(t *testing.T, command, base string, env ...string) *agentProcess {
	t.Helper()
	a := &agentProcess{t: t, base: base, cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	a.cmd.Env = append(append(os.Environ(), envAgent+"="+command, envBase+"="+base, "GORACE=atexit_sleep_ms=0"), env...)
	a.cmd.Stdout, a.cmd.Stderr = &a.log, &a.stderr
	return a
}

func (a *agentProcess) start() *agentProcess {
	a.t.Helper()
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	go func() {
		defer close(a.done)
		_ = a.cmd.Wait()
	}()
	a.t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		<-a.done
	})
	return a
}

// end waits for the agent and returns its report, with everything that holds for each end checked.
func (a *agentProcess) end() contract.Report {
	a.t.Helper()
	select {
	case <-a.done:
	case <-time.After(60 * time.Second):
		a.t.Fatalf("the agent is still running; its log:\n%s", a.log.String())
	}
	message, err := os.ReadFile(pathsIn(a.base).Termination)
	if err != nil {
		a.t.Fatalf("no report: %v; stderr: %s", err, a.stderr.String())
	}
	r, err := contract.ParseReport(message)
	if err != nil {
		a.t.Fatalf("%v\n%s\nlog:\n%s", err, message, a.log.String())
	}
	if code := a.cmd.ProcessState.ExitCode(); code != r.ExitCode {
		a.t.Errorf("exit code %d, in the report %d", code, r.ExitCode)
	}
	if r.Log.Bytes != int64(a.log.Len()) {
		a.t.Errorf("the log has %d bytes, in the report %d", a.log.Len(), r.Log.Bytes)
	}
	return r
}

func (a *agentProcess) wantFailure(class contract.Class, reason contract.Reason, words ...string) contract.Report {
	a.t.Helper()
	r := a.end()
	if r.Class != class || r.Reason != reason {
		a.t.Fatalf("got %s %s: %s\nwant %s %s\nlog:\n%s", r.Class, r.Reason, r.Message, class, reason, a.log.String())
	}
	for _, w := range words {
		if !bytes.Contains([]byte(r.Message), []byte(w)) {
			a.t.Errorf("the message %q does not say %q", r.Message, w)
		}
	}
	return r
}

func (a *agentProcess) wantSuccess() contract.Report {
	a.t.Helper()
	r := a.end()
	if !r.Succeeded() {
		a.t.Fatalf("%+v\nlog:\n%s", r, a.log.String())
	}
	return r
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(2 * time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestMainTellsHowItIsUsed(t *testing.T) {
	var stdout, stderr bytes.Buffer
	for _, args := range [][]string{nil, {"deploy"}, {"exec", "more"}, {"install"}} {
		if code := Main(args, pathsIn(t.TempDir()), &stdout, &stderr); code != contract.ExitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if !bytes.Contains(stderr.Bytes(), []byte("usage: katkit-agent checkout|checkout ship|exec|ship|install DIR")) {
		t.Errorf("stderr: %s", stderr.String())
	}
}

func TestPanicIsReported(t *testing.T) {
	paths := pathsIn(t.TempDir())
	var stdout, stderr bytes.Buffer
	code := supervise(paths, &stdout, &stderr, func(Paths, *logWriter) contract.Report { panic(fmt.Errorf("oops")) })
	message, _ := os.ReadFile(paths.Termination)
	r, err := contract.ParseReport(message)
	if err != nil || code != contract.ExitInfra || r.Reason != contract.ReasonAgentFailed || r.Class != contract.ClassInfra {
		t.Errorf("code %d, %+v, %v", code, r, err)
	}
}
