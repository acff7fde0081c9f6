package mask

import (
	"bytes"
	"encoding/binary"
)

// Stars take the place of what is masked.
const Stars = "***"

// Masker knows the forms of some values. It does not change, and any number of goroutines may use it. One without values masks nothing.
type Masker struct {
	forms []form
	// groups are the forms that begin with the same MinValue bytes: from and to in forms.
	groups map[uint32][2]int
	// filter has a bit for the hash of each of those beginnings.
	filter [1 << (filterBits - 6)]uint64
	// heads are the beginnings that are shorter than MinValue.
	heads map[string]bool
}

const filterBits = 16

// New returns a Masker of values. White space around a value is not part of it. Of what is shorter than MinValue then it knows nothing.
func New(values []string) *Masker {
	m := &Masker{forms: formsOf(values), groups: map[uint32][2]int{}, heads: map[string]bool{}}
	for i, f := range m.forms {
		key := binary.LittleEndian.Uint32([]byte(f.text))
		group, known := m.groups[key]
		if !known {
			group[0] = i
		}
		group[1] = i + 1
		m.groups[key] = group
		h := hash(key)
		m.filter[h>>6] |= 1 << (h & 63)
		for n := 1; n < MinValue; n++ {
			m.heads[f.text[:n]] = true
		}
	}
	return m
}

// String masks a whole text.
func (m *Masker) String(text string) string {
	var masked bytes.Buffer
	w := NewWriter(&masked, m)
	_, _ = w.Write([]byte(text))
	_ = w.Flush()
	return masked.String()
}

// In tells whether a text has a value in it, in one of its forms.
func (m *Masker) In(text string) bool {
	all := []byte(text)
	for i := m.next(all, 0); i < len(all); i = m.next(all, i+1) {
		if length, _ := m.match(all[i:]); length > 0 {
			return true
		}
	}
	return false
}

// next is the first place in the text, from i on, where a form may begin; len(text) if there is none.
func (m *Masker) next(text []byte, i int) int {
	for ; i+MinValue <= len(text); i++ {
		h := hash(binary.LittleEndian.Uint32(text[i:]))
		if m.filter[h>>6]&(1<<(h&63)) != 0 {
			return i
		}
	}
	return min(i, len(text))
}

// hash has filterBits bits.
func hash(key uint32) uint32 { return key * 0x9e3779b1 >> (32 - filterBits) }

// match returns the length of the longest form that the text begins with, 0 if there is none; more tells that a (longer) form may begin here
// and go on behind the text.
func (m *Masker) match(text []byte) (length int, more bool) {
	if len(text) < MinValue {
		return 0, m.heads[string(text)]
	}
	group := m.groups[binary.LittleEndian.Uint32(text)]
	for _, f := range m.forms[group[0]:group[1]] {
		n, unfinished := f.match(text)
		length, more = max(length, n), more || unfinished
	}
	return length, more
}

// match returns the number of bytes at the text's beginning that are the form, 0 if they are not; more tells that the text ends
// before that is decided.
func (f form) match(text []byte) (length int, more bool) {
	if !f.wraps {
		if n := min(len(text), len(f.text)); string(text[:n]) != f.text[:n] {
			return 0, false
		}
		if len(text) < len(f.text) {
			return 0, true
		}
		return len(f.text), false
	}
	at := 0
	for i := range len(f.text) {
		if i >= minWrapped {
			at += lineBreak(text[at:])
		}
		switch {
		case at == len(text):
			return 0, true
		case text[at] != f.text[i]:
			return 0, false
		}
		at++
	}
	return at, false
}

// lineBreak is the length of the line break that the text begins with, or ends in the middle of.
func lineBreak(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte("\n")), string(text) == "\r":
		return 1
	case bytes.HasPrefix(text, []byte("\r\n")):
		return 2
	}
	return 0
}
