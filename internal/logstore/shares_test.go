package logstore

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// enterNow takes a place that has to be free.
func enterNow(t *testing.T, s *shares, who string) (leave func()) {
	t.Helper()
	leave, err := s.enter(canceled(), who)
	if err != nil {
		t.Fatalf("there is no place for %s", who)
	}
	return leave
}

func full(t *testing.T, s *shares, who string) {
	t.Helper()
	if leave, err := s.enter(canceled(), who); err == nil {
		leave()
		t.Fatalf("there is a place for %s", who)
	}
}

func TestNobodyHasMoreThanAShare(t *testing.T) {
	s := newShares(4, 2)
	one, two := enterNow(t, s, "a"), enterNow(t, s, "a")
	full(t, s, "a")
	three, four := enterNow(t, s, "b"), enterNow(t, s, "c")
	full(t, s, "b") // though its share is not used up
	one()
	five := enterNow(t, s, "b")
	full(t, s, "b")
	for _, leave := range []func(){two, three, four, five} {
		leave()
	}
	if len(s.own)+len(s.uses)+len(s.places) > 0 {
		t.Errorf("left are %v %v", s.own, s.uses)
	}
}

// However many of one wait for a place, another one's turn comes after a share of them.
func TestWhoAsksForMuchDoesNotHoldUpOthers(t *testing.T) {
	s := newShares(1, 1)
	held := enterNow(t, s, "flood")
	came := make(chan string, 101)
	wait := func(who string) {
		go func() {
			leave, err := s.enter(t.Context(), who)
			if err != nil {
				t.Error(err)
				return
			}
			came <- who
			leave()
		}()
	}
	for range 100 {
		wait("flood")
	}
	waiting := func(want int) {
		for deadline := time.Now().Add(20 * time.Second); ; {
			s.mu.Lock()
			uses := s.uses["flood"] + s.uses["other"]
			s.mu.Unlock()
			if uses == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d wait", uses)
			}
		}
	}
	waiting(101)
	wait("other")
	waiting(102)
	held()
	for n := range 101 {
		if who := <-came; who == "other" && n > 2 {
			t.Errorf("another one's turn came after %d others", n)
		}
	}
}

// stall begins to write a log, and stops amid it.
func (r *rig) stall(t *testing.T, path, token string) (end func()) {
	t.Helper()
	body, more := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+path+"?offset=0", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	return func() {
		more.Close()
		<-ended
	}
}

// A Pod that sends any number of requests at once and none to its end has one of the places, and holds up its own log alone.
func TestAPodThatStallsHoldsUpItsOwnLogAlone(t *testing.T) {
	r := newRig(t)
	const flood = 8 // of 4 places
	for range flood {
		defer r.stall(t, writePath, podToken)()
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		r.store.entries.mu.Lock()
		h := r.store.entries.all[aLog]
		users := 0
		if h != nil {
			users = h.users
		}
		r.store.entries.mu.Unlock()
		if users == flood && len(r.handler.writes.places) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests of the log have come, and have %d places", users, len(r.handler.writes.places))
		}
	}
	begin := time.Now()
	status, body := r.does(t, http.MethodPut, "/v1/namespaces/d-strange/pods/strange/log?offset=0", strangeToken, "one\n")
	if took := time.Since(begin); status != http.StatusOK || took > turnTimeout/2 {
		t.Errorf("another Pod is answered %d %s after %s", status, body, took)
	}
}

func TestAnAddressHasAShareOfTheConnections(t *testing.T) {
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := newPerAddress(inner, 2)
	defer listener.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- connection
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		return connection
	}
	dial()
	first := <-accepted
	dial()
	second := <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a third connection is not closed: %v", err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	_ = first.Close() // twice counts once
	dial()
	dial()
	for range 2 {
		defer (<-accepted).Close()
	}
	listener.mu.Lock()
	defer listener.mu.Unlock()
	if n := listener.open["127.0.0.1"]; n != 2 {
		t.Errorf("%d connections count", n)
	}
}
