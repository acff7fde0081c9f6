package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/internal/contract"
)

const (
	// lookAhead is how many files of a spool are looked for behind one that is not there.
	lookAhead = contract.DefaultSpoolBytes / contract.SpoolFileBytes
	// maxPieces bounds how many files are open at once, and the memory for what a ci.sh may have put in their place.
	maxPieces = 4 * lookAhead
)

// unsent is the part of a log that is not in the store, as a spool has it. Offsets are those of the log in the store. Every file
// is opened as soon as it is there, so that a ci.sh that removes it removes nothing from the log.
type unsent struct {
	dir    string
	folder *os.File // on which exec has its lock
	pieces []*piece // in their order; nothing before them is on disk any more
	start  int64    // of the first piece
	next   int      // number of the next file to open

	begun bool          // there is, or was, somebody who writes
	ended bool          // nothing is written any more
	over  chan struct{} // closed when the lock is free; only who has begun can be waited for

	missing string // what is not in it, in words; "" where all is
}

// openUnsent opens the folder of a spool, in which there need not be anything yet.
func openUnsent(dir string) (unsent, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return unsent{}, fmt.Errorf("the builder's copy of the log cannot be read: %w", err)
	}
	return unsent{dir: dir, folder: folder, over: make(chan struct{})}, nil
}

// piece is a file of the spool, or a line of the shipper's own in the place of what is not there.
type piece struct {
	content io.ReaderAt
	file    *os.File // nil: a line
	size    int64    // as far as it is known
}

// scan looks for what was written.
func (u *unsent) scan() {
	gone := u.writerGone() // first: what is there now is all, if it is
	for len(u.pieces) < maxPieces && u.openNext() {
	}
	for _, p := range u.pieces {
		p.measure()
	}
	if gone && !u.ended {
		u.ended = true
		u.sayEnd()
	}
}

// writerGone tells whether there was somebody who wrote, and is no more.
func (u *unsent) writerGone() bool {
	if !u.begun {
		_, _ = u.folder.Seek(0, io.SeekStart)
		names, _ := u.folder.Readdirnames(1)
		if u.begun = len(names) > 0; u.begun { // and so the lock was taken before this looks at it
			go u.awaitEnd()
		}
	}
	return u.begun && unix.Flock(int(u.folder.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil
}

// awaitEnd waits for the lock, so that the end of the log is seen when it comes. Where that fails there are still the looks now and then.
func (u *unsent) awaitEnd() {
	folder, err := os.Open(u.dir)
	if err != nil {
		return
	}
	defer func() { _ = folder.Close() }()
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(folder.Fd()), unix.LOCK_SH)
	}
	if err == nil {
		close(u.over)
	}
}

// sayEnd tells of what is missing at the end of the log, once nothing is written any more.
func (u *unsent) sayEnd() {
	sum, err := u.sum()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.miss("the log ends here, and what was written last may be missing: the container build was killed")
	case err != nil:
		u.miss("the end of the builder's copy of the log may be missing here: %v", err)
	case sum.Files > u.next:
		u.miss("the last %d files of the builder's copy of the log are missing here, of up to %d bytes each: something removed them", sum.Files-u.next, contract.SpoolFileBytes)
	case sum.LeftOut > 0: // exec has left lines in their places
		u.note(fmt.Sprintf("%d bytes, for which there was no room on the builder's disk while the log store took nothing", sum.LeftOut))
	}
	for _, p := range u.pieces {
		if p.replaced() {
			u.missReplaced(p)
		}
	}
}

// sum is what exec said when it came to its end. An error tells that it could not, for want of room on the disk, or that something is in its place.
func (u *unsent) sum() (contract.SpoolSum, error) {
	file, err := openRegular(filepath.Join(u.dir, contract.SpoolEnd))
	if err != nil {
		return contract.SpoolSum{}, err
	}
	defer func() { _ = file.Close() }() // read
	said, err := io.ReadAll(io.LimitReader(file, 64))
	if err != nil {
		return contract.SpoolSum{}, err
	}
	return contract.ParseSpoolSum(string(said))
}

// openNext opens the next file, if it is there.
func (u *unsent) openNext() bool {
	found, later := u.there(u.next), u.next+1
	for ; !found && later <= u.next+lookAhead && !u.there(later); later++ {
	}
	switch {
	case !found && later > u.next+lookAhead:
		return false
	case !found && !u.there(u.next): // asked again, since a later one means that it was made
		u.miss("%d files of the builder's copy of the log are missing here, of up to %d bytes each: something removed them", later-u.next, contract.SpoolFileBytes)
		u.next = later
		return true
	}
	file, err := openRegular(filepath.Join(u.dir, contract.SpoolFile(u.next)))
	if err != nil {
		u.miss("a file of the builder's copy of the log is missing here, of up to %d bytes: %v", contract.SpoolFileBytes, err)
	} else {
		u.pieces = append(u.pieces, &piece{content: file, file: file})
	}
	u.next++
	return true
}

func (u *unsent) there(n int) bool {
	_, err := os.Lstat(filepath.Join(u.dir, contract.SpoolFile(n)))
	return err == nil
}

// openRegular opens a regular file, and nothing that a ci.sh may have put in its place.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, fmt.Errorf("%s is not a file", path)
	}
	return file, nil
}

// measure looks how long a file is. It never gets shorter.
func (p *piece) measure() {
	if p.file == nil {
		return
	}
	if info, err := p.file.Stat(); err == nil {
		p.size = max(p.size, min(info.Size(), contract.SpoolFileBytes))
	}
}

// miss appends a line in the place of what is not there.
func (u *unsent) miss(format string, args ...any) {
	u.pieces = append(u.pieces, line(format, args...))
	u.note(fmt.Sprintf(format, args...))
}

// note keeps in mind that the log is not complete; the first reason is told.
func (u *unsent) note(why string) {
	if u.missing == "" {
		u.missing = "a line of the stored log tells what is missing: " + why
	}
}

func line(format string, args ...any) *piece {
	text := fmt.Appendf(nil, "\n"+prefix+format+"\n", args...)
	return &piece{content: bytes.NewReader(text), size: int64(len(text))}
}

// end is where the log ends, as far as it is known.
func (u *unsent) end() int64 {
	end := u.start
	for _, p := range u.pieces {
		end += p.size
	}
	return end
}

// stored takes the store's word that it has so many bytes of the log: what is in them is removed from the disk. Where the store
// has less than is gone from the disk, a line tells of that.
func (u *unsent) stored(bytes int64) {
	if bytes < u.start {
		lost := fmt.Sprintf("%d bytes of the log are missing here: the log store had taken them, and has them no more", u.start-bytes)
		u.pieces = append([]*piece{line("%s", lost)}, u.pieces...)
		u.note(lost)
		u.start = bytes
	}
	for u.endsBefore(bytes) {
		u.drop()
	}
}

// endsBefore tells whether the first piece is whole, and ends before an offset.
func (u *unsent) endsBefore(offset int64) bool {
	return len(u.pieces) > 0 && u.start+u.pieces[0].size <= offset && (len(u.pieces) > 1 || u.ended)
}

// drop removes the first piece from the disk.
func (u *unsent) drop() {
	first := u.pieces[0]
	u.pieces = u.pieces[1:]
	u.start += first.size
	if first.file == nil {
		return
	}
	if !first.replaced() {
		_ = os.Remove(first.file.Name())
	} else if !u.ended { // at the end it was told of
		u.missReplaced(first)
	}
	_ = first.file.Close()
}

// replaced tells whether another file is in the place of a piece's, so that what was written there is not in it.
func (p *piece) replaced() bool {
	if p.file == nil {
		return false
	}
	is, err := os.Lstat(p.file.Name())
	was, _ := p.file.Stat()
	return err == nil && !os.SameFile(is, was)
}

func (u *unsent) missReplaced(p *piece) {
	u.miss("a file of the builder's copy of the log was replaced, and up to %d bytes are missing before this line", contract.SpoolFileBytes-p.size)
}

// from returns the bytes from an offset on, of one piece and at most limit of them; none where there are no more.
func (u *unsent) from(offset, limit int64) *io.SectionReader {
	start := u.start
	for _, p := range u.pieces {
		if offset < start+p.size {
			return io.NewSectionReader(p.content, offset-start, min(limit, start+p.size-offset))
		}
		start += p.size
	}
	return io.NewSectionReader(bytes.NewReader(nil), 0, 0)
}
