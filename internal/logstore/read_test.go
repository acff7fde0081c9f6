package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"katkit.dev/katkit/internal/contract"
)

// The last lines are those that splitting the whole log shows, whatever its lines and objects are.
func TestTheLastLinesAreThoseOfTheWholeLog(t *testing.T) {
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 3))
		bucket := closed(t, &Bucket{Bucket: memblob.OpenBucket(nil)})
		s, clock := newTestStore(bucket)
		content := text(random, 1+random.IntN(1+random.IntN(300_000)))
		if random.IntN(4) == 0 {
			content = bytes.ReplaceAll(content, []byte("\n"), []byte("-"))
		}
		for offset := 0; offset < len(content); {
			to := min(len(content), offset+1+random.IntN(1+len(content)/(1+random.IntN(400))))
			offset = int(appendText(t, s, int64(offset), string(content[offset:to]), false).Bytes)
			clock.Step(time.Duration(random.IntN(2)) * growFor)
			if random.IntN(5) == 0 { // another replica stores some of it, too
				again := NewStore(bucket, clock, Limits{LogBytes: 1 << 30})
				if _, err := again.bucket.put(t.Context(), aLog.chunkKey(int64(offset/2)), bytes.NewReader(content[offset/2:offset])); err != nil {
					t.Fatal(err)
				}
			}
		}
		lines := bytes.SplitAfter(content, []byte("\n"))
		if len(lines[len(lines)-1]) == 0 {
			lines = lines[:len(lines)-1]
		}
		for range 10 {
			n := random.IntN(len(lines) + 3)
			want := len(bytes.Join(lines[:max(0, len(lines)-n)], nil))
			got, err := s.LastLines(t.Context(), aLog, int64(len(content)), n)
			if err != nil || got != int64(want) {
				t.Fatalf("seed %d: the last %d of %d lines begin at %d (%v), not %d", seed, n, len(lines), got, err, want)
			}
		}
		for range 10 {
			from, to := random.IntN(len(content)+1), random.IntN(len(content)+100)
			var part bytes.Buffer
			n, _, err := s.Copy(t.Context(), &part, aLog, int64(from), int64(to))
			want := content[from:max(from, min(to, len(content)))]
			if err != nil || n != int64(part.Len()) || !bytes.Equal(part.Bytes(), want) {
				t.Fatalf("seed %d: %d bytes from %d to %d (%v), not %d", seed, part.Len(), from, to, err, len(want))
			}
		}
	}
}

func TestSinceBeginsWithTheLineThatWentOnThen(t *testing.T) {
	f := &faulty{objects: map[string]thing{}}
	add := func(offset int64, text string, after time.Duration) {
		f.objects[aLog.chunkKey(offset)] = thing{content: []byte(text), stored: at.Add(after)}
	}
	add(0, "one\ntw", 0)
	add(6, "o\nthree\n", time.Minute)
	add(14, "four\n", 2*time.Minute)
	s, _ := newTestStore(faultless(t, f))
	for after, want := range map[time.Duration]string{
		-time.Hour:                  "one\ntwo\nthree\nfour\n",
		0:                           "one\ntwo\nthree\nfour\n",
		time.Second - 1:             "one\ntwo\nthree\nfour\n", // perhaps: it may have been stored in that second
		time.Second:                 "two\nthree\nfour\n",
		time.Minute:                 "two\nthree\nfour\n",
		time.Minute + time.Second:   "four\n",
		2 * time.Minute:             "four\n",
		2*time.Minute + time.Second: "",
	} {
		begin, err := s.Since(t.Context(), aLog, at.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if got := stored(t, s)[begin:]; got != want {
			t.Errorf("since %s: %q, not %q", after, got, want)
		}
	}
}

func TestOfTwoPodsOfANameTheNewestIsRead(t *testing.T) {
	f := &faulty{objects: map[string]thing{}}
	s, _ := newTestStore(faultless(t, f))
	if _, _, err := s.Find(t.Context(), aLog.Namespace, aLog.Pod); !errors.Is(err, ErrNoLog) {
		t.Fatalf("the error is %v", err)
	}
	for i, uid := range []string{"b", "c", "a"} {
		log := Log{Namespace: aLog.Namespace, Pod: aLog.Pod, UID: uid}
		f.objects[log.chunkKey(0)] = thing{content: []byte(strings.Repeat("x", i+1)), stored: at.Add(time.Duration(i%2) * time.Hour)}
		f.objects[log.endKey(int64(i+1))] = thing{stored: at.Add(time.Minute)}
	}
	// Neither a Pod whose name is longer, nor what is no log, counts.
	f.objects[Log{Namespace: aLog.Namespace, Pod: aLog.Pod + "-0", UID: "d"}.chunkKey(0)] = thing{content: []byte("xxxxx"), stored: at.Add(24 * time.Hour)}
	f.objects[aLog.Namespace+"/"+aLog.Pod+"/e/lost+found"] = thing{content: []byte("xxxxx"), stored: at.Add(24 * time.Hour)}
	found, state, err := s.Find(t.Context(), aLog.Namespace, aLog.Pod)
	if want := (contract.LogState{Bytes: 2, Complete: true}); err != nil || found.UID != "c" || state != want {
		t.Errorf("found %+v with %+v, %v", found, state, err)
	}
}

func TestAnEmptyLogThatIsCompleteIsOne(t *testing.T) {
	s, _ := newTestStore(aFolder(t))
	appendText(t, s, 0, "", true)
	found, state, err := s.Find(t.Context(), aLog.Namespace, aLog.Pod)
	if want := (contract.LogState{Complete: true}); err != nil || found != aLog || state != want {
		t.Errorf("found %+v with %+v, %v", found, state, err)
	}
}

func TestKeysLeadBack(t *testing.T) {
	for key, want := range map[string]object{
		aLog.chunkKey(4096):                      {uid: aLog.UID, kind: chunk, offset: 4096},
		aLog.endKey(17):                          {uid: aLog.UID, kind: end, offset: 17},
		aLog.chunkKey(4096) + ".18a7.tmp":        {uid: aLog.UID},
		aLog.prefix() + "end-17":                 {uid: aLog.UID},
		aLog.prefix() + fmt.Sprintf("%020d", 17): {uid: aLog.UID},
		aLog.prefix() + "99999999999999999999-" + strings.Repeat("A", 26): {uid: aLog.UID},
		"d-shop/pod/file":  {},
		"d-shop/a/b/c/d/e": {},
		"":                 {},
	} {
		want.key = key
		if got := parse(key, 0, time.Time{}); got != want {
			t.Errorf("%q is %+v, not %+v", key, got, want)
		}
	}
}

// What is behind a gap belongs to no log: nobody can tell what was between.
func TestALogEndsWhereAnObjectIsLost(t *testing.T) {
	f := &faulty{objects: map[string]thing{
		aLog.chunkKey(0):  {content: []byte("one\n"), stored: at},
		aLog.chunkKey(8):  {content: []byte("three\n"), stored: at},
		aLog.endKey(14):   {stored: at},
		aLog.chunkKey(14): {content: []byte("four\n"), stored: at},
	}}
	s, _ := newTestStore(faultless(t, f))
	_, state, err := s.Find(t.Context(), aLog.Namespace, aLog.Pod)
	if want := (contract.LogState{Bytes: 4}); err != nil || state != want {
		t.Errorf("the state is %+v, %v", state, err)
	}
	if got := stored(t, s); got != "one\n" {
		t.Errorf("%q is read", got)
	}
	if got := appendText(t, s, 4, "two\n", false); got.Bytes != 8 {
		t.Errorf("the state is %+v", got)
	}
	if got := stored(t, s); got != "one\ntwo\nthree\nfour\n" {
		t.Errorf("%q is read when the gap is filled", got)
	}
}
