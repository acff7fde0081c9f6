package build

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// maxErrorLines is how much of the compiler's output an error shows.
const maxErrorLines = 20

// goBuild runs `go build` with the flags and packages in args, into dir, and shows how far it is.
func (b *Builder) goBuild(ctx context.Context, dir string, args []string, what string) error {
	c := &counter{}
	done := b.Out.Start("build of "+what, c.status)
	err := b.runGo(ctx, c, append([]string{"list", "-deps", "-f", listFormat}, args...), c.countStale)
	if err == nil {
		err = b.runGo(ctx, c, append([]string{"build", "-v", "-o", dir + string(filepath.Separator)}, args...), nil)
	}
	if err != nil {
		done("failed")
		return err
	}
	done(fmt.Sprintf("done, %d packages compiled", c.compiled))
	return nil
}

// listFormat prints a line a package that has yet to be compiled. One whose result is in Go's own cache
// is stale to `go list` too, but says so.
const listFormat = `{{if .Stale}}{{.StaleReason}}{{end}}`

const cachedReason = "not installed but available in build cache"

// runGo runs the go command in the source folder; its standard output goes to `lines`, its standard error to the counter.
func (b *Builder) runGo(ctx context.Context, c *counter, args []string, lines func(io.Reader)) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.Source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: is Go installed and in PATH?", err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { c.watch(stderr) })
	if lines != nil {
		reading.Go(func() { lines(stdout) })
	}
	reading.Wait()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, c.errorLines())
	}
	return nil
}

// counter follows a build by what the go command prints.
type counter struct {
	mu         sync.Mutex
	downloaded int
	compiled   int
	total      int
	counted    bool // total is known
	other      []string
}

// watch reads standard error: a line a module that is downloaded, a line a package that is compiled
// (its import path alone), and error messages.
func (c *counter) watch(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		c.line(lines.Text())
	}
}

func (c *counter) line(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		c.downloaded++
	case line != "" && !strings.ContainsAny(line, " \t:#"):
		c.compiled++
	case line != "":
		c.other = append(c.other, line)
	}
}

func (c *counter) countStale(r io.Reader) {
	n := 0
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if line := lines.Text(); line != "" && line != cachedReason {
			n++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total, c.counted = n, true
}

func (c *counter) status() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.counted && c.downloaded > 0:
		return fmt.Sprintf("%d modules downloaded", c.downloaded)
	case !c.counted:
		return "looking up packages"
	case c.compiled >= c.total:
		return fmt.Sprintf("%d packages compiled, linking", c.compiled)
	default:
		return fmt.Sprintf("%d of %d packages", c.compiled, c.total)
	}
}

func (c *counter) errorLines() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.other[:min(len(c.other), maxErrorLines)], "\n")
}
