package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// Paths is where the agent finds things. Only tests use others than PodPaths.
type Paths struct {
	Source      string // working tree of the checkout
	Control     string // folder of the checkout's word
	Token       string // file with the clone token; it need not exist
	Termination string // file for the report
	Spool       string // folder of the log that goes to the log store; without it there is no store
	LogToken    string // file with the token for the log store
}

// PodPaths are the paths inside a builder Pod.
func PodPaths() Paths {
	return Paths{
		Source:      contract.SourceDir,
		Control:     contract.ControlDir,
		Token:       filepath.Join(contract.CredentialDir, contract.CredentialKey),
		Termination: contract.TerminationMessagePath,
		Spool:       contract.SpoolDir,
		LogToken:    filepath.Join(contract.LogTokenDir, contract.LogTokenKey),
	}
}

// Main runs one subcommand of the agent and returns the exit code for the process. args are the words after the
// program's name; the log goes to stdout.
func Main(args []string, paths Paths, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == contract.CheckoutCommand:
		return supervise(paths, stdout, stderr, checkout)
	case slices.Equal(args, []string{contract.CheckoutCommand, contract.ShipCommand}):
		if code := supervise(paths, stdout, stderr, checkout); code != contract.ExitOK {
			return code
		}
		return ship(paths, stdout)
	case len(args) == 1 && args[0] == contract.ExecCommand:
		kept, err := openSpool(paths.Spool)
		if err != nil {
			fmt.Fprintf(stderr, "%s%v\n", prefix, err)
		}
		defer kept.close()
		return supervise(paths, tee{kept, stdout}, stderr, execute)
	case len(args) == 1 && args[0] == contract.ShipCommand:
		return ship(paths, stdout)
	case len(args) == 2 && args[0] == contract.InstallCommand:
		return supervise(paths, stdout, stderr, func(_ Paths, log *logWriter) contract.Report { return install(args[1], log) })
	}
	fmt.Fprintf(stderr, "usage: katkit-agent %[1]s|%[1]s %[3]s|%[2]s|%[3]s|%[4]s DIR\nIt runs in a builder Pod that Katkit makes.\n",
		contract.CheckoutCommand, contract.ExecCommand, contract.ShipCommand, contract.InstallCommand)
	return contract.ExitUsage
}

// supervise runs the body of a subcommand and makes sure that its end is reported, a panic included.
func supervise(paths Paths, stdout, stderr io.Writer, body func(Paths, *logWriter) contract.Report) (code int) {
	log := newLogWriter(stdout)
	defer func() {
		if p := recover(); p != nil {
			log.say("defect of the agent: %v\n%s", p, debug.Stack())
			code = finish(paths, log, stderr, agentFailed("defect of the agent: %v", p))
		}
	}()
	return finish(paths, log, stderr, body(paths, log))
}

// finish completes the report with the log and leaves it where Kubernetes looks for it.
func finish(paths Paths, log *logWriter, stderr io.Writer, r contract.Report) int {
	if r.FinishTime.IsZero() {
		r.FinishTime = time.Now()
	}
	r.Message = log.masker.String(r.Message)
	r.Log, r.Tail = log.measure()
	// Opened as it is: the file belongs to the kubelet and has to stay the same one.
	if err := os.WriteFile(paths.Termination, r.Marshal(), 0o666); err != nil {
		fmt.Fprintf(stderr, "%sthe report could not be left for Kubernetes: %v\n", prefix, err)
	}
	return r.ExitCode
}

func agentFailed(format string, args ...any) contract.Report {
	return failure(contract.ClassInfra, contract.ReasonAgentFailed, format, args...)
}

// failure is the report of an end before, or without, any ci.sh.
func failure(class contract.Class, reason contract.Reason, format string, args ...any) contract.Report {
	code := contract.ExitInfra
	switch {
	case reason == contract.ReasonTerminated:
		code = contract.ExitTerminated
	case class == contract.ClassConfig:
		code = contract.ExitConfig
	}
	return contract.Report{Class: class, Reason: reason, Message: fmt.Sprintf(format, args...), ExitCode: code}
}
