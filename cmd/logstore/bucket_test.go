package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/bucketserver"
)

// The real binary, with the buckets of real servers.
func TestBuckets(t *testing.T) {
	for _, kind := range bucketserver.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			server := kind.Start(t)
			t.Run("what is acknowledged outlives kill -9", func(t *testing.T) {
				outlives(t, newStore(t, server.Bucket(t, "killed")), 5)
			})
			t.Run("two stores have one log", func(t *testing.T) { shared(t, server.Bucket(t, "shared")) })
			t.Run("a server that is away for a while loses nothing", func(t *testing.T) { away(t, server) })
			t.Run("the addresses of the manual are right", func(t *testing.T) { addressed(t, server) })
			t.Run("what is wrong is told at the start", func(t *testing.T) { wrong(t, server) })
		})
	}
}

// letters are text of any size, of which no two parts that are chunks are the same.
func letters(size int) []byte {
	content := make([]byte, min(size, 1_000_003))
	for i := range content {
		content[i] = "abcdefghijklmnopqrstuvwxyz0123456789 \n"[rand.IntN(38)]
	}
	return bytes.Repeat(content, size/len(content)+1)[:size]
}

// shared has two stores written to in turns, with chunks as large as may be, while somebody follows.
func shared(t *testing.T, bucket string) {
	t.Helper()
	one := newStore(t, bucket)
	other := newStore(t, bucket)
	one.start(t)
	other.start(t)
	content := letters(64<<20 + 12345)
	first := content[:100]
	if _, err := one.put(t.Context(), 0, false, bytes.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	followed := make(chan []byte, 1)
	go func() {
		_, answer, err := other.send(t.Context(), http.MethodGet, contract.ReadLogPath(namespace, phase, pod)+"?follow=true", nil)
		if err != nil {
			answer = []byte(err.Error())
		}
		followed <- answer
	}()
	for offset, turn := len(first), 0; offset < len(content); turn++ {
		to := min(len(content), offset+contract.MaxLogChunk)
		state, err := []*store{other, one}[turn%2].put(t.Context(), int64(offset), to == len(content), bytes.NewReader(content[offset:to]))
		if err != nil || state.Bytes != int64(to) {
			t.Fatal(state, err)
		}
		offset = to
	}
	for _, s := range []*store{one, other} {
		s.holds(t, content)
	}
	if got := <-followed; !bytes.Equal(got, content) {
		t.Errorf("who follows gets %d bytes, not the %d that were written", len(got), len(content))
	}
	for _, s := range []*store{one, other} {
		s.endsWell(t)
	}
}

// away ends the server of the bucket between writes and while one is under way. The writer is told to try again, and does.
func away(t *testing.T, server *bucketserver.Server) {
	t.Helper()
	s := newStore(t, server.Bucket(t, "away"))
	s.start(t)
	var content []byte
	var acknowledged int64
	refused := 0
	write := func(meanwhile func()) {
		content = append(content, letters(1+rand.IntN(200_000))...)
		body := content[acknowledged:]
		half := len(body) / 2
		state, err := s.put(t.Context(), acknowledged, false,
			io.MultiReader(bytes.NewReader(body[:half]), mark(meanwhile), bytes.NewReader(body[half:])))
		switch {
		case err == nil && state.Bytes != int64(len(content)):
			t.Fatalf("%d bytes are acknowledged of %d", state.Bytes, len(content))
		case err == nil:
			acknowledged = state.Bytes
		case !strings.Contains(err.Error(), "answered 503") || !strings.Contains(err.Error(), "try again"):
			t.Fatal(err)
		default:
			refused++
		}
	}
	for range 2 {
		write(func() {})
		write(server.Stop)
		write(func() {})
		server.Resume(t)
	}
	if refused < 2 {
		t.Errorf("%d writes were refused: the server was not away", refused)
	}
	s.takesTheRest(t, content, acknowledged)
}

// addressed uses the addresses of the cloud itself, which the manual has.
func addressed(t *testing.T, server *bucketserver.Server) {
	t.Helper()
	server.Bucket(t, "public")
	server.Internet(t)
	stored := map[bool]int64{} // with and without a prefix
	for _, address := range server.Public("public") {
		s := newStore(t, address)
		s.start(t)
		part := strings.Contains(address, "prefix=")
		state, err := s.put(t.Context(), stored[part], false, strings.NewReader("one\n"))
		if stored[part] += 4; err != nil || state.Bytes != stored[part] {
			t.Errorf("%s: %+v, %v", address, state, err)
		}
		s.endsWell(t)
	}
}

// wrong starts a store with a bucket that is not there, one whose credentials are refused, and one whose server is away.
func wrong(t *testing.T, server *bucketserver.Server) {
	t.Helper()
	s := newStore(t, server.URL(server.Address, "missing"))
	told := func(wants ...string) {
		t.Helper()
		said, err := s.command(t).CombinedOutput()
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			t.Fatalf("it ends with %v: %s", err, said)
		}
		for _, want := range append(wants, "cannot be listed", s.bucket[:strings.Index(s.bucket+"?", "?")]) {
			if !strings.Contains(string(said), want) {
				t.Errorf("it does not say %q: %s", want, said)
			}
		}
		for _, secret := range []string{bucketserver.Secret, "c29tZXRoaW5nIGVsc2U"} {
			if strings.Contains(string(said), secret) {
				t.Errorf("it tells a secret: %s", said)
			}
		}
	}
	told("there is none of that name", "correct --bucket")
	s.bucket = server.Bucket(t, "refused")
	for name := range server.Env(server.Address) {
		if strings.HasSuffix(name, "_KEY") {
			t.Setenv(name, "c29tZXRoaW5nIGVsc2U=")
			told("the credentials are refused", "check the variables")
		}
	}
	server.Stop()
	defer server.Resume(t)
	began := time.Now()
	told("check --bucket")
	if server.Name == bucketserver.Azure.Name { // whose address may have a secret in it
		t.Setenv("AZURE_STORAGE_KEY", "")
		t.Setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2022-11-02&sig=c29tZXRoaW5nIGVsc2U=")
		told("sig=REDACTED")
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it says so after %s", took)
	}
}
