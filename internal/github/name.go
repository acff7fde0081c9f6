package github

import (
	"regexp"
	"strings"
	"unicode"
)

const (
	// MaxMessageLength bounds commit messages and titles, in characters.
	MaxMessageLength = 200
	maxNameLength    = 255
)

var (
	// repositoryName allows what GitHub does: owners of letters, digits, "-" and (managed users) "_".
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}$`)
	fullSHA        = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

func validRepository(repository string) bool {
	return repositoryName.MatchString(repository) &&
		!strings.HasSuffix(repository, "/.") && !strings.HasSuffix(repository, "/..")
}

func validSHA(sha string) bool { return fullSHA.MatchString(sha) }

// validBranch refuses what git refuses and would change the meaning of a URL: git-check-ref-format(1).
func validBranch(branch string) bool {
	// GitHub takes OWNER:BRANCH for a branch of a fork.
	if len(branch) > maxNameLength || strings.Contains(branch, ":") || strings.ContainsFunc(branch, unicode.IsControl) {
		return false
	}
	for part := range strings.SplitSeq(branch, "/") {
		if part == "" || part[0] == '.' || strings.Contains(part, "..") {
			return false
		}
	}
	return true
}

func validPath(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
			return false
		}
	}
	return true
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// oneLine makes foreign text fit for a message: valid UTF-8, no control characters, at most limit characters.
func oneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
