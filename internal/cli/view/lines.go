package view

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// tailLines is how many of the last lines of a failed replica's log are shown.
	tailLines = 10
	// indent of what belongs to a phase.
	indent = "    "
)

// Lines is the whole view of a run at a time, cut to a width in cells; a width of 0 cuts nothing.
func Lines(s Snapshot, now time.Time, width int) []string {
	lines := columns(head(s.Run, now))
	if phases := s.phases(); len(phases) > 0 {
		lines = append(lines, "")
		lines = append(lines, phaseLines(phases, now)...)
	}
	if outputs := s.Run.Status.Outputs; len(outputs) > 0 {
		lines = append(lines, "", "Outputs:")
		for _, output := range outputs {
			lines = append(lines, "  "+text.Line(output.Name)+"="+text.Line(output.Value))
		}
	}
	if next := Next(s); len(next) > 0 {
		lines = append(lines, "", "Next:")
		for _, command := range next {
			lines = append(lines, "  "+command)
		}
	}
	for i := range lines {
		lines[i] = Fit(lines[i], width)
	}
	return lines
}

// head is what is known of the run as a whole, as name and value.
func head(run *v1alpha1.CIRun, now time.Time) [][]string {
	status := run.Status
	rows := [][]string{
		{"Run:", text.Line(run.Namespace + "/" + run.Name)},
		{"Link:", text.Line(run.Spec.Link.Name)},
		{"State:", stateOf(run, now)},
	}
	add := func(name, value string) {
		if value = text.Line(value); value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	if why := Why(run); why != "" {
		add("", why)
	}
	add("Commit:", commit(run))
	add("Message:", status.Message)
	add("Author:", status.Author)
	if run.Spec.RerunOf != "" {
		from := ""
		if run.Spec.FromPhase != "" {
			from = ", from " + run.Spec.FromPhase
		}
		add("Re-run of:", run.Spec.RerunOf+from)
	}
	if State(run) != v1alpha1.RunQueued && !State(run).Terminal() {
		add("Waiting for:", status.WaitingFor)
	}
	if status.Stop != nil && text.Line(status.Stop.Message) != Why(run) {
		add("Stopped:", status.Stop.Reason+": "+status.Stop.Message)
	}
	for _, warning := range status.Warnings {
		add("Warning:", warning)
	}
	if status.TrimTime != nil {
		add("Trimmed:", "its phases were removed "+age(status.TrimTime.Time, now)+" ago")
	}
	return rows
}

func stateOf(run *v1alpha1.CIRun, now time.Time) string {
	state := text.Line(string(State(run)))
	took := between(run.Status.StartTime, run.Status.CompletionTime, now)
	switch {
	case State(run).Terminal() && took != "":
		state += " after " + took
	case took != "":
		state += " for " + took
	}
	if run.Spec.Cancelled && !State(run).Terminal() {
		state += ", being cancelled"
	}
	return state
}

func commit(run *v1alpha1.CIRun) string {
	status, asked := run.Status, run.Spec.Commit
	sha := cmp.Or(status.SHA, asked.SHA)
	var by []string
	if ref := cmp.Or(status.Ref, asked.Branch); ref != "" {
		by = append(by, "branch "+ref)
	}
	if number := cmp.Or(status.PullRequest, asked.PullRequest); number != 0 {
		by = append(by, "pull request "+strconv.Itoa(int(number)))
	}
	if sha == "" {
		return strings.Join(by, ", ")
	}
	if len(by) == 0 {
		return sha
	}
	return sha + " (" + strings.Join(by, ", ") + ")"
}

// phaseLines are a table of the phases, with what is to be said of each below it.
func phaseLines(phases []phase, now time.Time) []string {
	rows := [][]string{{"PHASE", "STATE", "DURATION", "MESSAGE"}}
	for _, p := range phases {
		rows = append(rows, []string{text.Line(p.Name), p.state(), cmp.Or(between(p.StartTime, p.CompletionTime, now), "-"), text.Line(p.Message)})
	}
	table := columns(rows)
	lines := []string{table[0]}
	for i, p := range phases {
		lines = append(lines, table[i+1])
		for _, line := range p.details(now) {
			lines = append(lines, indent+line)
		}
	}
	return lines
}

// details are what the table does not tell of a phase.
func (p phase) details(now time.Time) []string {
	var lines []string
	if p.CarriedFrom != "" {
		lines = append(lines, "carried over from "+text.Line(p.CarriedFrom))
	}
	if p.object == nil {
		return lines
	}
	status := p.object.Status
	if p.state() == queued && status.QueueTime != nil {
		lines = append(lines, "queued for "+age(status.QueueTime.Time, now))
	}
	if approval := p.approval(now); approval != "" {
		lines = append(lines, approval)
	}
	if status.FailureClass != "" {
		lines = append(lines, "failure class "+text.Line(string(status.FailureClass)))
	}
	for i, attempt := range status.Attempts {
		if i < len(status.Attempts)-1 {
			lines = append(lines, attemptLine(attempt))
			continue // the last attempt has the word
		}
		if attempt.RetryTime != nil {
			lines = append(lines, attemptLine(attempt)+"; the next begins at "+attempt.RetryTime.UTC().Format(time.TimeOnly)+" UTC")
		}
		for _, replica := range failed(attempt) {
			lines = append(lines, replicaLines(replica)...)
		}
	}
	for _, receipt := range status.Receipts {
		lines = append(lines, receiptLine(receipt))
	}
	return lines
}

func (p phase) approval(now time.Time) string {
	object := p.object
	if object.Spec.Approval != v1alpha1.ApprovalManual {
		return ""
	}
	asked := object.Status.Approval
	if !object.Spec.Approved {
		if asked == nil || p.State != v1alpha1.PhaseWaitingForApproval {
			return ""
		}
		return "waits for approval for " + age(asked.RequestTime.Time, now)
	}
	by := object.Spec.ApprovedBy
	if asked != nil {
		by = cmp.Or(asked.By, by)
	}
	line := "approved by " + text.Line(cmp.Or(by, "somebody"))
	if asked != nil && asked.Time != nil {
		line += " " + age(asked.Time.Time, now) + " ago"
	}
	return line
}

func attemptLine(attempt v1alpha1.AttemptStatus) string {
	return fmt.Sprintf("attempt %d: %s", attempt.Number, cmp.Or(text.Line(attempt.Message), "failed"))
}

// replicaLines tell how a replica ended, and the last lines of its log.
func replicaLines(replica v1alpha1.ReplicaStatus) []string {
	line := fmt.Sprintf("replica %d", replica.Index)
	if replica.ExitCode != nil {
		line += fmt.Sprintf(": exit code %d", *replica.ExitCode)
	}
	if replica.Reason != "" {
		line += ", " + text.Line(replica.Reason)
	}
	lines := []string{line}
	if replica.Log == nil {
		return lines
	}
	tail := strings.Split(strings.TrimRight(replica.Log.Tail, "\r\n"), "\n")
	for _, said := range tail[max(len(tail)-tailLines, 0):] {
		if said = text.Line(said); said != "" {
			lines = append(lines, "  | "+said)
		}
	}
	if replica.Log.ConfigMap != "" {
		lines = append(lines, "  more: ConfigMap "+text.Line(replica.Log.ConfigMap))
	}
	return lines
}

func receiptLine(receipt v1alpha1.Receipt) string {
	line := fmt.Sprintf("%s/%s: %s, image %s", strings.ToLower(receipt.Kind), receipt.Name, receipt.Result, receipt.Image)
	if receipt.Message != "" {
		line += ": " + receipt.Message
	}
	return text.Line(line)
}

// Next are the commands that make sense now.
func Next(s Snapshot) []string {
	run := s.Run
	where := " -n " + Quote(run.Namespace)
	name := Quote(run.Name)
	if State(run).Terminal() {
		if State(run) == v1alpha1.RunSucceeded || run.Status.TrimTime != nil || len(run.Status.Phases) == 0 {
			return nil
		}
		return []string{"kubectl katkit rerun " + name + where}
	}
	if run.Spec.Cancelled {
		return nil
	}
	var commands []string
	for _, p := range s.phases() {
		if p.State == v1alpha1.PhaseWaitingForApproval && (p.object == nil || !p.object.Spec.Approved) {
			commands = append(commands, "kubectl katkit approve "+name+" "+Quote(p.Name)+where)
		}
	}
	return append(commands, "kubectl katkit cancel "+name+where)
}
