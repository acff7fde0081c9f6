package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// MinValue is the length in bytes from which on a value is masked, white space around it not counted: shorter ones are found in
	// every other line.
	MinValue = 4
	// minLine is the same for a line of a value that has several.
	minLine = 6
	// maxForm bounds a form, in bytes; a longer one is looked for in pieces, which overlap.
	maxForm = 1024
	overlap = 64
	// minWrapped is how many letters of a base64 have to stand together before a line may break in it.
	minWrapped = 8
)

// form is one way in which a value may be written.
type form struct {
	text string
	// wraps: lines may break anywhere in it, but for its first minWrapped letters.
	wraps bool
}

// formsOf returns the forms of all values: sorted by their texts, none twice, each of MinValue to maxForm bytes.
func formsOf(values []string) []form {
	var forms []form
	for _, value := range values {
		value = strings.TrimSpace(value)
		if len(value) < MinValue {
			continue
		}
		forms = append(forms, textual(value)...)
		forms = append(forms, encoded(value)...)
		if lines := strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' }); len(lines) > 1 {
			for _, line := range lines {
				if line = strings.TrimSpace(line); len(line) >= minLine {
					forms = append(forms, textual(line)...)
				}
			}
		}
	}
	return unique(cut(forms))
}

// textual are the forms of a text in which it can still be read.
func textual(text string) []form {
	var forms []form
	for _, write := range []func(string) string{
		func(s string) string { return s },
		url.QueryEscape, url.PathEscape, inURL, inURLOfBrowser,
		func(s string) string { return inJSON(s, true) }, func(s string) string { return inJSON(s, false) },
		func(s string) string { return strings.Trim(strconv.QuoteToASCII(s), `"`) },
		inSingleQuotes, inDoubleQuotes, withBackslashes,
	} {
		forms = append(forms, form{text: write(text)})
	}
	return forms
}

// How curl and jq, and JavaScript's encodeURIComponent, write what Go's net/url writes otherwise.
func inURL(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func inURLOfBrowser(text string) string { return plainInBrowsers.Replace(inURL(text)) }

var plainInBrowsers = strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// inJSON is a text as JSON has it between quotes; html: with <, > and & as some encoders write them.
func inJSON(text string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if e.Encode(text) != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// How shells quote, as `set -x`, `export -p` and `printf %q` show.
var (
	inSingleQuotes  = func(s string) string { return strings.ReplaceAll(s, `'`, `'\''`) }
	inDoubleQuotes  = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace
	special         = regexp.MustCompile(`[^A-Za-z0-9,._+:@%/\-\x80-\x{10ffff}]`)
	withBackslashes = func(s string) string { return special.ReplaceAllString(s, `\$0`) }
)

// encoded are the forms of a text in base64, wherever in what was encoded it stands: three, by its offset, without the letters that
// neighbours have a part in, and those with which the text, or its line, ends.
func encoded(text string) []form {
	var forms []form
	for offset := range 3 {
		shared := (offset*8 + 5) / 6 // letters that hold bits of what comes before
		for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			before := strings.Repeat("\x00", offset)
			for _, end := range []string{"", "\n"} {
				forms = append(forms, form{alphabet.EncodeToString([]byte(before + text + end))[shared:], true})
			}
			whole := alphabet.WithPadding(base64.NoPadding).EncodeToString([]byte(before + text))
			if (offset+len(text))%3 != 0 {
				whole = whole[:len(whole)-1] // it holds bits of what comes after
			}
			forms = append(forms, form{whole[shared:], true})
			// Where a line breaks among the first letters.
			if len(whole) >= shared+3*minWrapped {
				forms = append(forms, form{whole[shared+minWrapped:], true})
			}
		}
	}
	return forms
}

// cut leaves no form longer than maxForm, and none shorter than MinValue.
func cut(forms []form) []form {
	var pieces []form
	for _, f := range forms {
		for len(f.text) > maxForm {
			pieces = append(pieces, form{f.text[:maxForm], f.wraps})
			f.text = f.text[maxForm-overlap:]
		}
		if len(f.text) >= MinValue {
			pieces = append(pieces, f)
		}
	}
	return pieces
}

func unique(forms []form) []form {
	slices.SortFunc(forms, func(a, b form) int {
		if c := strings.Compare(a.text, b.text); c != 0 {
			return c
		}
		switch {
		case a.wraps == b.wraps:
			return 0
		case a.wraps: // the one that matches more comes first, and stays
			return -1
		}
		return 1
	})
	return slices.CompactFunc(forms, func(a, b form) bool { return a.text == b.text })
}
