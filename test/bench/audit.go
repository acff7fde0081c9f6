package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"katkit.dev/katkit/test/install"
)

// managerUser is who the manager is for the API server.
const managerUser = "system:serviceaccount:" + install.Namespace + ":katkit-manager"

// auditLog is the API server's audit log; nil where there is none.
type auditLog struct {
	file string
	// off ends what openAuditLog began; nil when the log was there already.
	off func(context.Context) error
}

// openAuditLog opens the given log. Without one the local cluster is told to write one, and no other cluster has any.
func openAuditLog(ctx context.Context, cluster *install.Cluster, file string) (*auditLog, error) {
	if file != "" {
		return &auditLog{file: file}, nil
	}
	if !cluster.Registry.Local {
		return nil, nil
	}
	folder, err := os.MkdirTemp("", "katkit-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the audit log: %w", err)
	}
	log := &auditLog{file: filepath.Join(folder, "audit.log")}
	log.off = func(ctx context.Context) error {
		if err := localkube(ctx, cluster, "up", "--audit-log", "off"); err != nil {
			return err
		}
		return os.RemoveAll(folder)
	}
	fmt.Fprintln(os.Stderr, "  the local cluster's API server restarts with an audit log")
	return log, localkube(ctx, cluster, "up", "--audit-log", log.file)
}

func localkube(ctx context.Context, cluster *install.Cluster, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"run", "-C", filepath.Join(cluster.Root, "hack", "localkube"), "."}, args)...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("localkube %v: %w\n%s", args, err, output)
	}
	return nil
}

func (l *auditLog) close(ctx context.Context) error {
	if l == nil || l.off == nil {
		return nil
	}
	return l.off(ctx)
}

// position is the end of the log, for writesSince.
func (l *auditLog) position() (int64, error) {
	if l == nil {
		return 0, nil
	}
	info, err := os.Stat(l.file)
	if err != nil {
		return 0, fmt.Errorf("reading the audit log: %w", err)
	}
	return info.Size(), nil
}

// writesSince counts the manager's writes in a namespace from a position of the log on; nil without a log.
func (l *auditLog) writesSince(position int64, namespace string) (*writes, error) {
	if l == nil {
		return nil, nil
	}
	file, err := os.Open(l.file)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(position, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return countWrites(file, namespace)
}

// writes are requests that change something, refused ones included.
type writes struct {
	// byKind counts those that are no events, as "verb resource".
	byKind map[string]int
	events int
	// refused is how many of all were answered with an error, such as a conflict.
	refused int
}

func (w *writes) total() int {
	sum := 0
	for _, count := range w.byKind {
		sum += count
	}
	return sum
}

// auditEvent is what is read of a line of the log (audit.k8s.io/v1).
type auditEvent struct {
	Stage     string `json:"stage"`
	Verb      string `json:"verb"`
	User      struct{ Username string }
	ObjectRef struct{ Resource, Subresource, Namespace string }
	Response  struct{ Code int } `json:"responseStatus"`
}

// countWrites reads an audit log.
func countWrites(log io.Reader, namespace string) (*writes, error) {
	w := &writes{byKind: map[string]int{}}
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return w, nil // what comes after the last line end is being written
		}
		if err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if !bytes.Contains(line, []byte(managerUser)) {
			continue
		}
		var event auditEvent
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if event.User.Username == managerUser && event.ObjectRef.Namespace == namespace {
			w.add(event)
		}
	}
}

func (w *writes) add(event auditEvent) {
	if event.Stage != "ResponseComplete" {
		return
	}
	switch event.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
	default:
		return
	}
	if event.Response.Code >= 400 {
		w.refused++
	}
	resource := event.ObjectRef.Resource
	if resource == "events" {
		w.events++
		return
	}
	if event.ObjectRef.Subresource != "" {
		resource += "/" + event.ObjectRef.Subresource
	}
	w.byKind[event.Verb+" "+resource]++
}
