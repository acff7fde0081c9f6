package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/internal/contract"
)

// spool is a copy of a log in files, which `ship` brings to the log store: see contract.SpoolFile. What finds no
// room on disk is left out, and a line in its place says how much. Nothing that happens to it stops a build.
type spool struct {
	dir   string
	limit int64    // bytes of the files that are there
	lock  *os.File // the folder
	file  *os.File // the last one; nil where the next is to be made
	size  int64    // of the last one

	// Numbers of files: the next one, and the first that was still there.
	next, first int

	offset int64 // bytes of the log so far
	lost   int64 // the last of them that are left out
	cause  error // why
	gaps   int64 // bytes that are left out in all
	inLine bool  // the files end inside of a line
}

var errSpoolFull = errors.New("the log store took nothing for so long that the room for it on the builder's disk was full")

// openSpool begins the spool in a folder; without the folder there is none, which is a nil spool.
func openSpool(dir string) (*spool, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil //nolint:nilerr,nilnil // a Pod without a log store
	}
	limit, err := strconv.ParseInt(os.Getenv(contract.VarSpoolBytes), 10, 64)
	if err != nil || limit < contract.SpoolFileBytes {
		limit = contract.DefaultSpoolBytes
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("the log is not kept for the log store: %w", err)
	}
	s := &spool{dir: dir, limit: limit, lock: lock}
	_ = s.open() // tells that there is a log, though there is no byte of it yet; if it cannot be, the first byte tries again
	return s, nil
}

func lockFolder(dir string) (*os.File, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), folder.Close())
	}
	return folder, nil
}

// Write never fails: what cannot be kept is lost from the spool alone.
func (s *spool) Write(p []byte) (int, error) {
	if s == nil {
		return len(p), nil
	}
	kept := 0
	err := s.tellLoss()
	if err == nil {
		kept, err = s.put(p)
	}
	s.offset += int64(len(p))
	if err != nil {
		s.lost += int64(len(p) - kept)
		s.gaps += int64(len(p) - kept)
		s.cause = err
	}
	return len(p), nil
}

// tellLoss writes a line in the place of what was left out.
func (s *spool) tellLoss() error {
	if s.lost == 0 {
		return nil
	}
	line := fmt.Sprintf(prefix+"%d bytes of the log are missing here, from byte %d on: %v\n", s.lost, s.offset-s.lost, s.cause)
	if s.inLine {
		line = "\n" + line
	}
	if _, err := s.put([]byte(line)); err != nil {
		return err
	}
	s.lost = 0
	return nil
}

// put appends bytes to the files, and returns how many of them it could.
func (s *spool) put(p []byte) (kept int, err error) {
	for kept < len(p) {
		if s.file == nil {
			if err := s.open(); err != nil {
				return kept, err
			}
		}
		n, err := s.file.Write(p[kept:min(int64(len(p)), int64(kept)+contract.SpoolFileBytes-s.size)])
		if n > 0 {
			kept += n
			s.size += int64(n)
			s.inLine = p[kept-1] != '\n'
		}
		if s.size == contract.SpoolFileBytes {
			_ = s.file.Close()
			s.file = nil
		}
		if err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// open makes the next file, if there is room for it.
func (s *spool) open() (err error) {
	for s.first < s.next {
		if _, err := os.Lstat(filepath.Join(s.dir, contract.SpoolFile(s.first))); err == nil {
			break
		}
		s.first++
	}
	if int64(s.next-s.first+1) > s.limit/contract.SpoolFileBytes {
		return errSpoolFull
	}
	if s.file, err = s.create(contract.SpoolFile(s.next)); err != nil {
		return err
	}
	s.next++
	s.size = 0
	return nil
}

// create makes a file that any user may read, in the place of what a ci.sh may have put there.
func (s *spool) create(name string) (*os.File, error) {
	path := filepath.Join(s.dir, name)
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL | unix.O_NOFOLLOW
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) && os.RemoveAll(path) == nil {
		f, err = os.OpenFile(path, flags, 0o644)
	}
	if err != nil {
		return nil, err
	}
	_ = f.Chmod(0o644) // whatever the umask
	return f, nil
}

// close ends the spool, with a word of what was left out last, for which there is room beyond the limit.
func (s *spool) close() {
	if s == nil {
		return
	}
	s.limit = math.MaxInt64
	_ = s.tellLoss()
	if end, err := s.create(contract.SpoolEnd); err == nil {
		_, _ = end.WriteString(contract.SpoolSum{Files: s.next, LeftOut: s.gaps}.String())
		_ = end.Close()
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	_ = s.lock.Close() // the last, since it is what tells that nothing follows
}

// tee writes to each in turn, whatever becomes of the others.
type tee []io.Writer

func (t tee) Write(p []byte) (int, error) {
	for _, w := range t {
		_, _ = w.Write(p)
	}
	return len(p), nil
}
