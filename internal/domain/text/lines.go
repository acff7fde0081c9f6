package text

import "strings"

// Lines makes any bytes lines that are safe to store and to show on a terminal, as [Line] does, but keeps where they end and how far they
// are indented. Of a line that was written over with carriage returns it keeps what was written last. There are no empty lines at
// the end.
func Lines(s string) string {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\r\n"), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		line = line[strings.LastIndexByte(line, '\r')+1:]
		words := strings.TrimLeft(line, " \t")
		lines[i] = line[:len(line)-len(words)] + Line(words)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}
