package fakegithub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
)

// lfsType is the media type of Git LFS' API.
const lfsType = "application/vnd.git-lfs+json"

// maxBatchBytes bounds what a client may ask for at once.
const maxBatchBytes = 1 << 20

// lfsPath is owner/name, with or without .git, and what of its LFS server: the batch, or an object.
var lfsPath = regexp.MustCompile(`^/([^/]+/[^/]+?)(?:\.git)?/info/lfs/objects/(batch|[0-9a-f]{64})$`)

// keepLarge puts the contents of large files where LFS serves them from, and their pointers into the commit.
func (r *Repository) keepLarge(commit Commit) (Commit, error) {
	files := make(map[string]File, len(commit.Files))
	for path, file := range commit.Files {
		if file.Large {
			digest := sha256.Sum256(file.Content)
			oid := hex.EncodeToString(digest[:])
			if err := errors.Join(os.MkdirAll(r.lfsDir(), 0o755), os.WriteFile(filepath.Join(r.lfsDir(), oid), file.Content, 0o644)); err != nil {
				return commit, err
			}
			file.Content = fmt.Appendf(nil, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(file.Content))
		}
		files[path] = file
	}
	commit.Files = files
	return commit, nil
}

func (r *Repository) lfsDir() string { return filepath.Join(r.dir, "lfs-objects") }

// lfsObject is one of a batch, as it is asked for and as it is answered.
type lfsObject struct {
	OID     string             `json:"oid"`
	Size    int64              `json:"size"`
	Actions map[string]lfsLink `json:"actions,omitempty"`
	Error   *lfsError          `json:"error,omitempty"`
}

type lfsLink struct {
	Href string `json:"href"`
}

type lfsError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// serveLFS serves downloads of Git LFS, for whom the repository may be read.
func (s *Server) serveLFS(w http.ResponseWriter, r *http.Request, name, what string) {
	repository, _, granted := s.authorizeGit(w, r, name, Read)
	if !granted {
		return
	}
	if what != "batch" {
		http.ServeFile(w, r, filepath.Join(repository.lfsDir(), what))
		return
	}
	var asked struct {
		Operation string      `json:"operation"`
		Objects   []lfsObject `json:"objects"`
	}
	w.Header().Set("Content-Type", lfsType)
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBatchBytes)).Decode(&asked); err != nil || asked.Operation != "download" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(lfsError{Message: "this server answers batches of downloads alone"})
		return
	}
	for i := range asked.Objects {
		object := &asked.Objects[i]
		info, err := os.Stat(filepath.Join(repository.lfsDir(), filepath.Base(object.OID)))
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() != object.Size {
			object.Error = &lfsError{Code: http.StatusNotFound, Message: "Object does not exist on the server"}
			continue
		}
		object.Actions = map[string]lfsLink{"download": {Href: s.baseURL(r) + "/" + repository.Name() + ".git/info/lfs/objects/" + object.OID}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "objects": asked.Objects})
}
