package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// Network trouble is tried again after these waits, but not once retryWithin has passed since the first attempt began.
var retryWaits = []time.Duration{time.Second, 4 * time.Second}

const retryWithin = 20 * time.Second

// gitError is what git said when it failed.
type gitError struct{ stderr string }

func (e *gitError) Error() string { return "git: " + lastWords(e.stderr) }

// refusal is a failure whose report is known.
type refusal struct{ report contract.Report }

func (r *refusal) Error() string { return r.report.Message }

// repository runs the git of the agent image on one working tree.
type repository struct {
	dir string
	req request
	env []string
	log *logWriter
}

func gitIn(dir string, req request, log *logWriter) *repository {
	return &repository{dir: dir, req: req, env: gitEnvironment(req), log: log}
}

// bring makes the working tree that was asked for.
func (g *repository) bring(ctx context.Context) error {
	if g.req.options.LFS {
		if err := findLFS(); err != nil {
			return err
		}
	}
	if err := g.fetch(ctx); err != nil {
		return err
	}
	if err := g.checkout(ctx); err != nil {
		return err
	}
	if !g.req.options.Submodules {
		return nil
	}
	return g.bringSubmodules(ctx, 1)
}

// fetch brings exactly the commit, without submodules or any ref of the server's; history and tags only as far as asked for.
func (g *repository) fetch(ctx context.Context) error {
	start := time.Now()
	history := []string{"--no-tags", "--depth=" + strconv.Itoa(g.req.options.Depth)}
	if g.req.options.Depth == 0 {
		history = []string{"--tags"}
	}
	args := slices.Concat([]string{"fetch", "--quiet"}, history, []string{"--no-recurse-submodules", "--no-auto-maintenance",
		"--no-write-commit-graph", "--end-of-options", "origin", g.req.sha})
	for attempt := 0; ; attempt++ {
		err := g.run(ctx, io.Discard, args...)
		if err == nil || ctx.Err() != nil || attempt == len(retryWaits) || time.Since(start) > retryWithin ||
			explain(err, g.req).Class != contract.ClassInfra {
			return err
		}
		g.log.say("%v; trying again in %s", err, retryWaits[attempt])
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryWaits[attempt]):
		}
	}
}

// checkout fills the working tree, with HEAD detached at the commit.
func (g *repository) checkout(ctx context.Context) error {
	if err := g.run(ctx, io.Discard, "checkout", "--quiet", "--force", "--no-recurse-submodules", "--detach", g.req.sha); err != nil {
		return err
	}
	head, err := os.ReadFile(filepath.Join(g.dir, ".git", "HEAD"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(head)) != g.req.sha {
		return &gitError{stderr: "fatal: reference is not a commit: " + g.req.sha} // an annotated tag, say
	}
	return nil
}

func (g *repository) run(ctx context.Context, stdout io.Writer, args ...string) error {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.dir, g.env, stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	said := g.redact(stderr.String())
	for line := range strings.Lines(said) {
		g.log.say("git: %s", strings.TrimRight(line, "\r\n"))
	}
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return &gitError{stderr: said}
	}
	return err
}

// query is that of an address, which of a pre-signed one is as good as a password.
var query = regexp.MustCompile(`(https?://[^\s?"'<>]+)\?[^\s"'<>]*`)

func (g *repository) redact(s string) string {
	s = query.ReplaceAllString(s, "$1?***")
	if g.req.token == "" {
		return s
	}
	return strings.NewReplacer(g.req.token, "***", basicAuth(g.req.token), "***").Replace(s)
}

// basicAuth is how GitHub takes the token of an app or a person over git's HTTP.
func basicAuth(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
}

// passedOn are the variables of the Pod that git may see: the way out of the cluster and whom to trust.
var passedOn = []string{
	"PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
}

// gitEnvironment is all that git gets to know. The token goes here, as a header for the repository's own host, whatever other
// hosts are asked, and not into an argument or a file; redirects are refused since git would send the header along.
func gitEnvironment(req request) []string {
	env := []string{
		"HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=",
	}
	for _, name := range passedOn {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if req.roots != "" { // the last one counts
		env = append(env, "GIT_SSL_CAINFO="+req.roots)
	}
	config := [][2]string{
		{"protocol.allow", "never"}, {"protocol.http.allow", "always"}, {"protocol.https.allow", "always"},
		{"http.followRedirects", "false"}, {"http.lowSpeedLimit", "1"}, {"http.lowSpeedTime", "60"},
		{"credential.helper", ""}, {"core.hooksPath", "/dev/null"}, {"core.fsmonitor", "false"}, {"core.askPass", ""},
		{"gc.auto", "0"}, {"advice.detachedHead", "false"}, {"submodule.recurse", "false"}, {"core.attributesFile", "/dev/null"},
	}
	if req.token != "" {
		config = append(config, [2]string{"http." + req.origin + ".extraHeader", "Authorization: Basic " + basicAuth(req.token)})
	}
	if req.options.LFS {
		config = append(config, lfsConfig(req)...)
	}
	for i, c := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, c[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, c[1]))
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
}

// causes are git's own words (of git 2.39 to 2.5x with LC_ALL=C) and what they mean for the user. The first fit counts.
var causes = []struct {
	words  *regexp.Regexp
	reason contract.Reason
	class  contract.Class
	advice string // formatted with the sha, the URL, git's words, and where the URL is named
}{
	{regexp.MustCompile(`not our ref|couldn't find remote ref|unadvertised object|not a tree|non-commit|not a commit|no such remote ref`),
		contract.ReasonCommitNotFound, contract.ClassConfig,
		"commit %[1]s is not in %[2]s: check the sha, and that it was pushed there"},
	{regexp.MustCompile(`Error downloading object: .* Object does not exist`),
		contract.ReasonCheckoutFailed, contract.ClassConfig,
		"a file of commit %[1]s is not on the Git LFS server of %[2]s: push it there with git lfs push --all"},
	{regexp.MustCompile(`could not read (Username|Password)|Authentication (failed|required)|returned error: (401|403)|HTTP 40[13]`),
		contract.ReasonAuthenticationFailed, contract.ClassConfig,
		"%[2]s refused access: check that the token in the link's secret is there, valid, and may read the repository's contents"},
	{regexp.MustCompile(`repository '.*' not found|Repository not found|returned error: (404|410)`),
		contract.ReasonRepositoryNotFound, contract.ClassConfig,
		"there is no repository %[2]s, or the token may not see it: check its name in %[4]s, and the token's access"},
	{regexp.MustCompile(`invalid path '`),
		contract.ReasonCheckoutFailed, contract.ClassConfig,
		"commit %[1]s of %[2]s has a path that git refuses to write, since it leads out of the working tree: remove it from the commit"},
	{regexp.MustCompile(`certificate verif|SSL certificate problem`),
		contract.ReasonCheckoutFailed, contract.ClassConfig,
		"the certificate of %[2]s is not trusted: a cluster admin gives the manager the host's CA with --github-ca-file"},
	{regexp.MustCompile(`returned error: 30\d|unable to update url base from redirection`),
		contract.ReasonRepositoryNotFound, contract.ClassConfig,
		"%[2]s has moved: put the repository's new name into %[4]s (redirects are not followed, for the token's sake)"},
}

// explain says what a failed git means: who can do something about it, and what.
func explain(err error, req request) contract.Report {
	if known, ok := errors.AsType[*refusal](err); ok {
		return known.report
	}
	var failed *gitError
	if !errors.As(err, &failed) {
		return agentFailed("run git: %v", err)
	}
	for _, c := range causes {
		if c.words.MatchString(failed.stderr) {
			return failure(c.class, c.reason, c.advice+" (git: %[3]s)", req.sha, req.url, lastWords(failed.stderr), req.named)
		}
	}
	return failure(contract.ClassInfra, contract.ReasonCheckoutFailed, "fetching %s of %s failed (git: %s)",
		req.sha, req.url, lastWords(failed.stderr))
}

// lastWords are the lines of git's error output that tell most, in one line.
func lastWords(stderr string) string {
	var said []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fatal:") || strings.HasPrefix(line, "error:") || strings.HasPrefix(line, "remote:") ||
			strings.HasPrefix(line, "Error downloading object:") || strings.HasPrefix(line, "batch response:") {
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		said = []string{strings.TrimSpace(stderr)}
	}
	words := strings.Join(said, "; ")
	return words[:min(len(words), 400)]
}
