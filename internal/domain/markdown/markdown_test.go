package markdown_test

import (
	"strings"
	"testing"

	"katkit.dev/katkit/internal/domain/markdown"
)

func TestCode(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a word":              {"BUILD", "`BUILD`"},
		"what would end it":   {"a`b\n@all", "`a'b @all`"},
		"nothing":             {" ", `""`},
		"a space at its ends": {" a ", "`a`"},
		"more than a line":    {strings.Repeat("a", 300), "`" + strings.Repeat("a", 194) + " […]`"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := markdown.Code(c.in); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestBlock(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"lines":              {"a\n  b\n", "```text\na\n  b\n```\n"},
		"what would end it":  {"```\n@all\n````", "`````text\n```\n@all\n````\n`````\n"},
		"colours and cursor": {"\x1b[31mred\x1b[0m\r\n\x07", "```text\nred\n\uFFFD\n```\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := markdown.Block(c.in); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// FuzzBlock: no line of what is shown begins as the block's end does.
func FuzzBlock(f *testing.F) {
	f.Add("```\n````\r`````")
	f.Fuzz(func(t *testing.T, in string) {
		lines := strings.Split(strings.TrimSuffix(markdown.Block(in), "\n"), "\n")
		mark := lines[len(lines)-1]
		for _, line := range lines[1 : len(lines)-1] {
			if strings.HasPrefix(strings.TrimSpace(line), mark) {
				t.Errorf("%q ends early at %q", lines, line)
			}
		}
	})
}
