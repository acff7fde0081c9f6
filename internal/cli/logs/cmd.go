// Package logs is the verb that shows what builds write: kubectl katkit logs RUN [PHASE] [-f].
//
//	log store ──has none, or is not there──> the Pod's log ──is gone──> the end that Katkit keeps
//	    ^  │
//	    └──┴ a connection that breaks goes on at the byte where it was; one that follows waits for the first byte
//
// What always holds: nothing is changed. The bytes of a log are given as they are, each once, but to a terminal, which gets nothing that
// could steer it. The user's token goes to the API server, and to the log store over https, through the API server or on this machine.
package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/follow"
	"katkit.dev/katkit/internal/domain/text"
)

// varLogStore has the address of a log store where --log-store is not given.
const varLogStore = "KATKIT_LOG_STORE"

const long = `Show the logs of a run, or of one of its phases, while it builds or afterwards. Lines of several logs have the phase before them, and
the replica where there are more.

A log comes from Katkit's log store; where there is none, from the builder Pod; and when that is gone, its end is what Katkit kept, which
is said. In a terminal the control characters of a build are made harmless; colours stay.

With --follow the logs are shown until the run, or the phase, has ended. What is to come to the log store is waited for; a connection
that breaks goes on where it was.

Exit code with --follow: 0 the run, or the phase, succeeded, 1 it failed, 2 it could not be told, or a log could not be shown, 3 it was
cancelled or skipped, 130 stopped by Ctrl-C. Without --follow it is 0 when the logs could be shown, else 2.`

const example = `  # All logs of a run
  kubectl katkit logs taskrunner-x7k2p -n d-taskrunner

  # What a phase writes, as it comes
  kubectl katkit logs taskrunner-x7k2p TEST -n d-taskrunner -f

  # The last lines of one replica
  kubectl katkit logs taskrunner-x7k2p TEST --replica 2 --tail 50 -n d-taskrunner`

type options struct {
	run       string
	choice    choice
	following bool
	tail      int64
	since     time.Duration
	store     string
}

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect and configure give.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect, configure cli.Configure) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:         "logs RUN [PHASE]",
		Short:       "Show the logs of a run or a phase",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"},
		Args:        cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			o.run = args[0]
			if len(args) > 1 {
				o.choice.phase = args[1]
			}
			if err := o.check(c.Flags().Changed); err != nil {
				return err
			}
			return logs(c.Context(), streams, connect, configure, o)
		},
		ValidArgsFunction: complete.Args(connect, complete.Runs(func(*v1alpha1.CIRun) bool { return true }),
			complete.Phases(func(p v1alpha1.RunPhaseStatus) bool { return p.Type == v1alpha1.PhaseExecution && p.CarriedFrom == "" })),
	}
	flags := command.Flags()
	flags.BoolVarP(&o.following, "follow", "f", false, "go on until the run, or the phase, has ended, and exit with its result")
	flags.Int32Var(&o.choice.replica, "replica", every, "the log of one replica, from 0")
	flags.Int32Var(&o.choice.attempt, "attempt", every, "the logs of one attempt, from 1 (default the newest of each replica)")
	flags.Int64Var(&o.tail, "tail", -1, "the last so many lines of each log")
	flags.DurationVar(&o.since, "since", 0, "only what is newer, as 10m")
	flags.StringVar(&o.store, "log-store", os.Getenv(varLogStore), "the address of the log store, where it is not called through the API server ($"+varLogStore+")")
	flags.Lookup("replica").DefValue, flags.Lookup("attempt").DefValue, flags.Lookup("tail").DefValue, flags.Lookup("log-store").DefValue = "", "", "", ""
	return command
}

// check tells what is wrong with the flags.
func (o options) check(given func(flag string) bool) error {
	for flag, c := range map[string]struct{ value, least int64 }{
		"replica": {int64(o.choice.replica), 0}, "attempt": {int64(o.choice.attempt), 1}, "tail": {o.tail, 0},
	} {
		if given(flag) && c.value < c.least {
			return fmt.Errorf("--%s %d: it is %d at least", flag, c.value, c.least)
		}
	}
	if given("since") && o.since <= 0 {
		return errors.New("--since is how long ago, as 10m")
	}
	if o.following && o.choice.attempt != every {
		return errors.New("--attempt is of a phase that is over: leave --follow out")
	}
	return nil
}

func logs(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, configure cli.Configure, o options) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	config, err := configure()
	if err != nil {
		return err
	}
	from, err := newStore(config, o.store)
	if err != nil {
		return err
	}
	core, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	run, err := find.Run(ctx, live, namespace, o.run)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	r := &reader{store: from, core: core, live: live, follow: o.following, tail: o.tail, wait: follow.Pause, grace: grace, quiet: quiet,
		say: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(streams.ErrOut, "# "+text.Line(fmt.Sprintf(format, args...)))
		}}
	if o.since > 0 {
		r.since = time.Now().Add(-o.since)
	}
	if o.following {
		return followAll(ctx, live, run, o.choice, r, newPrinter(streams.Out))
	}
	return show(ctx, live, run, o.choice, r, newPrinter(streams.Out))
}
