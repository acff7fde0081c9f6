package fakegithub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// repositoryName is what a repository may be called.
var repositoryName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*/[A-Za-z0-9._-]+$`)

// ErrExists: a repository of that name is already there.
var ErrExists = errors.New("name already exists on this account")

// RepositoryOptions are the settings of a new repository.
type RepositoryOptions struct {
	Private bool `json:"private"`
	// DefaultBranch is empty for "main".
	DefaultBranch string `json:"defaultBranch"`
}

// storedState is Dir/state.json.
type storedState struct {
	NextID       int64              `json:"nextID"`
	NextItem     int64              `json:"nextItem"`
	Users        map[string]string  `json:"users"`
	Repositories []storedRepository `json:"repositories"`
	Renamed      map[string]int64   `json:"renamed"`
}

type storedRepository struct {
	ID            int64     `json:"id"`
	Name          string    `json:"name"`
	Private       bool      `json:"private"`
	DefaultBranch string    `json:"defaultBranch"`
	Created       time.Time `json:"created"`
	// ParentID is the repository that this one was forked from; 0: none.
	ParentID int64  `json:"parentID"`
	Pulls    []pull `json:"pulls"`
	// Roles are what people may do, by their login in lower case. Who reads it may hold on to it: it is replaced, not changed.
	Roles map[string]Role `json:"roles"`
	// Activities are the changes of branches, the oldest first.
	Activities []activity `json:"activities"`
	Sent
}

// CreateRepository makes an empty repository owner/name; ErrExists when there is one.
func (s *Server) CreateRepository(name string, options RepositoryOptions) (*Repository, error) {
	if !repositoryName.MatchString(name) || strings.HasSuffix(name, ".git") {
		return nil, fmt.Errorf("repository %q: expected owner/name without .git", name)
	}
	if options.DefaultBranch == "" {
		options.DefaultBranch = "main"
	}
	s.mu.Lock()
	if _, ok := s.byName[strings.ToLower(name)]; ok {
		s.mu.Unlock()
		return nil, fmt.Errorf("repository %s: %w", name, ErrExists)
	}
	repository := s.newRepository(storedRepository{ID: s.nextID, Name: name, Private: options.Private,
		DefaultBranch: options.DefaultBranch, Created: s.now().UTC()})
	s.nextID++
	// Its name is taken before git has made it; a reader would find it empty.
	s.byName[strings.ToLower(name)], s.byID[repository.state.ID] = repository, repository
	delete(s.renamed, strings.ToLower(name))
	s.mu.Unlock()

	err := repository.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.byName, strings.ToLower(name))
		delete(s.byID, repository.state.ID)
		return nil, err
	}
	return repository, s.save()
}

// Fork makes a copy of a repository under another owner/name, as public as it.
func (s *Server) Fork(from, to string) (*Repository, error) {
	parent, ok := s.Repository(from)
	if !ok {
		return nil, fmt.Errorf("repository %s: not found", from)
	}
	state := parent.snapshot()
	fork, err := s.CreateRepository(to, RepositoryOptions{Private: state.Private, DefaultBranch: state.DefaultBranch})
	if err != nil {
		return nil, err
	}
	if _, err := s.git(fork.dir, nil, "fetch", "--quiet", "--no-auto-gc", "--no-write-fetch-head", parent.dir, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return nil, err
	}
	fork.write.Lock()
	defer fork.write.Unlock()
	owner, _, _ := strings.Cut(to, "/")
	if err := fork.branchesMoved(owner); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fork.state.ParentID = state.ID
	return fork, s.save()
}

// DeleteRepository removes a repository. Pull requests from it stay open elsewhere, with the head they had.
func (s *Server) DeleteRepository(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	repository, ok := s.byName[strings.ToLower(name)]
	if !ok {
		return fmt.Errorf("repository %s: not found", name)
	}
	delete(s.byName, strings.ToLower(name))
	delete(s.byID, repository.state.ID)
	repository.objects.close()
	return errors.Join(os.RemoveAll(repository.dir), s.save())
}

// Repository finds a repository by its present name.
func (s *Server) Repository(name string) (*Repository, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	repository, ok := s.byName[strings.ToLower(name)]
	return repository, ok
}

// Rename gives a repository a new owner/name; the API and git redirect from the former one.
func (s *Server) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	repository, ok := s.byName[strings.ToLower(from)]
	if !ok {
		return fmt.Errorf("repository %s: not found", from)
	}
	if _, taken := s.byName[strings.ToLower(to)]; taken {
		return fmt.Errorf("repository %s: %w", to, ErrExists)
	}
	if !repositoryName.MatchString(to) {
		return fmt.Errorf("repository %q: expected owner/name", to)
	}
	delete(s.byName, strings.ToLower(from))
	delete(s.renamed, strings.ToLower(to))
	s.renamed[strings.ToLower(from)] = repository.state.ID
	s.byName[strings.ToLower(to)] = repository
	repository.state.Name = to
	return s.save()
}

// newRepository makes the object of a repository that may not be on disk yet.
func (s *Server) newRepository(state storedRepository) *Repository {
	dir := filepath.Join(s.options.Dir, fmt.Sprintf("%d.git", state.ID))
	return &Repository{server: s, dir: dir, state: state, objects: &objectReader{dir: dir, env: s.gitEnv()}}
}

// save writes what is known beside git; s.mu is held.
func (s *Server) save() error {
	state := storedState{NextID: s.nextID, NextItem: s.nextItem, Users: s.users, Renamed: s.renamed}
	for _, repository := range s.byID {
		state.Repositories = append(state.Repositories, repository.state)
	}
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.options.Dir, "state.json")
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *Server) load() error {
	data, err := os.ReadFile(filepath.Join(s.options.Dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var state storedState
	if err := json.Unmarshal(data, &state); err != nil {
		return fmt.Errorf("%s: state.json: %w", s.options.Dir, err)
	}
	s.nextID, s.nextItem = state.NextID, state.NextItem
	maps.Copy(s.users, state.Users)
	maps.Copy(s.renamed, state.Renamed)
	for _, stored := range state.Repositories {
		repository := s.newRepository(stored)
		s.byName[strings.ToLower(stored.Name)], s.byID[stored.ID] = repository, repository
	}
	return nil
}
