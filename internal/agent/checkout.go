package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// checkoutLimit bounds the whole checkout, retries included.
const checkoutLimit = 30 * time.Minute

// request is one commit of one repository, checked.
type request struct {
	url     string // http or https, without credentials
	named   string // where a person names that
	sha     string // 40 hexadecimal digits
	token   string // "" for a public repository
	origin  string // scheme and host that the token is for, such as https://github.com/
	roots   string // file of certificates to trust; "" for git's own
	fork    bool   // a stranger may have written the commit
	options contract.CheckoutOptions
}

// checkout fetches the commit that the Pod's variables name into paths.Source and leaves its word for exec.
func checkout(paths Paths, log *logWriter) contract.Report {
	// The builder image may run as any user, and ci.sh writes beside its sources.
	syscall.Umask(0)
	alive, err := holdAlive(paths.Control)
	if err != nil {
		return agentFailed("prepare the shared folder %s: %v", paths.Control, err)
	}
	defer alive.Close()

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	start := time.Now()
	r := fetch(ctx, paths, log)
	r.StartTime, r.FinishTime = start, time.Now()
	if r.Succeeded() {
		log.say("%s in %s", strings.ToLower(r.Message[:1])+r.Message[1:], r.FinishTime.Sub(start).Round(time.Millisecond))
	} else {
		log.say("checkout failed: %s", r.Message)
	}
	if err := leaveWord(paths.Control, r); err != nil {
		return agentFailed("leave word for the container %s: %v", contract.BuildContainer, err)
	}
	return r
}

func fetch(ctx context.Context, paths Paths, log *logWriter) contract.Report {
	req, err := readRequest(paths.Token)
	if err != nil {
		return failure(contract.ClassConfig, contract.ReasonInvalidRequest, "%v", err)
	}
	roots, remove, err := writeRoots(paths.Control, os.Getenv(contract.VarCABundle))
	if err != nil {
		return agentFailed("%v", err)
	}
	defer remove()
	req.roots = roots
	if err := makeRepository(paths.Source, req.url); err != nil {
		return agentFailed("make the repository in %s: %v", paths.Source, err)
	}
	limited, cancel := context.WithTimeout(ctx, checkoutLimit)
	defer cancel()
	err = gitIn(paths.Source, req, log).bring(limited)
	switch {
	case err == nil:
		return contract.Report{Reason: contract.ReasonCompleted, Message: fmt.Sprintf("Checked out %s of %s", req.sha, req.url)}
	case ctx.Err() != nil:
		return failure(contract.ClassInfra, contract.ReasonTerminated, "told to stop before the checkout was done")
	case limited.Err() != nil:
		return failure(contract.ClassInfra, contract.ReasonCheckoutFailed, "%s was not fetched within %s", req.url, checkoutLimit)
	}
	return explain(err, req)
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// readRequest takes the commit from the environment and the token from its file, and trusts neither.
func readRequest(tokenFile string) (request, error) {
	req := request{named: "the link", sha: os.Getenv(contract.VarGitSHA)}
	if !fullSHA.MatchString(req.sha) {
		return req, fmt.Errorf("variable %s is %.60q: it has to be a full commit sha, 40 hexadecimal digits in lower case",
			contract.VarGitSHA, req.sha)
	}
	raw := os.Getenv(contract.VarRepoURL)
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return req, fmt.Errorf("variable %s is not a URL", contract.VarRepoURL)
	case u.User != nil:
		return req, fmt.Errorf("variable %s holds credentials: they belong into the secret of the link", contract.VarRepoURL)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return req, fmt.Errorf("variable %s is %.200q: it has to be like https://host/owner/name", contract.VarRepoURL, raw)
	}
	req.url, req.origin = u.String(), originOf(u)
	req.fork = os.Getenv(contract.VarFork) == "true"
	if req.options, err = contract.ParseCheckoutOptions(os.Getenv); err != nil {
		return req, err
	}

	token, err := os.ReadFile(tokenFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return req, fmt.Errorf("read the clone token: %w", err)
	}
	req.token = strings.TrimSpace(string(token))
	if strings.ContainsFunc(req.token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return req, fmt.Errorf("the token in the secret of the link has characters that no token has: store it anew, without line ends or quotes")
	}
	return req, nil
}

// originOf is the beginning of all URLs of a server.
func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host + "/" }

// makeRepository writes what `git init` and `git remote add` would, two processes less.
func makeRepository(dir, url string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, ".git", sub), 0o777); err != nil {
			return err
		}
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(url)
	for name, content := range map[string]string{
		"HEAD": "ref: refs/heads/main\n",
		"config": "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n" +
			"[remote \"origin\"]\n\turl = \"" + quoted + "\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, ".git", name), []byte(content), 0o666); err != nil {
			return err
		}
	}
	return nil
}
