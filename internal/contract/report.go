package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxReport is the most that Kubernetes keeps of a container's termination message, in bytes.
const MaxReport = 4096

// maxMessage is the longest message of a report, in bytes, so that some of the tail always fits beside it.
const maxMessage = 1024

// Class says who can do something about a failure. It is empty where nothing failed. Only ClassInfra is worth a retry.
type Class string

// The failure classes.
const (
	ClassUser   Class = "User"   // ci.sh ran and failed
	ClassConfig Class = "Config" // ci.sh could not run, or its outputs not be taken, for a reason the user can put right
	ClassInfra  Class = "Infra"  // network, node, disk
)

// Reason names what happened, for conditions and events.
type Reason string

// The reasons of a report.
const (
	ReasonCompleted            Reason = "Completed"            // ended well
	ReasonCIScriptFailed       Reason = "CIScriptFailed"       // ci.sh exited with another code than 0
	ReasonCIScriptKilled       Reason = "CIScriptKilled"       // a signal that the agent did not send ended ci.sh
	ReasonNoCIScript           Reason = "NoCIScript"           // no ci.sh in the folder path of the commit
	ReasonCIScriptInvalid      Reason = "CIScriptInvalid"      // ci.sh cannot be run: a directory, a link out of the tree, a missing interpreter
	ReasonInvalidOutput        Reason = "InvalidOutput"        // ci.sh exited with code 0, but left something else than outputs in VarOutput
	ReasonCommitNotFound       Reason = "CommitNotFound"       // the repository has no such commit, or does not give it out
	ReasonRepositoryNotFound   Reason = "RepositoryNotFound"   // no such repository, or the token may not see it
	ReasonAuthenticationFailed Reason = "AuthenticationFailed" // the git server refused the token, or wants one
	ReasonInvalidRequest       Reason = "InvalidRequest"       // a variable of the Pod is missing or malformed
	ReasonInvalidSubmodule     Reason = "InvalidSubmodule"     // .gitmodules has a submodule that is not, or not so, brought
	ReasonCheckoutFailed       Reason = "CheckoutFailed"       // git server or network failed; in the build container also: the checkout ended without a word
	ReasonTerminated           Reason = "Terminated"           // told to stop from outside: Pod deleted, node drained, eviction
	ReasonAgentMismatch        Reason = "AgentMismatch"        // the agent in the build container is of another Version than the Pod
	ReasonAgentFailed          Reason = "AgentFailed"          // the agent could not do its work: disk, processes, a defect
)

// classes lists the classes each reason may come with.
var classes = map[Reason][]Class{
	ReasonCompleted:            {""},
	ReasonCIScriptFailed:       {ClassUser},
	ReasonCIScriptKilled:       {ClassUser},
	ReasonNoCIScript:           {ClassConfig},
	ReasonCIScriptInvalid:      {ClassConfig},
	ReasonInvalidOutput:        {ClassConfig},
	ReasonCommitNotFound:       {ClassConfig},
	ReasonRepositoryNotFound:   {ClassConfig},
	ReasonAuthenticationFailed: {ClassConfig},
	ReasonInvalidRequest:       {ClassConfig},
	ReasonInvalidSubmodule:     {ClassConfig},
	ReasonCheckoutFailed:       {ClassInfra, ClassConfig},
	ReasonTerminated:           {ClassInfra},
	ReasonAgentMismatch:        {ClassConfig},
	ReasonAgentFailed:          {ClassInfra},
}

// reportVersion is the version of the JSON that Marshal writes. A reader accepts this one alone. Outputs came later and need
// no other: who knows nothing of them reads the rest, and who does takes a report without them.
const reportVersion = 1

// Report is how a container of a builder Pod ended, as the agent in it saw it.
//
// The container's own terminated state is the authority on the exit code: ci.sh can write a termination message too.
type Report struct {
	Class      Class     // "" where Reason is ReasonCompleted
	Reason     Reason    // one of the Reason constants
	Message    string    // one sentence for the user, at most 1 KiB
	ExitCode   int       // that of the container, 0 to 255
	Signal     int       // the signal that ended ci.sh, 0 when none did
	StartTime  time.Time // when ci.sh, or the checkout, began; zero where it never did
	FinishTime time.Time // when it ended
	Log        Log       // what the container wrote to its log
	Outputs    []Output  // of a success, those of ci.sh: sorted by name, names unique, within MaxOutputs and MaxOutputBytes
	Tail       string    // the last lines of the log, as much as fits; no control characters but newline and tab
}

// Log measures the log of a container, the agent's own lines included.
type Log struct {
	Bytes     int64 // length of the whole log
	Lines     int64 // lines of the whole log; an unfinished last line counts
	TailLines int64 // what to ask Kubernetes for to get the last LogTailBytes; a piece of LogPieceBytes counts as one
	Complete  bool  // Report.Tail is the whole log, byte for byte; Marshal sets it
}

// Succeeded reports whether the container did all it had to.
func (r Report) Succeeded() bool {
	return r.Reason == ReasonCompleted && r.Class == "" && r.ExitCode == 0
}

// LogComplete reports whether Tail is the whole log, byte for byte, so that the log need not be read. It is true only
// of what ParseReport returned.
func (r Report) LogComplete() bool { return r.Log.Complete && r.Log.Bytes == int64(len(r.Tail)) }

type wireReport struct {
	Version    int       `json:"version"`
	Class      Class     `json:"class,omitempty"`
	Reason     Reason    `json:"reason"`
	Message    string    `json:"message,omitempty"`
	ExitCode   int       `json:"exitCode"`
	Signal     int       `json:"signal,omitempty"`
	StartTime  time.Time `json:"startTime,omitzero"`
	FinishTime time.Time `json:"finishTime,omitzero"`
	Log        wireLog   `json:"log"`
	Tail       string    `json:"tail"`

	// Outputs by name, which is shorter than a list and cannot name one twice.
	Outputs map[string]string `json:"outputs,omitempty"`
}

type wireLog struct {
	Bytes     int64 `json:"bytes"`
	Lines     int64 `json:"lines"`
	TailLines int64 `json:"tailLines"`
	Complete  bool  `json:"complete,omitempty"`
}

// Marshal returns the report as JSON of at most MaxReport bytes: message and tail are made plain text, and the tail
// loses its first lines until the whole fits. The outputs have to be what JoinOutputs returned; others than of a success,
// or beyond its limits, are left out.
func (r Report) Marshal() []byte {
	w := wireReport{
		Version: reportVersion, Class: r.Class, Reason: r.Reason, Message: firstBytes(plain(r.Message)),
		ExitCode: r.ExitCode, Signal: r.Signal, StartTime: r.StartTime.UTC(), FinishTime: r.FinishTime.UTC(),
		Log: wireLog{Bytes: r.Log.Bytes, Lines: r.Log.Lines, TailLines: r.Log.TailLines, Complete: true},
	}
	if outputs, err := JoinOutputs(r.Outputs); err == nil && r.Succeeded() {
		w.Outputs = valuesOf(outputs)
	}
	if encode(w) == nil {
		// Only a year beyond 9999 can be refused, on a clock that is broken: do without the times.
		w.StartTime, w.FinishTime = time.Time{}, time.Time{}
	}
	room := MaxReport - len(encode(w)) // measured with the longest form of all that is not the tail
	w.Tail = lastLines(plain(r.Tail), room)
	w.Log.Complete = w.Tail == r.Tail && int64(len(r.Tail)) == r.Log.Bytes
	return encode(w)
}

// encode returns a value as JSON, or nil where it cannot be written.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // three times as long, and nothing here is HTML
	if err := e.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ParseReport reads what Marshal wrote, and is prepared for anything else: unknown fields are ignored, texts are made
// plain and cut to size, and what no agent writes is an error that says what was wrong. An error means that nothing is
// known but the container's own state.
func ParseReport(message []byte) (Report, error) {
	if len(message) == 0 {
		return Report{}, errors.New("the container left no report")
	}
	if len(message) > MaxReport {
		return Report{}, fmt.Errorf("the container's report has %d bytes, at most %d are allowed", len(message), MaxReport)
	}
	var w wireReport
	if err := json.Unmarshal(message, &w); err != nil {
		return Report{}, fmt.Errorf("the container's report is not the agent's JSON: %w", err)
	}
	err := w.check()
	var outputs []Output
	if err == nil {
		outputs, err = w.outputs()
	}
	if err != nil {
		return Report{}, fmt.Errorf("the container's report was not written by a fitting agent: %w", err)
	}
	r := Report{
		Class: w.Class, Reason: w.Reason, Message: firstBytes(plain(w.Message)),
		ExitCode: w.ExitCode, Signal: w.Signal, StartTime: w.StartTime.UTC(), FinishTime: w.FinishTime.UTC(),
		Log:     Log{Bytes: w.Log.Bytes, Lines: w.Log.Lines, TailLines: w.Log.TailLines},
		Outputs: outputs, Tail: lastLines(plain(w.Tail), MaxReport),
	}
	r.Log.Complete = w.Log.Complete && r.Tail == w.Tail && r.Log.Bytes == int64(len(r.Tail))
	return r, nil
}

func (w wireReport) check() error {
	allowed, known := classes[w.Reason]
	switch {
	case w.Version != reportVersion:
		return fmt.Errorf("version %d, expected %d", w.Version, reportVersion)
	case !known:
		return fmt.Errorf("unknown reason %.40q", w.Reason)
	case !slices.Contains(allowed, w.Class):
		return fmt.Errorf("class %.40q does not go with reason %s", w.Class, w.Reason)
	case w.ExitCode < 0 || w.ExitCode > 255:
		return fmt.Errorf("exit code %d is outside of 0 to 255", w.ExitCode)
	case (w.ExitCode == 0) != (w.Reason == ReasonCompleted):
		return fmt.Errorf("exit code %d does not go with reason %s", w.ExitCode, w.Reason)
	case w.Signal < 0 || w.Signal > 64:
		return fmt.Errorf("signal %d is outside of 0 to 64", w.Signal)
	case w.Log.Bytes < 0 || w.Log.Lines < 0 || w.Log.Lines > w.Log.Bytes:
		return fmt.Errorf("a log of %d bytes cannot have %d lines", w.Log.Bytes, w.Log.Lines)
	case w.Log.TailLines < 0 || w.Log.TailLines > min(w.Log.Lines+LogTailBytes/LogPieceBytes, LogTailBytes):
		return fmt.Errorf("a log of %d lines cannot have %d in its tail", w.Log.Lines, w.Log.TailLines)
	case w.FinishTime.Before(w.StartTime):
		return errors.New("it finished before it started")
	}
	return nil
}
