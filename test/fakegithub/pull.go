package fakegithub

import (
	"fmt"
	"slices"
	"time"
)

// PullRequest says what a new pull request asks for.
type PullRequest struct {
	Title string `json:"title"`
	// Author is a login; empty: "octocat".
	Author string `json:"author,omitempty"`
	// Head is the branch to merge, HeadRepository the owner/name it is in; empty: this repository.
	Head           string `json:"head"`
	HeadRepository string `json:"headRepository,omitempty"`
	// Base is the branch to merge into; empty: the default branch.
	Base  string `json:"base,omitempty"`
	Draft bool   `json:"draft,omitempty"`
}

// pull is a pull request as it is kept.
type pull struct {
	Number   int        `json:"number"`
	Title    string     `json:"title"`
	Author   string     `json:"author"`
	Head     string     `json:"head"`
	HeadID   int64      `json:"headID"`
	HeadSHA  string     `json:"headSHA"`
	Base     string     `json:"base"`
	BaseSHA  string     `json:"baseSHA"` // when it was opened
	Labels   []string   `json:"labels"`  // replaced, not changed
	Draft    bool       `json:"draft"`
	Created  time.Time  `json:"created"`
	Updated  time.Time  `json:"updated"`
	ClosedAt *time.Time `json:"closedAt"`
}

func (p pull) state() string {
	if p.ClosedAt != nil {
		return "closed"
	}
	return "open"
}

// OpenPullRequest opens a pull request and returns its number. As on GitHub its commits can be fetched from
// this repository, as refs/pull/NUMBER/head, wherever the head is; it follows its branch until it is closed.
func (r *Repository) OpenPullRequest(request PullRequest) (number int, err error) {
	head := r
	if request.HeadRepository != "" {
		var ok bool
		if head, ok = r.server.Repository(request.HeadRepository); !ok {
			return 0, fmt.Errorf("pull request from %s: no such repository", request.HeadRepository)
		}
	}
	if _, err := head.Head(request.Head); err != nil {
		return 0, fmt.Errorf("pull request: head: %w", err)
	}
	if request.Base == "" {
		request.Base = r.snapshot().DefaultBranch
	}
	base, err := r.Head(request.Base)
	if err != nil {
		return 0, fmt.Errorf("pull request: base: %w", err)
	}
	if request.Author == "" {
		request.Author = "octocat"
	}
	now := r.server.now().UTC()
	r.server.mu.Lock()
	number = len(r.state.Pulls) + 1
	r.state.Pulls = append(r.state.Pulls, pull{Number: number, Title: request.Title, Author: request.Author, Head: request.Head,
		HeadID: head.state.ID, Base: request.Base, BaseSHA: base, Draft: request.Draft, Created: now, Updated: now})
	r.server.mu.Unlock()
	return number, r.server.headsMoved(head)
}

// ClosePullRequest closes a pull request; its head stays what it was.
func (r *Repository) ClosePullRequest(number int) error {
	return r.changePull(number, func(p *pull, now time.Time) { p.ClosedAt = &now })
}

// ReopenPullRequest opens a closed pull request again; its head is what its branch has become.
func (r *Repository) ReopenPullRequest(number int) error {
	if err := r.changePull(number, func(p *pull, _ time.Time) { p.ClosedAt = nil }); err != nil {
		return err
	}
	r.server.mu.Lock()
	head, ok := r.server.byID[r.state.Pulls[number-1].HeadID]
	r.server.mu.Unlock()
	if !ok {
		return nil
	}
	return r.server.headsMoved(head)
}

// LabelPullRequest replaces the labels of a pull request.
func (r *Repository) LabelPullRequest(number int, labels ...string) error {
	return r.changePull(number, func(p *pull, _ time.Time) { p.Labels = slices.Clone(labels) })
}

func (r *Repository) changePull(number int, change func(p *pull, now time.Time)) error {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	if number < 1 || number > len(r.state.Pulls) {
		return fmt.Errorf("repository %s: no pull request #%d", r.state.Name, number)
	}
	changing := &r.state.Pulls[number-1]
	changing.Updated = r.server.now().UTC()
	change(changing, changing.Updated)
	return r.server.save()
}

// headsMoved lets open pull requests follow the branches of a repository that was written to.
func (s *Server) headsMoved(head *Repository) error {
	s.mu.Lock()
	bases := make([]*Repository, 0, len(s.byID))
	for _, base := range s.byID {
		bases = append(bases, base)
	}
	s.mu.Unlock()
	for _, base := range bases {
		for _, p := range base.snapshot().Pulls {
			if p.HeadID != head.snapshot().ID || p.ClosedAt != nil {
				continue
			}
			if err := base.follow(p, head); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repository) follow(p pull, head *Repository) error {
	tip, err := head.branch(p.Head)
	if err != nil || tip.sha == p.HeadSHA {
		return nil // a deleted branch leaves the pull request where it was
	}
	ref := fmt.Sprintf("refs/pull/%d/head", p.Number)
	if head == r {
		_, err = r.server.git(r.dir, nil, "update-ref", ref, tip.sha)
	} else {
		_, err = r.server.git(r.dir, nil, "fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-write-fetch-head",
			head.dir, "+"+tip.sha+":"+ref)
	}
	if err != nil {
		return fmt.Errorf("pull request #%d: %w", p.Number, err)
	}
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	following := &r.state.Pulls[p.Number-1]
	following.HeadSHA, following.Updated = tip.sha, r.server.now().UTC()
	return r.server.save()
}
