package link

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"katkit.dev/katkit/internal/domain/text"
)

const (
	defaultHost = "github.com"
	// maxRepository is what the API takes of owner/name.
	maxRepository = 140
	// maxShown is how much of what a person typed an error repeats, in bytes.
	maxShown = 100
	expected = "expected OWNER/REPO, as in acme/shop, or the address of its page, as in https://github.com/acme/shop"
)

var (
	// repositoryName and hostName are the API's patterns.
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9_])?/[-._A-Za-z0-9]+$`)
	hostName       = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]+)?$`)
	// scp is how git names a repository that it reaches by SSH: USER@HOST:PATH.
	scp = regexp.MustCompile(`^[^@/:\s]+@([^@/:\s]+):(.*)$`)
	// sameHost are names of github.com's web page and of its SSH server.
	sameHost = map[string]string{"www.github.com": defaultHost, "ssh.github.com": defaultHost}
)

// errCredential does not repeat the address: what is secret in it would be shown.
var errCredential = errors.New("the address has a user name or a password in it: leave it out, and name a file that holds a token with --token-file." +
	" If it was a token, it is in your shell's history now: revoke it, and make a new one")

// Address is a repository as a person named it.
type Address struct {
	// Host is "" when none was named; Repository is owner/name, without .git.
	Host, Repository string
	// Tree is what follows /tree/ in the address of a page: a branch, or a branch and a folder. "" when nothing does.
	Tree string
}

// ParseAddress takes owner/name, the address of a page on GitHub, or what git clones from. The error says what was
// expected, in one line. It never repeats a credential.
func ParseAddress(typed string) (Address, error) {
	typed = strings.TrimSpace(typed)
	host, path, err := split(typed)
	if err != nil {
		return Address{}, err
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 2 {
		return Address{}, fmt.Errorf("%s does not name a repository: %s", shown(typed), expected)
	}
	a := Address{Repository: parts[0] + "/" + strings.TrimSuffix(parts[1], ".git")}
	if a.Host, err = parseHost(host); err != nil {
		return Address{}, fmt.Errorf("%s: %w", shown(typed), err)
	}
	switch {
	case len(parts) > 3 && parts[2] == "tree":
		a.Tree = strings.Join(parts[3:], "/")
	case len(parts) > 2:
		return Address{}, fmt.Errorf("%s is a page within a repository: %s, or https://github.com/acme/shop/tree/BRANCH", shown(typed), expected)
	}
	name := a.Repository[strings.Index(a.Repository, "/")+1:]
	if len(a.Repository) > maxRepository || !repositoryName.MatchString(a.Repository) || name == "." || name == ".." {
		return Address{}, fmt.Errorf("%s does not name a repository of GitHub: %s", shown(typed), expected)
	}
	return a, nil
}

// split finds the host, "" when there is none, and the path, without what is escaped in it.
func split(typed string) (host, path string, err error) {
	if scheme, _, found := strings.Cut(typed, "://"); found {
		return splitURL(typed, strings.ToLower(scheme))
	}
	if match := scp.FindStringSubmatch(typed); match != nil {
		return match[1], match[2], nil
	}
	if strings.Contains(typed, "@") {
		return "", "", errCredential
	}
	// An owner has no dot in its name, so this is an address whose https:// is missing.
	if first, rest, found := strings.Cut(typed, "/"); found && strings.ContainsAny(first, ".:") && strings.Contains(strings.Trim(rest, "/"), "/") {
		return splitURL("https://"+typed, "https")
	}
	return "", typed, nil
}

func splitURL(typed, scheme string) (host, path string, err error) {
	parsed, err := url.Parse(typed)
	if err != nil { // the parser's error repeats all that was typed
		return "", "", fmt.Errorf("%s is not an address: %s", shown(typed), expected)
	}
	switch _, password := parsed.User.Password(); scheme {
	case "ssh", "git+ssh", "ssh+git":
		if password {
			return "", "", errCredential
		}
		return cmp.Or(parsed.Hostname(), "-"), parsed.Path, nil // the port is that of SSH
	case "http", "https":
		if parsed.User != nil {
			return "", "", errCredential
		}
		return cmp.Or(parsed.Host, "-"), parsed.Path, nil
	default:
		return "", "", fmt.Errorf("%s does not begin with https://, ssh:// or git@: %s", shown(typed), expected)
	}
}

// parseHost takes a host with or without a port. "" stays.
func parseHost(host string) (string, error) {
	lower := strings.ToLower(host)
	if same, ok := sameHost[lower]; ok {
		return same, nil
	}
	if lower != "" && !hostName.MatchString(lower) {
		return "", fmt.Errorf("%s is not the name of a host: expected one such as github.example.com, without https://", shown(host))
	}
	return lower, nil
}

// shown repeats what a person typed, safely: in one line, not all of a long text, and nothing of what may be a credential.
func shown(typed string) string {
	typed, _, _ = strings.Cut(typed, "?")
	if at := strings.LastIndex(typed, "@"); at >= 0 {
		typed = "…" + typed[at:]
	}
	if secretLooking(typed) {
		return "what was given"
	}
	return strconv.Quote(text.Cut(text.Line(typed), maxShown))
}

// Place tells the branch and the folder of an address, with those of the flags, "" for a flag that was not given. Where the
// tree of an address has more than one part, nobody can tell where its branch ends.
func (a Address) Place(branch, folder string) (string, string, error) {
	if a.Tree == "" {
		return branch, folder, nil
	}
	switch rest, within := strings.CutPrefix(a.Tree, branch+"/"); {
	case branch == "" && strings.Contains(a.Tree, "/"):
		return "", "", fmt.Errorf("/tree/%s of the address may be a branch of this name, or a branch and a folder: say which branch it is with --branch", text.Cut(text.Line(a.Tree), maxShown))
	case branch == "" || branch == a.Tree:
		return a.Tree, folder, nil
	case !within:
		return "", "", fmt.Errorf("--branch %s is another branch than /tree/%s of the address: leave one of them out", shown(branch), text.Cut(text.Line(a.Tree), maxShown))
	case folder == "" || strings.Trim(folder, "/") == rest:
		return branch, rest, nil
	default:
		return "", "", fmt.Errorf("--folder %s is another folder than %s, which /tree/ of the address names: leave one of them out", shown(folder), shown(rest))
	}
}
