package view

import (
	"fmt"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// maxMessage is how much of a message a line has, in bytes. It is less than what a run's status keeps of a phase's message,
// so that both give the same line.
const maxMessage = 512

// Log tells what is new about a run, and nothing twice in a row. The zero value has told nothing.
type Log struct {
	told map[string]string
}

// Changes are the lines that are new since the last call: the time of day, what it is about, its state and why.
func (l *Log) Changes(s Snapshot, now time.Time) []string {
	if l.told == nil {
		l.told = map[string]string{}
	}
	var lines []string
	tell := func(about, line string, more ...string) {
		if l.told[about] == line {
			return
		}
		l.told[about] = line
		lines = append(lines, now.Format(time.TimeOnly)+" "+line)
		lines = append(lines, more...)
	}
	run := s.Run
	name := text.Line(run.Name)
	if !State(run).Terminal() {
		tell("run", runLine(run))
	}
	if run.Status.SHA != "" {
		tell("commit", withWhy(name+" commit "+short(run.Status.SHA), run.Status.Message))
	}
	if run.Spec.Cancelled && !State(run).Terminal() {
		tell("cancelled", name+" is being cancelled")
	}
	for _, p := range s.phases() {
		p.changes(tell)
	}
	if State(run).Terminal() {
		tell("run", runLine(run))
	}
	return lines
}

func (p phase) changes(tell func(about, line string, more ...string)) {
	name := text.Line(p.Name)
	for _, attempt := range p.attempts() {
		for _, replica := range failed(attempt) {
			lines := replicaLines(replica)
			tell(fmt.Sprintf("replica %d %d %s", attempt.Number, replica.Index, p.PhaseName), name+" "+lines[0], lines[1:]...)
		}
		if attempt.Message != "" {
			tell(fmt.Sprintf("attempt %d %s", attempt.Number, p.PhaseName), name+" "+text.Cut(attemptLine(attempt), maxMessage))
		}
	}
	if p.object != nil && p.object.Spec.Approved && p.object.Spec.ApprovedBy != "" {
		tell("approval "+p.PhaseName, name+" approved by "+text.Line(p.object.Spec.ApprovedBy))
	}
	if p.state() == string(v1alpha1.PhasePending) && p.Message == "" {
		return // every phase begins so
	}
	why := p.Message
	if p.CarriedFrom != "" {
		why = "carried over from " + p.CarriedFrom
	}
	tell("phase "+p.PhaseName, withWhy(name+" "+p.state(), why))
}

func runLine(run *v1alpha1.CIRun) string {
	return withWhy(text.Line(run.Name+" "+string(State(run))), Why(run))
}

func withWhy(line, why string) string {
	if why = text.Line(why); why != "" {
		line += ": " + text.Cut(why, maxMessage)
	}
	return line
}
