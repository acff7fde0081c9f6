package comment

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/markdown"
)

const (
	// word begins a command.
	word = "/katkit"
	// maxPhases and maxPhaseName, in characters, are the bounds of spec.phaseNames of a run.
	maxPhases    = 64
	maxPhaseName = 63
	// maxBody is how much of a comment's text is read, in bytes.
	maxBody = 4 << 10
	// help is the command that every link obeys.
	help v1alpha1.CommentCommand = "help"
)

// Command is what a comment asks for.
type Command struct {
	// Verb is a CommentCommand or "help".
	Verb v1alpha1.CommentCommand
	// Phases of "run", and the one of "approve", as they were written.
	Phases []string
	// SHA of "ok", as it was written; it may be anything.
	SHA string
}

// Parse finds the command of a comment: the first line that begins with /katkit, without any space before. Lines in fenced code, in
// quotes, in HTML comments and in <pre> do not count, nor does the last line of a text that may have been cut. Words are parted by white space of any kind; a name of several words
// stands in double quotes. A problem says, in Markdown, why a command was not understood.
func Parse(body string) (command Command, found bool, problem string) {
	line, found := commandLine(wholeLines(body))
	if !found {
		return Command{}, false, ""
	}
	words, closed := split(line[len(word):])
	if !closed {
		return Command{}, true, "a quote is not closed"
	}
	if len(words) == 0 {
		return Command{Verb: help}, true, ""
	}
	command, problem = understand(v1alpha1.CommentCommand(strings.ToLower(words[0])), words[1:])
	return command, true, problem
}

// wholeLines is a text without its last line where that may have been cut, which would make another command of it. A cut text ends with
// a whole character, so that it may be a little shorter than the bound.
func wholeLines(body string) string {
	if len(body) <= maxBody-utf8.UTFMax {
		return body
	}
	return body[:strings.LastIndexAny(body, "\r\n")+1]
}

// understand makes a command of its verb and what comes after it.
func understand(verb v1alpha1.CommentCommand, words []string) (command Command, problem string) {
	command.Verb = verb
	switch verb {
	case v1alpha1.CommandRun:
		command.Phases = append(command.Phases, words...)
		return command, phaseProblem(words)
	case v1alpha1.CommandApprove:
		if len(words) != 1 {
			return command, "`approve` takes the name of one phase; a name of several words stands in double quotes"
		}
		command.Phases = words
		return command, phaseProblem(words)
	case v1alpha1.CommandOK:
		if len(words) != 1 {
			return command, "`ok` takes the whole sha of one commit"
		}
		command.SHA = words[0]
	case v1alpha1.CommandRerun, v1alpha1.CommandCancel, help:
		if len(words) > 0 {
			return command, markdown.Code(string(verb)) + " takes nothing more"
		}
	default:
		return command, "there is no command " + markdown.Code(string(verb)) + ": `/katkit help` tells which there are"
	}
	return command, ""
}

func phaseProblem(names []string) string {
	if len(names) > maxPhases {
		return "more phases are named than a run has"
	}
	for i, name := range names {
		switch {
		case name == "" || utf8.RuneCountInString(name) > maxPhaseName || strings.ContainsFunc(name, unshown):
			return markdown.Code(name) + " is not the name of a phase"
		case slices.Contains(names[:i], name):
			return "phase " + markdown.Code(name) + " is named twice"
		}
	}
	return ""
}

// unshown tells what no phase of a workflow has in its name.
func unshown(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// hidden are the pairs of what a reader does not see, or sees as code. They are looked for in lower case.
var hidden = []struct{ begin, end string }{{"<!--", "-->"}, {"<pre", "</pre>"}}

// commandLine is the first line that is a command.
func commandLine(body string) (string, bool) {
	fence, until := "", "" // what ends the code, or the HTML, that the line is in
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body), "\n") {
		lower := strings.ToLower(line)
		switch mark := fenceOf(line); {
		case until != "":
			_, rest, ends := strings.Cut(lower, until)
			if ends {
				until = unclosed(rest)
			}
		case fence != "":
			// It is closed by at least as many of the same character, and nothing else in the line.
			if strings.HasPrefix(mark, fence) && strings.Trim(line, " \t"+fence[:1]) == "" {
				fence = ""
			}
		case mark != "":
			fence = mark
		case isCommand(lower):
			return line, true
		default:
			until = unclosed(lower)
		}
	}
	return "", false
}

func isCommand(lower string) bool {
	rest, begins := strings.CutPrefix(lower, word)
	first, _ := utf8.DecodeRuneInString(rest)
	return begins && (rest == "" || unicode.IsSpace(first))
}

// fenceOf is the mark by which a line begins or ends fenced code; "" for another line.
func fenceOf(line string) string {
	text := strings.TrimLeft(line, " ")
	if len(line)-len(text) > 3 || text == "" || text[0] != '`' && text[0] != '~' {
		return ""
	}
	mark := text[:len(text)-len(strings.TrimLeft(text, text[:1]))]
	if len(mark) < 3 || text[0] == '`' && strings.Contains(text[len(mark):], "`") {
		return ""
	}
	return mark
}

// unclosed is the end of what begins in a line and does not end there; "" when nothing does.
func unclosed(lower string) string {
	for {
		at, pair := len(lower), -1
		for i, candidate := range hidden {
			if begin := strings.Index(lower, candidate.begin); begin >= 0 && begin < at {
				at, pair = begin, i
			}
		}
		if pair < 0 {
			return ""
		}
		_, rest, ends := strings.Cut(lower[at+len(hidden[pair].begin):], hidden[pair].end)
		if !ends {
			return hidden[pair].end
		}
		lower = rest
	}
}

// split parts a text at white space; what is in double quotes is one word. closed is false when a quote is not closed.
func split(text string) (words []string, closed bool) {
	var current strings.Builder
	quoted, begun := false, false
	for _, r := range text {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case unicode.IsSpace(r) && !quoted:
			if begun {
				words = append(words, current.String())
			}
			current.Reset()
			begun = false
		default:
			current.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, current.String())
	}
	return words, !quoted
}
