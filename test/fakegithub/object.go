package fakegithub

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errMissing: git has no such object.
var errMissing = errors.New("no such object")

// object is what git stores under a sha.
type object struct {
	sha, kind string
	data      []byte
}

// objectReader reads objects of one repository through one long-lived git process, which costs a
// fraction of a process each. It sees refs and objects that were added since it started.
type objectReader struct {
	dir string
	env []string

	mu    sync.Mutex
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	known map[string]object // small objects by their full sha, which never change
}

const (
	maxKnownObjects     = 1024
	maxKnownObjectBytes = 64 << 10
)

// immutableRevision always names the same object.
var immutableRevision = regexp.MustCompile(`^[0-9a-f]{40}(\^\{commit\})?$`)

// read returns the object that a revision names, or errMissing. Its data must not be changed.
func (r *objectReader) read(revision string) (object, error) {
	if revision == "" || strings.ContainsAny(revision, "\n\r") {
		return object{}, errMissing
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, ok := r.known[revision]; ok {
		return o, nil
	}
	o, err := r.ask(revision)
	if err != nil && !errors.Is(err, errMissing) {
		// The process may have been killed; a new one is as good.
		r.stop()
		o, err = r.ask(revision)
	}
	if err == nil && len(o.data) <= maxKnownObjectBytes && immutableRevision.MatchString(revision) {
		if r.known == nil || len(r.known) >= maxKnownObjects {
			r.known = map[string]object{}
		}
		r.known[revision] = o
	}
	return o, err
}

func (r *objectReader) ask(revision string) (object, error) {
	if r.cmd == nil {
		if err := r.start(); err != nil {
			return object{}, err
		}
	}
	if _, err := io.WriteString(r.in, revision+"\n"); err != nil {
		return object{}, err
	}
	line, err := r.out.ReadString('\n')
	if err != nil {
		return object{}, err
	}
	fields := strings.Fields(line)
	if last := fields[len(fields)-1]; last == "missing" || last == "ambiguous" {
		return object{}, errMissing
	}
	if len(fields) != 3 {
		return object{}, fmt.Errorf("git cat-file: unexpected line %q", line)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return object{}, err
	}
	data := make([]byte, size+1) // a line feed follows the object
	if _, err := io.ReadFull(r.out, data); err != nil {
		return object{}, err
	}
	return object{sha: fields[0], kind: fields[1], data: data[:size]}, nil
}

func (r *objectReader) start() (err error) {
	cmd := exec.Command("git", "--git-dir", r.dir, "cat-file", "--batch")
	cmd.Env = r.env
	if r.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.cmd, r.out = cmd, bufio.NewReader(out)
	return nil
}

func (r *objectReader) stop() {
	if r.cmd == nil {
		return
	}
	r.in.Close()
	_ = r.cmd.Process.Kill() // it may have ended already
	_ = r.cmd.Wait()         // and says that it was killed
	r.cmd = nil
}

func (r *objectReader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
}

// treeEntry is one line of a directory.
type treeEntry struct{ mode, name, sha string }

const (
	modeTree      = "40000"
	modeSymlink   = "120000"
	modeSubmodule = "160000"
)

func parseTree(data []byte) ([]treeEntry, error) {
	var entries []treeEntry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, ok2 := strings.Cut(string(head), " ")
		if !ok || !ok2 || len(rest) < 20 {
			return nil, errors.New("broken tree object")
		}
		entries = append(entries, treeEntry{mode: mode, name: name, sha: hex.EncodeToString(rest[:20])})
		data = rest[20:]
	}
	return entries, nil
}

// signature is the author or committer of a commit.
type signature struct {
	name, email string
	time        time.Time
}

// commitObject is a parsed commit.
type commitObject struct {
	sha, tree         string
	parents           []string
	author, committer signature
	message           string
}

func parseCommit(o object) commitObject {
	c := commitObject{sha: o.sha}
	head, message, _ := strings.Cut(string(o.data), "\n\n")
	c.message = strings.TrimSuffix(message, "\n")
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = parseSignature(value)
		case "committer":
			c.committer = parseSignature(value)
		}
	}
	return c
}

// parseSignature reads "Name <email> seconds zone".
func parseSignature(text string) signature {
	name, rest, _ := strings.Cut(text, " <")
	email, when, _ := strings.Cut(rest, "> ")
	seconds, _, _ := strings.Cut(when, " ")
	at, _ := strconv.ParseInt(seconds, 10, 64)
	return signature{name: name, email: email, time: time.Unix(at, 0).UTC()}
}
