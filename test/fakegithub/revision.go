package fakegithub

import (
	"errors"
	"path"
	"regexp"
	"strings"
)

var (
	shaPrefix = regexp.MustCompile(`^[0-9a-f]{4,40}$`)
	// notInRefs are the characters that git-check-ref-format(1) forbids; they would make a name an expression.
	notInRefs = " ~^:?*[\\\x7f"
)

func validRefName(name string) bool {
	if name == "" || strings.ContainsAny(name, notInRefs) || strings.Contains(name, "@{") || strings.Contains(name, "..") ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return name[0] != '-'
}

// branch returns the commit that a branch points to, or errMissing.
func (r *Repository) branch(name string) (object, error) {
	if !validRefName(name) {
		return object{}, errMissing
	}
	return r.objects.read("refs/heads/" + name)
}

// commit returns the commit that a sha (or the start of one), branch, tag or HEAD names, or errMissing.
func (r *Repository) commit(ref string) (object, error) {
	var candidates []string
	if shaPrefix.MatchString(ref) {
		candidates = append(candidates, ref)
	}
	if ref == "HEAD" {
		ref = r.snapshot().DefaultBranch
	}
	if validRefName(ref) {
		short := strings.TrimPrefix(ref, "refs/")
		candidates = append(candidates, "refs/heads/"+ref, "refs/tags/"+ref, "refs/"+short)
	}
	for _, candidate := range candidates {
		o, err := r.objects.read(candidate + "^{commit}")
		if !errors.Is(err, errMissing) {
			return o, err
		}
	}
	return object{}, errMissing
}

// empty tells whether the repository has no commits on its default branch and no ref was ever pushed.
func (r *Repository) empty() bool {
	if _, err := r.branch(r.snapshot().DefaultBranch); err == nil {
		return false
	}
	refs, err := r.server.git(r.dir, nil, "for-each-ref", "--count=1")
	return err == nil && refs == ""
}

// entry finds a path in a commit's tree, or errMissing. "" is the root.
func (r *Repository) entry(commit commitObject, at string) (treeEntry, error) {
	found := treeEntry{mode: modeTree, sha: commit.tree}
	if at == "" {
		return found, nil
	}
	for name := range strings.SplitSeq(at, "/") {
		if found.mode != modeTree {
			return treeEntry{}, errMissing
		}
		entries, err := r.tree(found.sha)
		if err != nil {
			return treeEntry{}, err
		}
		found = treeEntry{}
		for _, entry := range entries {
			if entry.name == name {
				found = entry
			}
		}
		if found.sha == "" {
			return treeEntry{}, errMissing
		}
	}
	return found, nil
}

func (r *Repository) tree(sha string) ([]treeEntry, error) {
	o, err := r.objects.read(sha)
	if err != nil {
		return nil, err
	}
	return parseTree(o.data)
}

// symlinkTarget follows a symlink at a path once; ok when it leads to a regular file in the repository.
func (r *Repository) symlinkTarget(commit commitObject, at string, link object) (target object, ok bool) {
	to := string(link.data)
	if path.IsAbs(to) {
		return object{}, false
	}
	entry, err := r.entry(commit, path.Join(path.Dir(at), to))
	if err != nil || !strings.HasPrefix(entry.mode, "100") {
		return object{}, false
	}
	target, err = r.objects.read(entry.sha)
	return target, err == nil
}
