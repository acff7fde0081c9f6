package annotation

import "strings"

// commandLevels are the workflow commands that make annotations.
var commandLevels = map[string]Level{"error": LevelFailure, "warning": LevelWarning, "notice": LevelNotice}

var (
	unescapeData     = strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n")
	unescapeProperty = strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",")
)

// command reads a workflow command as GitHub's runner does: ::name key=value,key=value::message, where names and keys may be in
// any case, and what is no number counts as not given.
func (t tree) command(line string) (Annotation, bool) {
	header, message, ends := strings.Cut(strings.TrimPrefix(line, "::"), "::")
	name, list, _ := strings.Cut(header, " ")
	level, known := commandLevels[strings.ToLower(name)]
	if !ends || !known {
		return Annotation{}, false
	}
	properties := map[string]string{}
	for pair := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(pair, "=")
		properties[strings.ToLower(strings.TrimSpace(key))] = unescapeProperty.Replace(value)
	}
	file, inside := t.locate(properties["file"])
	if !inside {
		return Annotation{}, false
	}
	remark := Annotation{Path: file, Level: level, Title: properties["title"], Message: unescapeData.Replace(message)}
	remark.place(number(properties["line"]), number(properties["endline"]), number(properties["col"]), number(properties["endcolumn"]))
	return complete(remark)
}

// place sets lines and columns, each 0 where it is not known, so that they fit each other. Without any line it is the first one.
func (a *Annotation) place(line, endLine, column, endColumn int) {
	a.StartLine = line
	if line == 0 {
		a.StartLine = max(endLine, 1)
	}
	a.EndLine = max(endLine, a.StartLine)
	if line == 0 && endLine == 0 || a.EndLine != a.StartLine {
		return
	}
	a.StartColumn = column
	if column == 0 {
		a.StartColumn = endColumn
	}
	a.EndColumn = max(endColumn, a.StartColumn)
}
