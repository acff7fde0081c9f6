package fakegithub

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The types of an activity that the stand-in records. It merges nothing, so that pr_merge and merge_queue_merge are missing.
const (
	activityPush     = "push"
	activityForce    = "force_push"
	activityCreation = "branch_creation"
	activityDeletion = "branch_deletion"
)

// noSHA stands for the commit of a branch that is not there.
var noSHA = strings.Repeat("0", 40)

// activity is one change of a branch.
type activity struct {
	ID     int64     `json:"id"`
	Type   string    `json:"type"`
	By     string    `json:"by"`
	Ref    string    `json:"ref"` // refs/heads/...
	Before string    `json:"before"`
	After  string    `json:"after"`
	Time   time.Time `json:"time"`
}

// branchesMoved records what became of the branches since it was last called; r.write is held.
func (r *Repository) branchesMoved(by string) error {
	listed, err := r.server.git(r.dir, nil, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
	if err != nil {
		return err
	}
	now := map[string]string{}
	for line := range strings.Lines(listed) {
		ref, sha, _ := strings.Cut(strings.TrimSpace(line), " ")
		now[ref] = sha
	}
	before := map[string]string{}
	for _, known := range r.snapshot().Activities {
		if before[known.Ref] = known.After; known.After == noSHA {
			delete(before, known.Ref)
		}
	}
	var changed []activity
	refs := maps.Clone(now)
	maps.Copy(refs, before)
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		if before[ref] != now[ref] {
			changed = append(changed, r.activityOf(ref, before[ref], now[ref], by))
		}
	}
	if len(changed) == 0 {
		return nil
	}
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for _, one := range changed {
		one.ID = r.state.ID*1_000_000 + int64(len(r.state.Activities)) + 1
		r.state.Activities = append(r.state.Activities, one)
	}
	return r.server.save()
}

// activityOf is the change of a branch from a commit to another; empty: there is none.
func (r *Repository) activityOf(ref, before, after, by string) activity {
	change := activity{Type: activityPush, By: by, Ref: ref, Before: before, After: after, Time: r.server.now().UTC()}
	switch {
	case before == "":
		change.Type, change.Before = activityCreation, noSHA
	case after == "":
		change.Type, change.After = activityDeletion, noSHA
	default:
		if _, err := r.server.git(r.dir, nil, "merge-base", "--is-ancestor", before, after); err != nil {
			change.Type = activityForce
		}
	}
	return change
}

// DeleteBranch deletes a branch, as somebody of a login.
func (r *Repository) DeleteBranch(branch, login string) error {
	if _, err := r.Head(branch); err != nil {
		return err
	}
	r.write.Lock()
	defer r.write.Unlock()
	if _, err := r.server.git(r.dir, nil, "update-ref", "-d", "refs/heads/"+branch); err != nil {
		return err
	}
	return r.branchesMoved(login)
}
