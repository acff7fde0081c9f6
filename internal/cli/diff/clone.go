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
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/run"
)

// cloned is a commit in a repository on this machine. It is read from the objects; what is checked out does not matter.
type cloned struct {
	dir  string
	link *v1alpha1.TenantRepoLink
	sha  string
}

// openClone makes sure that the commit is there.
func openClone(ctx context.Context, dir string, link *v1alpha1.TenantRepoLink, sha string) (Commit, error) {
	c := cloned{dir, link, sha}
	if _, err := c.git(ctx, "rev-parse", "--git-dir"); err != nil {
		return nil, fmt.Errorf("--dir %s is not a clone that git can read: %w", dir, err)
	}
	if !c.has(ctx, sha) {
		return nil, fmt.Errorf("the clone %s does not have commit %s: git fetch brings it, if it was pushed to %s", dir, sha, link.Spec.Repository)
	}
	return c, nil
}

func (c cloned) has(ctx context.Context, sha string) bool {
	_, err := c.git(ctx, "cat-file", "-e", sha+"^{commit}")
	return err == nil
}

// File implements Commit.
func (c cloned) File(ctx context.Context) (run.File, error) {
	path := run.DescriptionPath(c.link.Spec.Folder())
	entry, err := c.git(ctx, "ls-tree", "--full-tree", "-z", c.sha, "--", path)
	if err != nil {
		return run.File{}, fmt.Errorf("looking for %s at commit %s: %w", path, c.sha, err)
	}
	switch mode, _, _ := strings.Cut(string(entry), " "); mode {
	case "":
		return run.File{Path: path}, nil
	case "100644", "100755":
	default:
		return run.File{}, fmt.Errorf("%s is not a file at commit %s but a symbolic link, a folder or a submodule (mode %s): leave --dir out, or put a file there", path, c.sha, mode)
	}
	content, err := c.git(ctx, "show", "--no-ext-diff", "--no-textconv", "--end-of-options", c.sha+":"+path)
	if err != nil {
		return run.File{}, fmt.Errorf("reading %s at commit %s: %w", path, c.sha, err)
	}
	return run.File{Path: path, Found: true, Content: content}, nil
}

// Older implements Commit. A commit that the clone does not have may come after this one, which is told.
func (c cloned) Older(ctx context.Context, receipts []v1alpha1.Receipt) (string, error) {
	for _, receipt := range receipts {
		if !c.has(ctx, receipt.PreviousSHA) {
			return fmt.Sprintf("%s %s runs commit %s, which the clone does not have: a run would refuse %s if it is the older one",
				receipt.Kind, receipt.Name, receipt.PreviousSHA, c.sha), nil
		}
		common, err := c.git(ctx, "merge-base", c.sha, receipt.PreviousSHA)
		if err == nil && strings.TrimSpace(string(common)) == c.sha {
			return "a run would refuse this commit: " + rollout.OlderCommit(receipt, c.sha).Message, nil
		}
	}
	return "", nil
}

// git runs a command that only reads objects, with nothing that the clone's own configuration could start: no hooks, no
// pager, no monitor, no fetching of what a partial clone left out. Of the output at most one byte more than
// Katkit reads of a file is kept.
func (c cloned) git(ctx context.Context, args ...string) ([]byte, error) {
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
