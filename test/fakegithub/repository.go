package fakegithub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// gitTimeout bounds each git process that isn't serving a client.
const gitTimeout = time.Minute

// Repository is one repository of a [Server].
type Repository struct {
	server  *Server
	dir     string
	objects *objectReader
	write   sync.Mutex       // one writer at a time
	state   storedRepository // guarded by server.mu
}

// File is one file of a [Commit].
type File struct {
	Content    []byte `json:"content"`
	Executable bool   `json:"executable,omitempty"`
	// Symlink: Content is the path that it points to.
	Symlink bool `json:"symlink,omitempty"`
	// Large: Content is kept by Git LFS, and the commit has its pointer.
	Large bool `json:"large,omitempty"`
	// Submodule is the sha of another repository's commit, in place of a file.
	Submodule string `json:"submodule,omitempty"`
}

// Commit says what a new commit holds.
type Commit struct {
	// Branch it is added to; empty: the default branch. A new branch starts at From.
	Branch string `json:"branch,omitempty"`
	// From is the branch or sha that a new branch starts at; empty: the default branch, if it has commits.
	From string `json:"from,omitempty"`
	// Force: a branch that is there starts at From, too, as after a push by force.
	Force   bool   `json:"force,omitempty"`
	Message string `json:"message"`
	// Author is a login; empty: "octocat".
	Author string `json:"author,omitempty"`
	// Files are added or replaced, by path.
	Files map[string]File `json:"files,omitempty"`
	// Delete are paths of files or directories to remove.
	Delete []string `json:"delete,omitempty"`
	// Replace: nothing but Files stays.
	Replace bool `json:"replace,omitempty"`
}

// Text makes a File of text; a shell script (by its #!) is executable.
func Text(content string) File {
	return File{Content: []byte(content), Executable: strings.HasPrefix(content, "#!")}
}

// Texts makes Files of texts by path.
func Texts(contents map[string]string) map[string]File {
	files := make(map[string]File, len(contents))
	for path, content := range contents {
		files[path] = Text(content)
	}
	return files
}

// FilesOf reads all regular files of a file system, such as os.DirFS(folder). A file is executable
// when the file system says so or when it starts with #!. Folders named .git are left out.
func FilesOf(fsys fs.FS) (map[string]File, error) {
	files := map[string]File{}
	err := fs.WalkDir(fsys, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == ".git" {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files[path] = File{Content: content, Executable: info.Mode()&0o111 != 0 || bytes.HasPrefix(content, []byte("#!"))}
		return nil
	})
	return files, err
}

// Name returns the present owner/name.
func (r *Repository) Name() string { return r.snapshot().Name }

// Head returns the sha of a branch; an error when there is no such branch.
func (r *Repository) Head(branch string) (string, error) {
	o, err := r.branch(branch)
	if err != nil {
		return "", fmt.Errorf("repository %s, branch %s: %w", r.Name(), branch, err)
	}
	return o.sha, nil
}

// Commit adds a commit and returns its sha. Pull requests from the branch follow it.
func (r *Repository) Commit(commit Commit) (sha string, err error) {
	if commit.Branch == "" {
		commit.Branch = r.snapshot().DefaultBranch
	}
	if !validRefName(commit.Branch) {
		return "", fmt.Errorf("repository %s: %q is not a branch name", r.Name(), commit.Branch)
	}
	if commit.Author == "" {
		commit.Author = "octocat"
	}
	if commit, err = r.keepLarge(commit); err != nil {
		return "", fmt.Errorf("repository %s: %w", r.Name(), err)
	}
	r.write.Lock()
	defer r.write.Unlock()
	from, err := r.startOf(commit)
	if err != nil {
		return "", err
	}
	if _, err := r.server.git(r.dir, fastImport(commit, from, r.server.now()), "fast-import", "--quiet", "--force"); err != nil {
		return "", fmt.Errorf("repository %s: commit to %s: %w", r.Name(), commit.Branch, err)
	}
	if sha, err = r.Head(commit.Branch); err != nil {
		return "", err
	}
	if err := r.branchesMoved(commit.Author); err != nil {
		return "", err
	}
	return sha, r.server.headsMoved(r)
}

// FastForward moves a branch to a commit that the repository has, as that of a pull request which is merged so.
func (r *Repository) FastForward(branch, sha, login string) error {
	r.write.Lock()
	defer r.write.Unlock()
	if _, err := r.server.git(r.dir, nil, "merge-base", "--is-ancestor", "refs/heads/"+branch, sha); err != nil {
		return fmt.Errorf("repository %s: %s does not come from branch %s: %w", r.Name(), sha, branch, err)
	}
	if _, err := r.server.git(r.dir, nil, "update-ref", "refs/heads/"+branch, sha); err != nil {
		return err
	}
	if err := r.branchesMoved(login); err != nil {
		return err
	}
	return r.server.headsMoved(r)
}

// startOf is the parent of a new commit; "" when it is the first one.
func (r *Repository) startOf(commit Commit) (string, error) {
	if tip, err := r.branch(commit.Branch); err == nil && !commit.Force {
		return tip.sha, nil
	}
	if commit.From == "" {
		tip, err := r.branch(r.snapshot().DefaultBranch)
		if errors.Is(err, errMissing) {
			return "", nil
		}
		return tip.sha, err
	}
	start, err := r.commit(commit.From)
	if err != nil {
		return "", fmt.Errorf("repository %s: branch from %s: %w", r.Name(), commit.From, err)
	}
	return start.sha, nil
}

// fastImport writes the commit in the language of git-fast-import(1).
func fastImport(commit Commit, from string, now time.Time) io.Reader {
	var script bytes.Buffer
	who := fmt.Sprintf("%s <%s%s> %d +0000", commit.Author, commit.Author, noReply, now.Unix())
	fmt.Fprintf(&script, "commit refs/heads/%s\nauthor %s\ncommitter %s\n", commit.Branch, who, who)
	fmt.Fprintf(&script, "data %d\n%s\n", len(commit.Message), commit.Message)
	if from != "" {
		fmt.Fprintf(&script, "from %s\n", from)
	}
	if commit.Replace {
		script.WriteString("deleteall\n")
	}
	for _, path := range commit.Delete {
		fmt.Fprintf(&script, "D %s\n", quotePath(path))
	}
	paths := make([]string, 0, len(commit.Files))
	for path := range commit.Files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		file, mode := commit.Files[path], "100644"
		if file.Executable {
			mode = "100755"
		}
		if file.Symlink {
			mode = modeSymlink
		}
		if file.Submodule != "" {
			fmt.Fprintf(&script, "M 160000 %s %s\n", file.Submodule, quotePath(path))
			continue
		}
		fmt.Fprintf(&script, "M %s inline %s\ndata %d\n", mode, quotePath(path), len(file.Content))
		script.Write(file.Content)
		script.WriteByte('\n')
	}
	return &script
}

func quotePath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// init makes the bare repository, set up as GitHub serves its own.
func (r *Repository) init() error {
	if _, err := r.server.git(r.server.options.Dir, nil, "init", "--quiet", "--bare",
		"--initial-branch="+r.snapshot().DefaultBranch, r.dir); err != nil {
		return err
	}
	config, err := os.OpenFile(filepath.Join(r.dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer config.Close()
	_, err = config.WriteString("[http]\n\treceivepack = true\n[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n" +
		"[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n")
	return err
}

// snapshot copies what is known beside git.
func (r *Repository) snapshot() storedRepository {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	state := r.state
	state.Pulls, state.Activities = slices.Clone(state.Pulls), slices.Clone(state.Activities)
	state.Sent = state.clone()
	return state
}

// git runs git in a repository and returns its standard output.
func (s *Server) git(dir string, stdin io.Reader, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, s.gitEnv(), stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// gitEnv keeps the machine's and the user's configuration of git out.
func (s *Server) gitEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.options.Dir, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull}
}
