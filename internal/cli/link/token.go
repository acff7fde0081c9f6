package link

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// maxToken is more than any of GitHub's tokens has, in bytes.
const maxToken = 4 << 10

var (
	// plainToken has the characters of GitHub's tokens, those of GitHub Enterprise and of Apps included.
	plainToken = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	// knownToken is what GitHub's tokens look like: the prefixes of today, and the 40 hex digits of old.
	knownToken = regexp.MustCompile(`gh[pousr]_[A-Za-z0-9]{16}|github_pat_[A-Za-z0-9]{16}|^[0-9a-f]{40}$`)
)

// secretLooking tells whether a text may be a token, so that it is not to be shown.
func secretLooking(s string) bool { return knownToken.MatchString(s) }

// ReadToken reads a GitHub token from a file; "-" is the standard input, where a terminal does not show what is typed. The
// error never has a part of the token in it.
func ReadToken(streams genericiooptions.IOStreams, name string) (string, error) {
	if secretLooking(name) {
		if _, err := os.Lstat(name); err != nil {
			return "", errors.New("--token-file takes the name of a file, and was given what looks like a token: write the token into a file, or into the standard input with --token-file -." +
				" It is in your shell's history now: revoke it, and make a new one")
		}
	}
	content, err := readFile(streams, name, maxToken)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimRightFunc(string(content), unicode.IsSpace)
	if wrong := checkToken(token); wrong != "" {
		return "", fmt.Errorf("--token-file %s %s", shown(name), wrong)
	}
	return token, nil
}

// readFile reads a file, or one byte more than limit of it.
func readFile(streams genericiooptions.IOStreams, name string, limit int64) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return io.ReadAll(io.LimitReader(file, limit+1))
	}
	if file, ok := streams.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if limit != maxToken {
			return nil, errors.New("the standard input is a terminal, where a key cannot be typed: name its file")
		}
		fmt.Fprint(streams.ErrOut, "GitHub token (it is not shown): ")
		defer fmt.Fprintln(streams.ErrOut)
		return term.ReadPassword(int(file.Fd()))
	}
	return io.ReadAll(io.LimitReader(streams.In, limit+1))
}

// checkToken tells what is wrong with a token, and what to do; "" when nothing is. It has no part of the token in it.
func checkToken(token string) string {
	const form = "it holds the token alone, as GitHub shows it once when it is made (github_pat_… or ghp_…)"
	switch {
	case token == "":
		return "is empty: " + form
	case strings.Contains(token, "-----BEGIN "):
		return "holds a key or a certificate, and no token: " + form
	case len(token) > maxToken:
		return fmt.Sprintf("is over %d KiB, which no token has: %s", maxToken>>10, form)
	case strings.ContainsAny(token, "\r\n"):
		return "has more than one line: " + form
	case strings.HasPrefix(token, "\uFEFF") || strings.ContainsRune(token, 0):
		return "is no plain text: write it anew as ASCII or UTF-8 without a mark at its beginning; " + form
	case !plainToken.MatchString(token):
		return "has characters that no token has, such as spaces, quotes or NAME=: " + form
	}
	return ""
}
