package view

import "strings"

// cells is how wide a text may be in a terminal: two cells for every character that any terminal draws so. It rather
// counts too many than too few, since a line that wraps spoils what is drawn in place.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += cell(r)
	}
	return n
}

func cell(r rune) int {
	if r >= 0x1100 && r != '…' && r != '\uFFFD' {
		return 2
	}
	return 1
}

// Fit cuts a line to a width in cells, with a mark at its end. A width of 0 or less leaves it as it is.
func Fit(line string, width int) string {
	if width <= 0 || cells(line) <= width {
		return line
	}
	used := 0
	for i, r := range line {
		if used += cell(r); used > width-1 {
			return line[:i] + "…"
		}
	}
	return line
}

// pad fills a text up with spaces to a width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-cells(s), 0))
}

// columns puts rows below each other, with two spaces between the columns and none at the end of a line.
func columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cells(text))
		}
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var b strings.Builder
		for i, text := range row {
			b.WriteString(pad(text, widths[i]+2))
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}
