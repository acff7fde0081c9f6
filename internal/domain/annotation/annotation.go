package annotation

import (
	"strings"

	"katkit.dev/katkit/internal/domain/text"
)

// Level is how grave a remark is, in GitHub's words.
type Level string

// The levels that GitHub knows.
const (
	LevelNotice  Level = "notice"
	LevelWarning Level = "warning"
	LevelFailure Level = "failure"
)

const (
	// maxTitle is GitHub's bound of a title, which it counts in characters; here it is in bytes.
	maxTitle = 255
	// maxMessage bounds a message, in bytes. GitHub takes 64 KiB.
	maxMessage = 1 << 10
)

// Annotation is a remark about lines of a file.
type Annotation struct {
	// Path of the file from the repository's root, clean, with slashes; 1 to 1,024 bytes.
	Path string
	// StartLine and EndLine count from 1; StartLine <= EndLine.
	StartLine, EndLine int
	// StartColumn and EndColumn count from 1; StartColumn <= EndColumn. Both are 0 when not known, or when the remark is about
	// several lines, since GitHub takes columns of one line only.
	StartColumn, EndColumn int
	Level                  Level
	// Title is one line of at most 255 bytes; "" for none.
	Title string
	// Message is one line of 1 to 1,024 bytes.
	Message string
}

// Find returns the annotations of a log, the first max of them in its order, each once. folder is the folder of the repository that
// ci.sh ran in, "" for its root: relative paths are relative to it. checkout is the absolute path that the repository had there:
// absolute paths count below it only.
//
// It knows the workflow commands of GitHub Actions (::error file=a.js,line=1::message) and the forms in which compilers,
// linters, shells and Python name a line. `go test` names files by their last part alone, so those of other packages than that
// in folder are looked for in the wrong place.
func Find(log string, folder, checkout string, limit int) []Annotation {
	var found []Annotation
	seen := map[Annotation]bool{}
	reader := lineReader{tree: newTree(folder, checkout)}
	for raw := range strings.SplitSeq(strings.ReplaceAll(log, "\r", "\n"), "\n") {
		if len(found) >= limit {
			break
		}
		if remark, is := reader.read(raw); is && !seen[remark] {
			seen[remark] = true
			found = append(found, remark)
		}
	}
	return found
}

// lineReader reads a log line by line. What it keeps of the lines before is where and what the next ones may speak of.
type lineReader struct {
	tree    tree
	heading string      // what the last line says, if that is how rustc begins
	frame   *Annotation // the place that a Python traceback named last, yet without a message
}

func (r *lineReader) read(raw string) (Annotation, bool) {
	line := text.Line(raw)
	heading, indented := r.heading, strings.HasPrefix(raw, " ") || strings.HasPrefix(raw, "\t")
	r.heading = ""
	if strings.HasPrefix(line, "::") {
		return r.tree.command(line)
	}
	if remark, is := r.traceback(line, indented); is {
		return remark, true
	}
	switch {
	case rustHeading.MatchString(line):
		r.heading = line
	case strings.HasPrefix(line, "--> "):
		return r.tree.arrow(line, heading)
	}
	return r.tree.compiler(line)
}

// complete makes the texts of an annotation safe and fit, and tells whether it says anything.
func complete(a Annotation) (Annotation, bool) {
	a.Title = text.Cut(text.Line(a.Title), maxTitle)
	a.Message = text.Cut(text.Line(a.Message), maxMessage)
	if a.Message == "" {
		a.Message = a.Title
	}
	return a, a.Message != ""
}
