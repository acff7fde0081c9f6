package mask

import (
	"io"
	"slices"
)

const (
	// maxHeld is how much a Writer holds back, in bytes: the longest form, with a line break after each letter.
	maxHeld = 3 * maxForm
	// pieceSize bounds the Writer's memory when a lot is written at once.
	pieceSize = 64 << 10
)

// Writer passes on what it gets, masked. It is for one goroutine at a time.
type Writer struct {
	out    io.Writer
	masker *Masker
	// held is the end of what came, where a form may begin that is not over.
	held []byte
	// done are the first bytes of held that are masked already, since a form that is over reaches there.
	done int
	// starred: the last that was passed on are stars.
	starred bool
	clean   []byte // what is to be passed on next
}

// NewWriter returns a Writer to out.
func NewWriter(out io.Writer, masker *Masker) *Writer { return &Writer{out: out, masker: masker} }

// Write passes p on, but for what has to wait for what follows. An error is one of the writer behind it.
func (w *Writer) Write(p []byte) (int, error) {
	if len(w.masker.forms) == 0 {
		return w.out.Write(p)
	}
	for piece := range slices.Chunk(p, pieceSize) {
		text := piece
		if len(w.held) > 0 {
			w.held = append(w.held, piece...)
			text = w.held
		}
		if err := w.pass(text, false); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush passes on what is held back: nothing follows, or not for long.
func (w *Writer) Flush() error { return w.pass(w.held, true) }

// pass masks a text that begins with what is held, and passes it on as far as it is decided; all of it at the end.
func (w *Writer) pass(text []byte, end bool) error {
	w.clean = w.clean[:0]
	next := w.done // the first byte that is not in w.clean, nor in what was passed on before
	undecided := len(text)
	for i := w.masker.next(text, 0); i < len(text); i = w.masker.next(text, i+1) {
		length, more := w.masker.match(text[i:])
		if length > 0 && i+length > next {
			w.plain(text[min(next, i):i])
			w.stars()
			next = i + length
		}
		if more && !end {
			undecided = i // what begins behind it is looked for when this is decided
			break
		}
	}
	if undecided > next {
		w.plain(text[next:undecided])
		next = undecided
	}
	w.held, w.done = append(w.held[:0], text[undecided:]...), next-undecided
	if len(w.clean) == 0 {
		return nil
	}
	_, err := w.out.Write(w.clean)
	return err
}

func (w *Writer) plain(text []byte) {
	if len(text) > 0 {
		w.clean, w.starred = append(w.clean, text...), false
	}
}

// stars of forms that overlap or follow each other are written once.
func (w *Writer) stars() {
	if !w.starred {
		w.clean, w.starred = append(w.clean, Stars...), true
	}
}
