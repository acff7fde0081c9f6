package fakegithub

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"regexp"
	"strings"
)

// maxPushBytes bounds a push that doesn't say its length.
const maxPushBytes = 256 << 20

// gitPath is owner/name, with or without .git, and a file of the smart protocol.
var gitPath = regexp.MustCompile(`^/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$`)

// serveGit serves git's smart HTTP protocol, and that of Git LFS, with the checks that GitHub makes.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	if match := lfsPath.FindStringSubmatch(r.URL.Path); match != nil {
		s.serveLFS(w, r, match[1], match[2])
		return
	}
	match := gitPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	name, file := match[1], match[2]
	service := file
	if file == "info/refs" {
		service = r.URL.Query().Get("service")
	}
	var permission Permission
	switch service {
	case "git-upload-pack":
		permission = Read
	case "git-receive-pack":
		permission = Write
	default:
		http.Error(w, "Please upgrade your git client.", http.StatusForbidden)
		return
	}
	repository, login, granted := s.authorizeGit(w, r, name, permission)
	if !granted {
		return
	}
	if file == "git-receive-pack" {
		s.servePush(w, r, repository, login)
		return
	}
	s.runBackend(w, r, repository, login, file)
}

// servePush takes a push when the others are done, so that each is recorded as it was.
func (s *Server) servePush(w http.ResponseWriter, r *http.Request, repository *Repository, login string) {
	repository.write.Lock()
	defer repository.write.Unlock()
	s.runBackend(w, r, repository, login, "git-receive-pack")
	if err := errors.Join(repository.branchesMoved(login), s.headsMoved(repository)); err != nil {
		log.Printf("fakegithub: after a push to %s: %v", repository.Name(), err)
	}
}

// authorizeGit answers itself when the caller may not do it.
func (s *Server) authorizeGit(w http.ResponseWriter, r *http.Request, name string, permission Permission) (repository *Repository, login string, granted bool) {
	account, accepted := s.authenticate(r)
	s.mu.Lock()
	repository, known := s.byName[strings.ToLower(name)]
	former, renamed := s.byID[s.renamed[strings.ToLower(name)]]
	s.mu.Unlock()
	if !known && renamed {
		repository = former
	}
	readable, writable := false, false
	if repository != nil {
		state := repository.snapshot()
		name = state.Name
		readable = account.may(Read, state) && account.refusal("contents", Read, state) == ""
		writable = account.may(Write, state)
	}
	switch {
	case !accepted, account == nil && !(readable && permission == Read):
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Invalid username or token. Password authentication is not supported for Git operations.", http.StatusUnauthorized)
	case !readable:
		http.Error(w, "Repository not found.", http.StatusNotFound)
	case permission == Write && !writable:
		http.Error(w, fmt.Sprintf("Permission to %s.git denied to %s.", name, account.Login), http.StatusForbidden)
	case !known:
		_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.RequestURI(), "/"), "/")
		_, rest, _ = strings.Cut(rest, "/")
		http.Redirect(w, r, s.baseURL(r)+"/"+name+".git/"+rest, http.StatusMovedPermanently)
	default:
		if account != nil {
			login = account.Login
		}
		return repository, login, true
	}
	return nil, "", false
}

// runBackend hands the request to git-http-backend(1).
func (s *Server) runBackend(w http.ResponseWriter, r *http.Request, repository *Repository, login, file string) {
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = fmt.Sprintf("/%d.git/%s", repository.state.ID, file), ""
	inner.Header.Del("Authorization")
	if r.ContentLength < 0 {
		// CGI wants to know the length, and git sends large pushes in chunks.
		spooled, err := spool(inner)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		defer spooled.Close()
	}
	backend := &cgi.Handler{
		Path: s.backend,
		Dir:  s.options.Dir,
		Env: append(s.gitEnv(), "GIT_PROJECT_ROOT="+s.options.Dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+login,
			"GIT_COMMITTER_NAME="+login, "GIT_COMMITTER_EMAIL="+login+noReply),
		Stderr: io.Discard,
	}
	backend.ServeHTTP(w, inner)
}

// spool reads a body of unknown length into a file that is already unlinked.
func spool(r *http.Request) (io.Closer, error) {
	file, err := os.CreateTemp("", "fakegithub-push-")
	if err != nil {
		return nil, err
	}
	os.Remove(file.Name())
	length, err := io.Copy(file, http.MaxBytesReader(nil, r.Body, maxPushBytes))
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	r.Body, r.ContentLength, r.TransferEncoding = file, length, nil
	return file, nil
}
