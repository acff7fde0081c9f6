package fakegithub

import (
	"slices"
	"time"
)

// Sent is what a repository was told: everything in the order in which it came.
type Sent struct {
	Statuses    []Status     `json:"statuses"`
	CheckRuns   []CheckRun   `json:"checkRuns"`
	CheckSuites []CheckSuite `json:"checkSuites"`
	Deployments []Deployment `json:"deployments"`
	// Comments of pull requests, those that people wrote included.
	Comments []Comment `json:"comments"`
}

// Item is what all of them have.
type Item struct {
	ID int64 `json:"id"`
	// By is the login of who sent it.
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

func (i Item) id() int64 { return i.ID }

// clone copies what changes in place; slices within are only appended to, or replaced.
func (s Sent) clone() Sent {
	s.Statuses, s.CheckRuns, s.CheckSuites = slices.Clone(s.Statuses), slices.Clone(s.CheckRuns), slices.Clone(s.CheckSuites)
	s.Deployments, s.Comments = slices.Clone(s.Deployments), slices.Clone(s.Comments)
	return s
}

// Sent returns what the repository was told so far.
func (r *Repository) Sent() Sent { return r.snapshot().Sent }

// item begins something new; the server's mutex is held.
func (s *Server) item(by string) Item {
	s.nextItem++
	now := s.now().UTC()
	return Item{ID: s.nextItem, By: by, Created: now, Updated: now}
}

// write changes the repository's state, and keeps it.
func (c *call) write(change func(*storedRepository)) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	change(&c.repository.state)
	return c.server.save()
}

// indexOf finds an item by its ID, or -1.
func indexOf[T interface{ id() int64 }](items []T, id int64) int {
	return slices.IndexFunc(items, func(item T) bool { return item.id() == id })
}

// newestFirst is a reversed copy.
func newestFirst[T any](items []T) []T {
	items = slices.Clone(items)
	slices.Reverse(items)
	return items
}

func selected[T any](items []T, wanted func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool { return !wanted(item) })
}
