package agent

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// Tests of exec and ship together, each a process of its own.

// startShip starts what ships alone.
func startShip(t *testing.T, store *fakeLogStore, base string, env ...string) *agentProcess {
	t.Helper()
	return startAgent(t, contract.ShipCommand, base, append(store.env(t, pathsIn(base)), env...)...)
}

func (a *agentProcess) endShip() contract.LogReport {
	a.t.Helper()
	select {
	case <-a.done:
	case <-time.After(60 * time.Second):
		a.t.Fatalf("what ships is still running; its log:\n%s", a.log.String())
	}
	message, err := os.ReadFile(pathsIn(a.base).Termination)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := contract.ParseLogReport(message)
	if err != nil {
		a.t.Fatalf("%v\n%s", err, message)
	}
	if code := a.cmd.ProcessState.ExitCode(); (code == contract.ExitOK) != r.Complete {
		a.t.Errorf("exit code %d with %+v", code, r)
	}
	return r
}

func TestTheLogOfABuildIsStored(t *testing.T) {
	store := newFakeLogStore(t)
	build := workspace(t, map[string]string{"ci.sh": "#!/bin/bash\necho out; echo err >&2; env | grep -a LOG_; echo \"$NPM_TOKEN\"; seq 300000; exit 3"})
	log := startShip(t, store, build)
	a := startAgent(t, contract.ExecCommand, build, append(fromSecrets, contract.VarSpoolBytes+"=100000000")...)
	<-a.done
	if r := log.endShip(); !r.Complete || r.Bytes != int64(a.log.Len()) {
		t.Errorf("%+v of %d bytes", r, a.log.Len())
	}
	got, complete := store.has()
	if !complete || got != a.log.String() {
		t.Errorf("stored are %d bytes, different from the %d of the container's log", len(got), a.log.Len())
	}
	if !strings.HasPrefix(got, "out\nerr\n***\n1\n2\n") || !strings.HasSuffix(got, "300000\n[katkit] ci.sh exited with code 3\n") {
		t.Errorf("stored: %.100q … %.100q", got, got[max(0, len(got)-100):])
	}
}

// TestTheLogOfAKilledBuildIsStored: nobody is left to say that the log has ended.
func TestTheLogOfAKilledBuildIsStored(t *testing.T) {
	store := newFakeLogStore(t)
	build := workspace(t, map[string]string{"ci.sh": "#!/bin/bash\nseq 100000\nkill -9 $PPID\nsleep 60"})
	log := startShip(t, store, build)
	a := startAgent(t, contract.ExecCommand, build)
	<-a.done
	if r := log.endShip(); r.Complete || !strings.Contains(r.Message, "the container build was killed") {
		t.Errorf("%+v", r)
	}
	got, _ := store.has()
	if !strings.HasPrefix(got, a.log.String()) || !strings.HasSuffix(got, "\n[katkit] the log ends here, and what was written last may be missing: the container build was killed\n") {
		t.Errorf("stored are %d bytes, the container's log has %d; the end: %q", len(got), a.log.Len(), got[max(0, len(got)-100):])
	}
}

// TestAScriptThatEmptiesTheFolderKeepsNoPod: whatever a ci.sh removes, and whenever, what ships comes to its end with the build,
// and tells what is missing.
func TestAScriptThatEmptiesTheFolderKeepsNoPod(t *testing.T) {
	const begun = "#!/bin/bash\necho begun\nuntil [ -e ../seen ]; do sleep 0.02; done\n"
	const empty = "#!/bin/bash\nrm -rf ../spool/*\necho never seen\n"
	for name, c := range map[string]struct {
		script  string
		late    bool // what ships starts when the build has ended
		want    string
		message string
	}{
		"before what ships is there": {script: empty, late: true,
			want: "\n[katkit] the last 1 files of the builder's copy of the log are missing here, of up to 16777216 bytes each: something removed them\n", message: "are missing here"},
		"and forges an end": {script: empty + "echo 0 > ../spool/end", late: true, want: "\n[katkit] the last 1 files", message: "are missing here"},
		"while it is read":  {script: begun + "rm -rf ../spool/*\necho all of it", want: "begun\nall of it\n"},
		"and puts others in their place": {script: begun + "cp ../spool/part-0 ../copy; rm ../spool/part-0; mv ../copy ../spool/part-0; echo all of it",
			want: "begun\nall of it\n\n[katkit] a file of the builder's copy of the log was replaced", message: "was replaced"},
		"and kills the agent": {script: begun + "rm -rf ../spool/*\nkill -9 $PPID",
			want: "begun\n\n[katkit] the log ends here, and what was written last may be missing: the container build was killed\n", message: "may be missing"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeLogStore(t)
			build := workspace(t, map[string]string{"ci.sh": c.script})
			env := store.env(t, pathsIn(build))
			a := startAgent(t, contract.ExecCommand, build, env...)
			if c.late {
				<-a.done
			}
			log := startShip(t, store, build)
			if !c.late {
				eventually(t, "what ships has seen the folder", func() bool { got, _ := store.has(); return got != "" })
				writeFile(t, filepath.Join(build, "seen"), "", 0o600)
			}
			<-a.done
			if r := log.endShip(); r.Complete != (c.message == "") || !strings.Contains(r.Message, c.message) {
				t.Errorf("%+v", r)
			}
			if got, complete := store.has(); !complete || !strings.HasPrefix(got, c.want) {
				t.Errorf("stored: %q", got)
			}
		})
	}
}

// TestAStoppedBuildTakesItsLogAlong: both containers are told at once, and ci.sh takes its time.
func TestAStoppedBuildTakesItsLogAlong(t *testing.T) {
	store := newFakeLogStore(t)
	build := workspace(t, map[string]string{"ci.sh": "#!/bin/bash\ntrap 'echo going; exit 0' TERM\necho ready\nwhile :; do sleep 0.05; done"})
	log := startShip(t, store, build)
	a := startAgent(t, contract.ExecCommand, build)
	eventually(t, "ci.sh is ready", func() bool { got, _ := store.has(); return got == "ready\n" })
	for _, p := range []*agentProcess{log, a} {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	<-a.done
	if r := log.endShip(); !r.Complete {
		t.Errorf("%+v", r)
	}
	if got, _ := store.has(); got != a.log.String() || !strings.Contains(got, "going\n") {
		t.Errorf("stored: %q, the container's log: %q", got, a.log.String())
	}
}

// TestABuildDoesNotMindItsSpool: neither the lack of it nor its loss changes how a build ends.
func TestABuildDoesNotMindItsSpool(t *testing.T) {
	for name, prepare := range map[string]func(spool string) error{
		"there is none":      func(string) error { return nil },
		"it is a file":       func(spool string) error { return os.WriteFile(spool, nil, 0o600) },
		"ci.sh removes it":   func(spool string) error { return os.Mkdir(spool, 0o777) },
		"it is not writable": func(spool string) error { return os.Symlink("/proc", spool) },
	} {
		t.Run(name, func(t *testing.T) {
			build := workspace(t, map[string]string{"ci.sh": "#!/bin/bash\nrm -rf ../spool\nseq 10"})
			if err := prepare(pathsIn(build).Spool); err != nil {
				t.Fatal(err)
			}
			a := startAgent(t, contract.ExecCommand, build)
			a.wantSuccess()
			if a.log.String() != "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n" {
				t.Errorf("log: %q", a.log.String())
			}
		})
	}
}

func TestShipTellsOfAWrongAddress(t *testing.T) {
	store := newFakeLogStore(t)
	for name, c := range map[string]struct{ env, want string }{
		"no scheme":      {contract.VarLogStoreURL + "=katkit-logstore:8080", "begins with http:// or https://"},
		"no address":     {contract.VarLogStoreURL + "=", "begins with http:// or https://"},
		"no certificate": {contract.VarLogStoreCA + "=none", "certificates in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := startShip(t, store, t.TempDir(), c.env).endShip(); r.Complete || !strings.Contains(r.Message, c.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// countingStore takes a log of any size and keeps its hash.
type countingStore struct {
	mu    sync.Mutex
	hash  hash.Hash
	state contract.LogState
}

func (s *countingStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut && r.URL.Query().Get(contract.LogQueryOffset) == strconv.FormatInt(s.state.Bytes, 10) {
		n, _ := io.Copy(s.hash, r.Body)
		s.state.Bytes += n
		s.state.Complete = r.URL.Query().Get(contract.LogQueryComplete) == "true"
	}
	_ = json.NewEncoder(w).Encode(s.state)
}

// TestMemoryStaysFlat: 1 GiB of output, and neither process has more memory in the end than after 32 MiB.
func TestMemoryStaysFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 1 GiB")
	}
	peaks := func(bytes int) (execPeak, shipPeak int) {
		store := &countingStore{hash: sha256.New()}
		server := httptest.NewServer(store)
		defer server.Close()
		build := workspace(t, map[string]string{"ci.sh": fmt.Sprintf("#!/bin/bash\nyes 'all work and no play' | head -c %d", bytes)})
		env := (&fakeLogStore{Server: server, token: "x"}).env(t, pathsIn(build))
		exec, ship := startQuietly(t, contract.ExecCommand, build, env), startQuietly(t, contract.ShipCommand, build, env)
		execPeak, shipPeak = peak(t, exec), peak(t, ship)
		want := sha256.New()
		repeat := strings.Repeat("all work and no play\n", 1000)
		for left := bytes; left > 0; left -= len(repeat) {
			_, _ = io.WriteString(want, repeat[:min(left, len(repeat))])
		}
		if store.state != (contract.LogState{Bytes: int64(bytes), Complete: true}) || string(store.hash.Sum(nil)) != string(want.Sum(nil)) {
			t.Errorf("stored is %+v, or another text", store.state)
		}
		return execPeak, shipPeak
	}
	fewExec, fewShip := peaks(32 << 20)
	manyExec, manyShip := peaks(1 << 30)
	t.Logf("peak of exec %d and %d KiB, of ship %d and %d KiB", fewExec, manyExec, fewShip, manyShip)
	const slack = 16 << 10
	if manyExec > fewExec+slack || manyShip > fewShip+slack {
		t.Errorf("exec grows from %d to %d KiB, ship from %d to %d KiB", fewExec, manyExec, fewShip, manyShip)
	}
}

// startQuietly starts an agent whose log nobody keeps.
func startQuietly(t *testing.T, command, base string, env []string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), envAgent+"="+command, envBase+"="+base), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// peak follows a process to its end and returns the most memory that it had, in KiB.
func peak(t *testing.T, cmd *exec.Cmd) (most int) {
	t.Helper()
	eventually(t, "the process ends", func() bool {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status"))
		if err != nil {
			return true
		}
		for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
			var kib int
			if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); n == 1 {
				most = max(most, kib)
			}
		}
		return bytes.Contains(status, []byte("\nState:\tZ"))
	})
	return most
}

// startCheckoutAndShip starts the container checkout of a Pod where there is a log store.
func startCheckoutAndShip(t *testing.T, s *gitServer, store *fakeLogStore, base, sha string) *agentProcess {
	t.Helper()
	env := append(store.env(t, pathsIn(base)), "KATKIT_REPO_URL="+s.URL+"/public/app.git", "GIT_SHA="+sha)
	return startAgent(t, contract.CheckoutCommand+" "+contract.ShipCommand, base, env...)
}

func TestTheCheckoutGoesOnToBringTheLog(t *testing.T) {
	s, store, base := newGitServer(t), newFakeLogStore(t), t.TempDir()
	shas := s.addRepository(t, "public/app.git")
	if err := os.Mkdir(pathsIn(base).Spool, 0o777); err != nil {
		t.Fatal(err)
	}
	build := startAgent(t, contract.ExecCommand, base)
	a := startCheckoutAndShip(t, s, store, base, shas[0])
	<-build.done
	if r := a.endShip(); !r.Complete || r.Bytes != int64(build.log.Len()) {
		t.Errorf("%+v", r)
	}
	if got, complete := store.has(); !complete || got != build.log.String() || !strings.HasPrefix(got, "commit 0\n") {
		t.Errorf("stored: %q, the container's log: %q", got, build.log.String())
	}
}

func TestACheckoutThatFailedBringsNothing(t *testing.T) {
	s, store := newGitServer(t), newFakeLogStore(t)
	s.addRepository(t, "public/app.git")
	startCheckoutAndShip(t, s, store, t.TempDir(), strings.Repeat("0123", 10)).wantFailure(contract.ClassConfig, contract.ReasonCommitNotFound)
	if got, complete := store.has(); got != "" || complete {
		t.Errorf("stored: %q", got)
	}
}

// TestWhatIsKilledWhileItBringsTheLogHasToldOfItsCheckout: whoever reads that knows that the build can go on.
func TestWhatIsKilledWhileItBringsTheLogHasToldOfItsCheckout(t *testing.T) {
	s, store, base := newGitServer(t), newFakeLogStore(t), t.TempDir()
	shas := s.addRepository(t, "public/app.git")
	a := startCheckoutAndShip(t, s, store, base, shas[0])
	read := func() contract.Report {
		message, _ := os.ReadFile(pathsIn(base).Termination)
		r, _ := contract.ParseReport(message)
		return r
	}
	eventually(t, "the checkout is done", func() bool { return read().Succeeded() })
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-a.done
	if !read().Succeeded() {
		t.Errorf("%+v", read())
	}
}
