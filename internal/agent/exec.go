package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/internal/contract"
)

// wordLimit bounds the wait for a checkout that never starts. It is longer than a checkout may take, image pull
// included; the manager notices sooner.
const wordLimit = time.Hour

// execute waits for the checkout's word, runs ci.sh, and reports how it ended.
func execute(paths Paths, log *logWriter) contract.Report {
	if refusal := checkContract(); refusal != nil {
		log.say("%s", refusal.Message)
		return *refusal
	}
	told := make(chan os.Signal, 8)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	vars := readVariables(os.Environ())
	log.conceal(vars.secrets)

	word, err := waitForWord(paths.Control, told)
	switch {
	case errors.Is(err, errTold):
		return failure(contract.ClassInfra, contract.ReasonTerminated, "told to stop before ci.sh was started")
	case err != nil:
		return checkoutFailed(log, failure(contract.ClassInfra, contract.ReasonCheckoutFailed, "%v", err))
	case !word.Succeeded():
		return checkoutFailed(log, word)
	}

	codePath := os.Getenv(contract.VarCodePath)
	found, refusal := findScript(paths.Source, codePath)
	if refusal != nil {
		log.say("%s", refusal.Message)
		return *refusal
	}
	for _, name := range vars.refused {
		log.say("%s is left out: builder.envFrom of the link may not set it; name its key in builder.env, or give a prefix", name)
	}
	return runScript(found, scriptEnvironment(vars.all, found.dir, paths.Control), paths, log, told)
}

// checkContract refuses to take part in a Pod that was made for another agent: this one may come with the builder image.
func checkContract() *contract.Report {
	needed, told := os.LookupEnv(contract.VarContract)
	if !told || needed == strconv.Itoa(contract.Version) {
		return nil
	}
	return refuse(contract.ReasonAgentMismatch, "the agent in the build container is of version %d of its contract with Katkit, and version %.20s is needed",
		contract.Version, needed)
}

// checkoutFailed is exec's report of a checkout that says why: whoever sees the end of this container alone has its reason, too.
func checkoutFailed(log *logWriter, why contract.Report) contract.Report {
	log.say("checkout failed: %s", why.Message)
	return contract.Report{Class: why.Class, Reason: why.Reason, Message: why.Message, ExitCode: contract.ExitCheckoutFailed}
}

var errTold = errors.New("told to stop")

// waitForWord is awaitWord that also ends, with errTold, at a signal.
func waitForWord(dir string, told <-chan os.Signal) (contract.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wordLimit)
	defer cancel()
	type answer struct {
		word contract.Report
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		word, err := awaitWord(ctx, dir)
		came <- answer{word, err}
	}()
	select {
	case a := <-came:
		if errors.Is(a.err, context.DeadlineExceeded) {
			a.err = fmt.Errorf("the container %s did not start within %s", contract.CheckoutContainer, wordLimit)
		}
		return a.word, a.err
	case <-told:
		return contract.Report{}, errTold
	}
}

func runScript(s script, env []string, paths Paths, log *logWriter, told <-chan os.Signal) contract.Report {
	if err := makeOutput(paths.Control); err != nil {
		r := agentFailed("make the file for the outputs of ci.sh in %s: %v", paths.Control, err)
		log.say("%s", r.Message)
		return r
	}
	start := time.Now()
	p, err := startProcess(s, env, log)
	if err != nil {
		r := agentFailed("start %s: %v", s.argv[0], err)
		log.say("%s", r.Message)
		return r
	}
	status, stopped := p.wait(told, gracePeriod(log))
	r := verdict(status, stopped)
	r.StartTime, r.FinishTime = start, time.Now()
	p.drain()
	if r.Succeeded() {
		r = takeOutputs(paths.Control, log.masker, r)
	}
	if !r.Succeeded() {
		log.say("%s", r.Message)
	}
	return r
}

// verdict tells what the end of ci.sh means. Once told to stop, ci.sh did not do all it had to, whatever it says.
func verdict(status syscall.WaitStatus, stopped os.Signal) contract.Report {
	r := contract.Report{ExitCode: status.ExitStatus()}
	if status.Signaled() {
		r.Signal = int(status.Signal())
		r.ExitCode = 128 + r.Signal
	}
	switch {
	case stopped != nil:
		r.Class, r.Reason = contract.ClassInfra, contract.ReasonTerminated
		r.Message = fmt.Sprintf("told to stop (%s) before ci.sh had ended", unix.SignalName(stopped.(syscall.Signal)))
		if r.ExitCode == 0 {
			r.ExitCode = contract.ExitTerminated
		}
	case status.Signaled():
		r.Class, r.Reason = contract.ClassUser, contract.ReasonCIScriptKilled
		r.Message = fmt.Sprintf("ci.sh was killed by signal %d (%s)", r.Signal, unix.SignalName(status.Signal()))
	case r.ExitCode != 0:
		r.Class, r.Reason = contract.ClassUser, contract.ReasonCIScriptFailed
		r.Message = fmt.Sprintf("ci.sh exited with code %d", r.ExitCode)
	default:
		r.Reason, r.Message = contract.ReasonCompleted, "ci.sh exited with code 0"
	}
	// A shell ends with this code when one of its commands was killed.
	if r.Class == contract.ClassUser && r.ExitCode == 128+int(syscall.SIGKILL) {
		r.Message += ": something in it was killed (SIGKILL); memory beyond the builder's limit is the usual cause"
	}
	return r
}

func gracePeriod(log *logWriter) time.Duration {
	value, ok := os.LookupEnv(contract.VarGraceSeconds)
	if !ok {
		return contract.DefaultGraceSeconds * time.Second
	}
	seconds, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		log.say("%s is %.40q, not a number of seconds: %d is taken", contract.VarGraceSeconds, value, contract.DefaultGraceSeconds)
		return contract.DefaultGraceSeconds * time.Second
	}
	return time.Duration(seconds) * time.Second
}
