package receiver

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// padded is a push of exactly so many bytes.
func padded(size int) []byte {
	body := bytes.Repeat([]byte(" "), size)
	copy(body, pushed)
	return body
}

// without hides the length of a body, so that it comes in chunks.
func without(body []byte) io.Reader { return io.MultiReader(bytes.NewReader(body)) }

func TestBodySizes(t *testing.T) {
	const limit = 26_214_400 // GitHub's
	most, more := padded(limit), padded(limit+1)
	for name, c := range map[string]struct {
		body   []byte
		reader func([]byte) io.Reader
		status int
		asked  []string
	}{
		"small":                           {pushed, nil, 202, bothLinks},
		"small, in chunks":                {pushed, without, 202, bothLinks},
		"as much as is set aside at once": {padded(firstRead), nil, 202, bothLinks},
		"one byte more":                   {padded(firstRead + 1), nil, 202, bothLinks},
		"one byte more, in chunks":        {padded(firstRead + 1), without, 202, bothLinks},
		"exactly 25 MiB":                  {most, nil, 202, bothLinks},
		"exactly 25 MiB in chunks":        {most, without, 202, bothLinks},
		"25 MiB and a byte":               {more, nil, 413, nil},
		"25 MiB and a byte in chunks":     {more, without, 413, nil},
		"empty":                           {nil, nil, 400, nil},
		"empty, in chunks":                {nil, without, 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			server := httptest.NewServer(r)
			defer server.Close()
			reader := io.Reader(bytes.NewReader(c.body))
			if c.reader != nil {
				reader = c.reader(c.body)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+Path, reader)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = delivery("push", c.body).Header
			request.Header.Set("Expect", "100-continue") // so that no answer is lost behind a body that nobody reads
			client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != c.status {
				t.Errorf("answered %d, want %d", response.StatusCode, c.status)
			}
			if diff := cmp.Diff(c.asked, r.takeAsked()); diff != "" {
				t.Errorf("links asked for (-want +got):\n%s", diff)
			}
			if !r.bodies.inFlight.TryAcquire(MaxBytesInFlight) {
				t.Error("bytes are still in flight")
			}
		})
	}
}

// A body that is signed as a whole, but whose Content-Length says otherwise.
func TestLyingContentLength(t *testing.T) {
	signature := "sha256=" + sign(sha256.New, secret, pushed)
	for name, c := range map[string]struct {
		length string
		result string
	}{
		"too short":     {fmt.Sprint(len(pushed) - 1), "forged"},
		"too long":      {fmt.Sprint(len(pushed) + 1), "aborted"},
		"25 MiB":        {fmt.Sprint(MaxBodySize), "aborted"},
		"above 25 MiB":  {fmt.Sprint(MaxBodySize + 1), "too_large"},
		"beyond number": {"9223372036854775807", "too_large"},
		"zero":          {"0", "forged"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			server := httptest.NewServer(r)
			defer server.Close()
			connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n%s: %s\r\nContent-Length: %s\r\n\r\n%s",
				Path, signatureHeader, signature, c.length, pushed)
			if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, connection)
			server.Close() // waits for the handler
			if asked := r.takeAsked(); len(asked) > 0 {
				t.Errorf("links asked for: %v", asked)
			}
			if diff := cmp.Diff(map[string]int{c.result: 1}, r.counts(t)); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooManyBytesInFlight(t *testing.T) {
	r := newRig(t)
	request := delivery("push", pushed)
	if !r.bodies.inFlight.TryAcquire(MaxBytesInFlight) {
		t.Fatal("something is in flight")
	}
	response := r.deliver(request)
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s", response)
	}
	r.bodies.inFlight.Release(MaxBytesInFlight)
	if status := r.deliver(delivery("push", pushed)).StatusCode; status != http.StatusAccepted {
		t.Errorf("answered %d afterwards", status)
	}
	if diff := cmp.Diff(map[string]int{"overloaded": 1, "accepted": 1}, r.counts(t)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// Whoever promises 25 MiB a thousand times, and sends nothing, keeps nobody out.
func TestPromisesKeepNobodyOut(t *testing.T) {
	r := newRig(t)
	for range 1000 {
		promise := delivery("push", pushed)
		reached, unblock := make(chan struct{}), make(chan struct{})
		promise.Body, promise.ContentLength = waiting{reached, unblock}, MaxBodySize
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.deliver(promise)
		}()
		t.Cleanup(func() { close(unblock); <-done })
		select {
		case <-reached:
		case <-done:
			t.Fatal("a promise is refused: those before it count for more than what came of them")
		}
	}
	if status := r.deliver(delivery("push", pushed)).StatusCode; status != http.StatusAccepted {
		t.Errorf("answered %d", status)
	}
}

// waiting is a body of which nothing comes, until it breaks.
type waiting struct{ reached, unblock chan struct{} }

func (w waiting) Read([]byte) (int, error) {
	close(w.reached)
	<-w.unblock
	return 0, io.ErrUnexpectedEOF
}
func (waiting) Close() error { return nil }

// Whatever comes, all that was counted is given back, and what is read is what was sent.
func TestBodiesGiveBackWhatTheyTook(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const bound = 1 << 20
	b := newBodies(bound)
	var held []func()
	for range 2000 {
		sent := make([]byte, random.IntN(bound/2))
		r := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(sent))
		switch random.IntN(4) {
		case 0:
			r.ContentLength = -1
		case 1:
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(sent), broken{}))
			r.ContentLength = int64(len(sent)) + 1
		case 2:
			r.ContentLength = MaxBodySize + 1
		}
		body, release, err := b.read(r)
		if err == nil && !bytes.Equal(body, sent) {
			t.Fatalf("%d bytes were sent, and %d read", len(sent), len(body))
		}
		if held = append(held, release); random.IntN(3) == 0 {
			for _, release := range held {
				release()
			}
			held = nil
		}
	}
	for _, release := range held {
		release()
	}
	if !b.inFlight.TryAcquire(bound) {
		t.Error("something was kept")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New(strings.Repeat("broken", 2)) }
