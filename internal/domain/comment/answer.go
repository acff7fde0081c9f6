package comment

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/markdown"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// maxAnswers is how many answers Katkit's one comment on a pull request keeps.
	maxAnswers = 5
	// maxAnswer bounds what is taken over of each when the comment is read back, in bytes.
	maxAnswer = 4096
)

// Answer is what came of a comment.
type Answer struct {
	// Comment is its number.
	Comment int64
	// line is Markdown without a line break.
	line string
}

// Marker is the hidden beginning of the one comment of a link on a pull request.
func Marker(namespace, link string) string {
	return fmt.Sprintf(ownBeginning+"%s/%s -->", namespace, link)
}

// ownBeginning is how every comment of Katkit's begins, of whichever link.
const ownBeginning = "<!-- katkit "

// address is a page of a pull request.
var address = regexp.MustCompile(`^https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._/-]+$`)

// Answered makes the answer to a comment of a decision that was carried out.
func Answered(comment Comment, pull Pull, command Command, decision Decision) Answer {
	asked := markdown.Code(word + " " + string(command.Verb))
	if address.MatchString(pull.URL) {
		asked = fmt.Sprintf("[%s](%s#issuecomment-%d)", asked, pull.URL, comment.ID)
	}
	return Answer{Comment: comment.ID, line: fmt.Sprintf("%s of %s: %s", asked, markdown.Code(comment.Login), decision.Answer)}
}

// answerLine is an answer in Katkit's comment; its number is hidden.
var answerLine = regexp.MustCompile(`^- <!-- ([0-9]{1,19}) --> (.+)$`)

// Render is the text of the one comment of a link on a pull request when more was answered. known is its text before, "" when there
// is none yet. The newest comment's answer comes first; one that is there already stays as it is.
func Render(namespace, link, known string, more []Answer) string {
	answers := read(known)
	for _, answer := range more {
		if !slices.ContainsFunc(answers, func(a Answer) bool { return a.Comment == answer.Comment }) {
			answers = append(answers, answer)
		}
	}
	slices.SortFunc(answers, func(a, b Answer) int { return cmp.Compare(b.Comment, a.Comment) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n**Katkit**, link %s of tenant %s. What was asked last:\n", Marker(namespace, link), markdown.Code(link), markdown.Code(namespace))
	for _, answer := range answers[:min(len(answers), maxAnswers)] {
		fmt.Fprintf(&b, "\n- <!-- %d --> %s", answer.Comment, answer.line)
	}
	return b.String() + "\n"
}

// read finds the answers in a text that Render made, and that others may have changed since.
func read(known string) []Answer {
	var answers []Answer
	for line := range strings.Lines(known) {
		match := answerLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if match == nil || len(line) > maxAnswer {
			continue
		}
		id, err := strconv.ParseInt(match[1], 10, 64)
		twice := slices.ContainsFunc(answers, func(a Answer) bool { return a.Comment == id })
		if err == nil && !twice && len(answers) < maxAnswers {
			answers = append(answers, Answer{Comment: id, line: match[2]})
		}
	}
	return answers
}

// NotMade is the answer when the API server does not take a run.
func NotMade(link *v1alpha1.TenantRepoLink, run *v1alpha1.CIRun) string {
	return fmt.Sprintf("run %s was not made: %s", markdown.Code(run.Name), refused(link))
}

// NameTaken is the answer when a run's name is that of another one.
func NameTaken(run *v1alpha1.CIRun) string {
	return fmt.Sprintf("run %s was not made: another run of this name is there", markdown.Code(run.Name))
}

// NotCancelled is the answer when the API server does not let Katkit cancel a run.
func NotCancelled(link *v1alpha1.TenantRepoLink, run *v1alpha1.CIRun) string {
	return fmt.Sprintf("run %s was not cancelled: %s", markdown.Code(run.Name), refused(link))
}

// Unapprovable is the answer when the API server does not take the approval of a Phase.
func Unapprovable(link *v1alpha1.TenantRepoLink, phase *v1alpha1.Phase) string {
	return fmt.Sprintf("phase %s of run %s was not approved: %s", markdown.Code(phase.Spec.Name), markdown.Code(phase.Spec.Run.Name), refused(link))
}

// Gone is the answer when a Phase is not there any more.
func Gone(phase *v1alpha1.Phase) string {
	return fmt.Sprintf("phase %s of run %s was not approved: it is gone", markdown.Code(phase.Spec.Name), markdown.Code(phase.Spec.Run.Name))
}

// refused tells everybody who reads the pull request no more than who knows why: what the API server says names what is in the cluster.
func refused(link *v1alpha1.TenantRepoLink) string {
	command := fmt.Sprintf("kubectl describe trl %s -n %s", link.Name, link.Namespace)
	return fmt.Sprintf("the cluster refused it; why is in an event, which an admin of tenant %s finds with %s", markdown.Code(link.Namespace), markdown.Span(text.Line(command)))
}

// NotApproved is the answer when Katkit, by its user name in the cluster, may not approve Phases of the namespace. Who may is for
// an admin of it to say, with the command.
func NotApproved(phase *v1alpha1.Phase, user string) string {
	subject := "--user='" + strings.ReplaceAll(user, "'", `'\''`) + "'"
	if account, isAccount := strings.CutPrefix(user, "system:serviceaccount:"); isAccount {
		subject = "--serviceaccount=" + account
	}
	command := fmt.Sprintf("kubectl create rolebinding katkit-approver-katkit -n %s --clusterrole=katkit-approver %s", phase.Namespace, subject)
	return fmt.Sprintf("Katkit may not approve phases of tenant %s: an admin of it allows that with %s", markdown.Code(phase.Namespace), markdown.Span(text.Line(command)))
}
