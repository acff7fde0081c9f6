package diff

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/jsonfile"
	"katkit.dev/katkit/internal/domain/run"
)

// fromClone reads the file from a clone's objects; what is checked out does not matter.
func fromClone(dir string) Source {
	return func(ctx context.Context, link *v1alpha1.TenantRepoLink, sha string) (run.File, error) {
		clone := clone{dir: dir}
		if _, err := clone.git(ctx, "rev-parse", "--git-dir"); err != nil {
			return run.File{}, fmt.Errorf("--dir %s is not a clone that git can read: %w", dir, err)
		}
		if _, err := clone.git(ctx, "cat-file", "-e", sha+"^{commit}"); err != nil {
			return run.File{}, fmt.Errorf("the clone %s does not have commit %s: git fetch brings it, if it was pushed to %s", dir, sha, link.Spec.Repository)
		}
		return clone.file(ctx, run.DescriptionPath(link.Spec.Folder()), sha)
	}
}

// clone is a repository on this machine.
type clone struct{ dir string }

// file reads a file at a commit that the clone has. One that is not there is not an error.
func (c clone) file(ctx context.Context, path, sha string) (run.File, error) {
	entry, err := c.git(ctx, "ls-tree", "--full-tree", "-z", sha, "--", path)
	if err != nil {
		return run.File{}, fmt.Errorf("looking for %s at commit %s: %w", path, sha, err)
	}
	switch mode, _, _ := strings.Cut(string(entry), " "); mode {
	case "":
		return run.File{Path: path}, nil
	case "100644", "100755":
	default:
		return run.File{}, fmt.Errorf("%s is not a file at commit %s but a symbolic link, a folder or a submodule (mode %s): leave --dir out, or put a file there", path, sha, mode)
	}
	content, err := c.git(ctx, "show", "--no-ext-diff", "--no-textconv", "--end-of-options", sha+":"+path)
	if err != nil {
		return run.File{}, fmt.Errorf("reading %s at commit %s: %w", path, sha, err)
	}
	return run.File{Path: path, Found: true, Content: content}, nil
}

// git runs a command that only reads objects, with nothing that the clone's own configuration could start: no hooks, no
// pager, no monitor, no fetching of what a partial clone left out. Of the output at most one byte more than
// Katkit reads of a file is kept.
func (c clone) git(ctx context.Context, args ...string) ([]byte, error) {
	fixed := []string{"--no-pager", "--no-replace-objects", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-C", c.dir}
	cmd := exec.CommandContext(ctx, "git", append(fixed, args...)...)
	cmd.Env = environment()
	stdout, stderr := &bounded{room: jsonfile.MaxBytes + 1}, &bounded{room: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return nil, errors.New(diagnostic.Printable(strings.TrimSpace(string(stderr.kept)), 400))
	}
	if err != nil {
		return nil, err
	}
	return stdout.kept, nil
}

// environment is the user's without what points git at another repository, as the hooks of git have it.
func environment() []string {
	kept := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
	return append(kept, "LC_ALL=C", "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=")
}

// bounded is an io.Writer that keeps the first bytes that are written to it, and drops the rest.
type bounded struct {
	kept []byte
	room int
}

// Write never fails.
func (b *bounded) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), b.room-len(b.kept))]...)
	return len(p), nil
}
