package mask

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// expected is what has to come of a text, found slowly: each byte that is in a form is masked, and each run of such bytes becomes stars.
func expected(text string, values []string) string {
	covered := make([]bool, len(text))
	for _, f := range formsOf(values) {
		for i := range len(text) {
			length, _ := f.match([]byte(text[i:]))
			for j := range length {
				covered[i+j] = true
			}
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !covered[i]:
			b.WriteByte(text[i])
		case i == 0 || !covered[i-1]:
			b.WriteString(Stars)
		}
	}
	return b.String()
}

// inPieces writes a text in pieces of random sizes.
func inPieces(t *testing.T, text string, values []string, random *rand.Rand) string {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, New(values))
	for rest := []byte(text); len(rest) > 0; {
		n := 1 + random.IntN(min(len(rest), 1+random.IntN(40)))
		if wrote, err := w.Write(rest[:n]); wrote != n || err != nil {
			t.Fatalf("%d bytes, %v", wrote, err)
		}
		if len(w.held) > maxHeld {
			t.Fatalf("%d bytes are held back", len(w.held))
		}
		rest = rest[n:]
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// FuzzWriter: whatever the values, the text and the pieces that it comes in, all forms of the values are masked and nothing else is.
func FuzzWriter(f *testing.F) {
	for i, seed := range [][3]string{
		{"s3cret", "another", "a s3cret and another"},
		{"abcabcabd", "cabd", "abcabcabcabdabcabd"},
		{"aaaa", "aaaaaa", "aaaaaaaaabaaaaa"},
		{"one\ntwo-two\r\nthree-", "two-two", "one\ntwo-two\r\nthree-\n"},
		{"0123456789abcdefghijklmnop", "xyz~", "MDEyMzQ1Njc4OWFi\nY2RlZmdoaWprbG1ub3A=\r\n"},
		{"0123456789abcdefghijklmnop", "", "MDEyMzQ1Njc4\r"},
		{"\x00\xff\xfe\xfd", "größe€", "gr\xc3\xb6\xc3\x9fe gr\\u00f6\\u00dfe\\u20ac"},
	} {
		f.Add(seed[0], seed[1], seed[2], uint64(i))
	}
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		values := []string{a, b}
		random := rand.New(rand.NewPCG(seed, 0))
		if len(text) > 4<<10 || len(a) > 2<<10 || len(b) > 2<<10 {
			t.Skip("the slow way takes too long")
		}
		check(t, text, values, random)
	})
}

func check(t *testing.T, text string, values []string, random *rand.Rand) {
	t.Helper()
	got, want := inPieces(t, text, values, random), expected(text, values)
	if got != want {
		t.Fatalf("got  %q\nwant %q\nof   %q\nwithout %q", got, want, text, values)
	}
	for _, value := range values {
		value = strings.TrimSpace(value)
		if len(value) >= MinValue && !strings.Contains(value, "*") && strings.Contains(got, value) {
			t.Fatalf("%q is in %q", value, got)
		}
	}
	if in := New(values).In(text); in != (want != text) && !strings.Contains(text, Stars) {
		t.Fatalf("In says %t of %q", in, text)
	}
}

// TestTexts is FuzzWriter with texts that have much of the values in them.
func TestTexts(t *testing.T) {
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(seed, 1))
		values := make([]string, 1+random.IntN(3))
		for i := range values {
			values[i] = letters(random, 3+random.IntN(30))
			if random.IntN(20) == 0 {
				values[i] = letters(random, 900+random.IntN(600))
			}
		}
		forms := formsOf(values)
		var text strings.Builder
		for range random.IntN(12) {
			piece := letters(random, random.IntN(8))
			if len(forms) > 0 && random.IntN(3) > 0 {
				piece = forms[random.IntN(len(forms))].text
				from := random.IntN(3) * random.IntN(2)
				piece = piece[from : len(piece)-random.IntN(2)*random.IntN(3)]
				if random.IntN(3) == 0 {
					at := random.IntN(len(piece) + 1)
					piece = piece[:at] + []string{"\n", "\r\n", "\r"}[random.IntN(3)] + piece[at:]
				}
			}
			text.WriteString(piece)
		}
		check(t, text.String(), values, random)
	}
}

// letters of few kinds, so that values overlap.
func letters(random *rand.Rand, n int) string {
	const kinds = "aab \nA'$=\xc3\xa9"
	b := make([]byte, n)
	for i := range b {
		b[i] = kinds[random.IntN(len(kinds))]
	}
	return string(b)
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkWriter: what a build prints, with as many values as a link may well have.
func BenchmarkWriter(b *testing.B) {
	var log bytes.Buffer
	for i := 0; log.Len() < 128<<10; i++ {
		fmt.Fprintf(&log, "2026-05-01T12:00:%02d.123Z [INFO] Downloaded https://repo.example.org/maven2/org/apache/commons/%x/commons-%d.jar (%d kB at 1.2 MB/s)\n", i%60, i*i, i, i%977)
	}
	random := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		s := make([]byte, n)
		for i := range s {
			s[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.IntN(64)]
		}
		return string(s)
	}
	var key []string
	for range 26 {
		key = append(key, word(64))
	}
	for name, values := range map[string][]string{
		"no values": nil, "5 tokens": {word(20), word(40), word(40), word(90), word(12)},
		"5 tokens and a key": {word(20), word(40), word(40), word(90), word(12), strings.Join(key, "\n")},
	} {
		b.Run(name, func(b *testing.B) {
			w := NewWriter(nowhere{}, New(values))
			b.SetBytes(int64(log.Len()))
			for b.Loop() {
				_, _ = w.Write(log.Bytes())
			}
		})
	}
}
