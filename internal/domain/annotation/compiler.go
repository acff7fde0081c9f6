package annotation

import (
	"regexp"
	"strings"
)

// forms are how programs name a line of a file. A path has neither white space nor colons, so that a time, a URL or an address
// is none; whether it is a file's is looked at afterwards.
var forms = []*regexp.Regexp{
	// gcc, clang, go, javac, mypy, flake8, eslint's unix format, zsh and most others; `go vet` puts its name before.
	regexp.MustCompile(`^(?:vet: )?(?P<path>[^\s:]+):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?: (?P<message>.+)`),
	// tsc, and what comes from Microsoft.
	regexp.MustCompile(`^(?P<path>[^\s:]+)\((?P<line>[0-9]+),(?P<column>[0-9]+)\): (?P<message>.+)`),
	// tsc to a terminal.
	regexp.MustCompile(`^(?P<path>[^\s:]+):(?P<line>[0-9]+):(?P<column>[0-9]+) - (?P<message>(?:error|warning) .+)`),
	// bash and dash.
	regexp.MustCompile(`^(?P<path>[^\s:]+): (?:line )?(?P<line>[0-9]+): (?P<message>.+)`),
}

var (
	// rustHeading is the line before the one with the arrow.
	rustHeading = regexp.MustCompile(`^(?:error|warning|note|help)(?:\[\w+\])?: `)
	rustArrow   = regexp.MustCompile(`^--> (?P<path>[^\s:]+):(?P<line>[0-9]+):(?P<column>[0-9]+)$`)

	pythonFrame = regexp.MustCompile(`^File "(?P<path>[^"]+)", line (?P<line>[0-9]+)`)
	// pythonEnd is the line that ends a traceback: the exception, and what it says.
	pythonEnd = regexp.MustCompile(`^[A-Za-z_][\w.]*(?:: .*)?$`)

	mild    = regexp.MustCompile(`(?i)^\[?(?:note|notice|info|help)(?:[:\]\[]| [A-Z]+[0-9]+:)`)
	warning = regexp.MustCompile(`(?i)^\[?warn(?:ing)?(?:[:\]\[]| [A-Z]+[0-9]+:)|\[Warning/[^\]\s]+\]$`)
)

// compiler reads a line in one of the forms.
func (t tree) compiler(line string) (Annotation, bool) {
	for _, form := range forms {
		if remark, is := t.match(form, line); is {
			return graded(remark)
		}
	}
	return Annotation{}, false
}

// arrow reads rustc's second line, which says where is what the first one says.
func (t tree) arrow(line, heading string) (Annotation, bool) {
	remark, is := t.match(rustArrow, line)
	if !is {
		return Annotation{}, false
	}
	remark.Message = heading
	return graded(remark)
}

// traceback follows a Python traceback to its end, which is about the last place in the repository. All lines before it are indented.
func (r *lineReader) traceback(line string, indented bool) (Annotation, bool) {
	if frame, is := r.tree.match(pythonFrame, line); is {
		r.frame = &frame
		return Annotation{}, false
	}
	if r.frame == nil || indented || line == "" {
		return Annotation{}, false
	}
	remark := *r.frame
	r.frame = nil
	if !pythonEnd.MatchString(line) {
		return Annotation{}, false
	}
	remark.Message = line
	return graded(remark)
}

// match reads the groups that a form has. It takes source files below the checkout only.
func (t tree) match(form *regexp.Regexp, line string) (Annotation, bool) {
	groups := form.FindStringSubmatch(line)
	if groups == nil {
		return Annotation{}, false
	}
	group := func(name string) string {
		if i := form.SubexpIndex(name); i >= 0 {
			return groups[i]
		}
		return ""
	}
	file, inside := t.locate(group("path"))
	start := number(group("line"))
	if !inside || start == 0 || !isSource(group("path")) {
		return Annotation{}, false
	}
	remark := Annotation{Path: file, Message: group("message")}
	remark.place(start, start, number(group("column")), 0)
	return remark, true
}

// graded takes the level from how the message begins; what does not say is a failure.
func graded(a Annotation) (Annotation, bool) {
	switch message := strings.TrimSpace(a.Message); {
	case warning.MatchString(message):
		a.Level = LevelWarning
	case mild.MatchString(message):
		a.Level = LevelNotice
	default:
		a.Level = LevelFailure
	}
	return complete(a)
}
