package agent

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"katkit.dev/katkit/internal/contract"
)

// Bounds of what a commit can ask for by its submodules.
const (
	maxNesting     = 10      // submodules in submodules
	maxSubmodules  = 256     // of one repository
	maxGitmodules  = 1 << 20 // bytes of what git says of the file
	gitmodulesFile = ".gitmodules"
)

// submodule is one of a commit, as its tree and its .gitmodules have it.
type submodule struct {
	path string // in the working tree; git lets none be absolute or lead out of it
	sha  string // 40 hexadecimal digits
	url  string // "" where .gitmodules names none
	none bool   // .gitmodules says that it is not wanted
}

// bringSubmodules checks out the submodules of the commit, each its one commit alone. git's own machinery is not used: no name
// or branch of a stranger's becomes an argument or a path, no folder below .git is one of a submodule's, and nothing is
// asked of a server but the commit.
func (g *repository) bringSubmodules(ctx context.Context, nesting int) error {
	modules, err := g.readSubmodules(ctx)
	if err != nil || len(modules) == 0 {
		return err
	}
	if nesting > maxNesting {
		return invalidSubmodule("submodules are nested more than %d deep: set %s=true, and not recursive", maxNesting, contract.VarSubmodules)
	}
	for _, module := range modules {
		if module.none {
			g.log.say("submodule %s is left out, as %s says", module.path, gitmodulesFile)
			continue
		}
		if err := g.bringSubmodule(ctx, module, nesting); err != nil {
			report := explain(err, g.req)
			report.Message = fmt.Sprintf("submodule %.200s: %s", module.path, report.Message)
			return &refusal{report}
		}
	}
	return nil
}

func (g *repository) bringSubmodule(ctx context.Context, module submodule, nesting int) error {
	address, err := resolveSubmodule(g.req.url, module.url)
	if err != nil {
		return err
	}
	if err := staysInside(g.dir, module.path); err != nil {
		return err
	}
	dir := filepath.Join(g.dir, filepath.FromSlash(module.path))
	if err := makeRepository(dir, address.String()); err != nil {
		return err
	}
	req := g.req
	req.url, req.named, req.sha, req.options.Depth = address.String(), gitmodulesFile, module.sha, 1
	if req.fork {
		req.token = "" // a stranger chose what is read
	}
	sub := gitIn(dir, req, g.log)
	err = sub.fetch(ctx)
	if err == nil {
		err = sub.checkout(ctx)
	}
	if err != nil {
		return withoutToken(explain(err, req), g.req, originOf(address))
	}
	g.log.say("submodule %s is at %s of %s", module.path, req.sha, req.url)
	if !req.options.Recursive {
		return nil
	}
	return sub.bringSubmodules(ctx, nesting+1)
}

// withoutToken adds to a submodule's failure why the token was not there.
func withoutToken(report contract.Report, req request, origin string) error {
	denied := report.Reason == contract.ReasonAuthenticationFailed || report.Reason == contract.ReasonRepositoryNotFound
	switch {
	case denied && req.fork:
		report.Message += "; submodules of a commit that may be a stranger's are read without the token, so they have to be public"
	case denied && req.token != "" && origin != req.origin:
		report.Message += "; the token is for " + req.origin + " alone, so submodules of other hosts have to be public"
	}
	return &refusal{report}
}

// readSubmodules reads those of the commit that is checked out, by their paths.
func (g *repository) readSubmodules(ctx context.Context) ([]submodule, error) {
	var links gitlinks
	if err := g.run(ctx, &links, "ls-tree", "-r", "-z", "--full-tree", g.req.sha); err != nil || len(links.found) == 0 {
		return nil, err
	}
	if len(links.found) > maxSubmodules {
		return nil, invalidSubmodule("the commit has more than %d submodules, and no more are brought: leave %s out, and fetch in ci.sh what it needs",
			maxSubmodules, contract.VarSubmodules)
	}
	said := &bounded{left: maxGitmodules}
	if err := g.run(ctx, said, "config", "--no-includes", "--blob", g.req.sha+":"+gitmodulesFile, "-z", "--list"); err != nil || said.left == 0 {
		return nil, invalidSubmodule("the commit has a submodule at %.200s, but its %s cannot be read: add it, or correct it", links.found[0].path, gitmodulesFile)
	}
	settings := parseGitmodules(string(said.kept))
	for i := range links.found {
		setting := settings[links.found[i].path]
		links.found[i].url, links.found[i].none = setting["url"], setting["update"] == "none"
	}
	return links.found, nil
}

// parseGitmodules reads what `git config -z --list` says of the file: its settings by the path of the submodule.
func parseGitmodules(listed string) map[string]map[string]string {
	byName, byPath := map[string]map[string]string{}, map[string]map[string]string{}
	for entry := range strings.SplitSeq(listed, "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		name, submodule := strings.CutPrefix(key, "submodule.")
		end := strings.LastIndexByte(name, '.')
		if !submodule || end < 0 {
			continue
		}
		name, setting := name[:end], name[end+1:]
		if byName[name] == nil {
			byName[name] = map[string]string{}
		}
		byName[name][setting] = value
	}
	for _, settings := range byName {
		byPath[strings.TrimSuffix(settings["path"], "/")] = settings
	}
	return byPath
}

// resolveSubmodule returns the address of a submodule from that of its repository and what .gitmodules says, which may be
// relative by git's rule: to the repository itself, as if that were a folder.
func resolveSubmodule(repository, said string) (*url.URL, error) {
	const advice = "write https://HOST/OWNER/NAME, or ../NAME for one beside this repository"
	if said == "" {
		return nil, invalidSubmodule("%s names no url for it: %s", gitmodulesFile, advice)
	}
	absolute := said
	if strings.HasPrefix(said, "./") || strings.HasPrefix(said, "../") {
		base, err := url.Parse(repository)
		if err != nil {
			return nil, err
		}
		place, inside := descend(strings.Split(strings.Trim(base.EscapedPath(), "/"), "/"), said)
		if !inside {
			return nil, invalidSubmodule("its url in %s is %.200q, which leads out of the host: %s", gitmodulesFile, said, advice)
		}
		absolute = originOf(base) + place
	}
	address, err := url.Parse(absolute)
	followed := err == nil && (address.Scheme == "https" || address.Scheme == "http")
	if err == nil && address.User != nil {
		said = address.Redacted()
	}
	switch {
	case followed && address.User != nil:
		return nil, invalidSubmodule("its url in %s holds credentials, which everybody can read there: remove them", gitmodulesFile)
	case !followed || address.Host == "" || address.RawQuery != "" || address.Fragment != "":
		return nil, invalidSubmodule("its url in %s is %.200q, and nothing but http and https is followed: %s", gitmodulesFile, said, advice)
	}
	return address, nil
}

// descend follows a relative path from a place, and tells whether that stays below the root.
func descend(place []string, relative string) (string, bool) {
	for part := range strings.SplitSeq(relative, "/") {
		switch {
		case part == "..":
			if len(place) == 0 {
				return "", false
			}
			place = place[:len(place)-1]
		case part != "" && part != ".":
			place = append(place, part)
		}
	}
	return strings.Join(place, "/"), len(place) > 0
}

// staysInside refuses a path that leaves the working tree by a symbolic link, or that is no folder of it.
func staysInside(tree, name string) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	if !filepath.IsLocal(name) || name == "." {
		return invalidSubmodule("its path leads out of the repository")
	}
	for part := name; part != "."; part = path.Dir(part) {
		info, err := root.Lstat(part)
		if err != nil {
			return err
		}
		if info.Mode().Type() != fs.ModeDir {
			return invalidSubmodule("%.200s is not a folder but %s, and a submodule is in folders alone", part, kind(info.Mode()))
		}
	}
	return nil
}

func invalidSubmodule(format string, args ...any) error {
	return &refusal{failure(contract.ClassConfig, contract.ReasonInvalidSubmodule, format, args...)}
}

// gitlinks picks the submodules out of what `git ls-tree -r -z` writes, of however many files.
type gitlinks struct {
	found []submodule
	rest  []byte // of a record that is not whole yet
}

var gitlink = regexp.MustCompile(`^160000 commit ([0-9a-f]{40})\t(?s:(.+))$`)

// Write implements io.Writer.
func (l *gitlinks) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		record, rest, whole := bytes.Cut(l.rest, []byte{0})
		if !whole {
			return len(p), nil
		}
		if match := gitlink.FindSubmatch(record); match != nil && len(l.found) <= maxSubmodules {
			l.found = append(l.found, submodule{sha: string(match[1]), path: string(match[2])})
		}
		l.rest = rest
	}
}

// bounded keeps what is written as far as there is room.
type bounded struct {
	kept []byte
	left int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	more := p[:min(len(p), b.left)]
	b.left -= len(more)
	b.kept = append(b.kept, more...)
	return len(p), nil
}
