// Package registry is the cluster's image registry: go-containerregistry's, with its blobs on disk and, added
// here, its manifests too, so that images outlive a restart. It speaks plain HTTP and lets anybody push: it
// can be reached from the machine and the cluster's own Pods alone.
package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

// manifestLimit is the greatest size in bytes of a manifest, as the distribution specification advises.
const manifestLimit = 4 << 20

// Open returns the registry whose data is in the folder dir, which may be empty or absent.
func Open(dir string, logger *log.Logger) (http.Handler, error) {
	s := &store{dir: filepath.Join(dir, "manifests")}
	for _, d := range []string{s.dir, filepath.Join(dir, "blobs")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	s.next = registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(filepath.Join(dir, "blobs"))), registry.Logger(logger))
	if err := s.replay(logger); err != nil {
		return nil, fmt.Errorf("load the images in %s: %w", dir, err)
	}
	return s, nil
}

// store writes down every manifest that the registry accepts. Its files are named by the hash of their
// URL, so that a tag's file is replaced when the tag moves, while what it pointed to stays by its digest.
type store struct {
	dir  string
	next http.Handler
	mu   sync.Mutex // one manifest request that writes at a time: disk and memory change alike
}

// saved is one accepted manifest.
type saved struct {
	Path        string `json:"path"` // of the request: /v2/NAME/manifests/REFERENCE
	ContentType string `json:"contentType"`
	Body        []byte `json:"body"`
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/manifests/") || (r.Method != http.MethodPut && r.Method != http.MethodDelete) {
		s.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, manifestLimit))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := httptest.NewRecorder()
	s.next.ServeHTTP(answer, r)
	if answer.Code < 300 {
		if err := s.record(r, body); err != nil {
			http.Error(w, "the image could not be kept: "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (s *store) record(r *http.Request, body []byte) error {
	path := r.URL.Path
	if r.Method == http.MethodDelete {
		err := os.Remove(s.file(path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(body))
	byDigest := path[:strings.LastIndexByte(path, '/')+1] + digest
	for _, p := range []string{byDigest, path} {
		if err := s.write(saved{Path: p, ContentType: r.Header.Get("Content-Type"), Body: body}); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) write(m saved) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	file := s.file(m.Path)
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func (s *store) file(path string) string {
	hash := sha256.Sum256([]byte(path))
	return filepath.Join(s.dir, hex.EncodeToString(hash[:])+".json")
}

// replay puts every manifest on disk into the registry again. An index is only accepted after the
// manifests that it lists, so those that fail are tried again as long as others succeed.
func (s *store) replay(logger *log.Logger) error {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return err
	}
	var left []saved
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var m saved
		if err := json.Unmarshal(data, &m); err != nil {
			logger.Printf("%s is left out: %v", file, err)
			continue
		}
		left = append(left, m)
	}
	for before := -1; len(left) > 0 && len(left) != before; {
		before = len(left)
		left = slices.DeleteFunc(left, s.put)
	}
	for _, m := range left {
		logger.Printf("%s is left out: the registry no longer accepts it (is a blob missing?)", m.Path)
	}
	return nil
}

func (s *store) put(m saved) bool {
	r := httptest.NewRequest(http.MethodPut, m.Path, bytes.NewReader(m.Body))
	r.Header.Set("Content-Type", m.ContentType)
	answer := httptest.NewRecorder()
	s.next.ServeHTTP(answer, r)
	return answer.Code < 300
}
