package logstore

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"katkit.dev/katkit/internal/contract"
)

func TestAFollowerGetsWhatComesUntilTheEnd(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	response := r.send(t, http.MethodGet, readPath+"?follow=true&tail=1", aliceToken, nil)
	if got := response.Header.Get(contract.HeaderLogComplete); got != "false" {
		t.Errorf("complete is %q", got)
	}
	lines := bufio.NewReader(response.Body)
	expect := func(want string) {
		t.Helper()
		if got, err := lines.ReadString('\n'); got != want || (err != nil && want != "") {
			t.Fatalf("%q comes, not %q: %v", got, want, err)
		}
	}
	expect("one\n")
	r.put(t, 4, "two\n", false)
	expect("two\n")
	other := NewStore(r.store.bucket, clock.RealClock{}, Limits{LogBytes: 1 << 20}) // another replica
	if _, err := other.Append(t.Context(), aLog, 8, strings.NewReader("three\n"), true); err != nil {
		t.Fatal(err)
	}
	expect("three\n")
	if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end comes %v", err)
	}
}

// A reader has to be able to tell an end from a cut.
func TestAFollowerIsCutWhenTheStoreStops(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	response := r.send(t, http.MethodGet, readPath+"?follow=true", aliceToken, nil)
	lines := bufio.NewReader(response.Body)
	if got, err := lines.ReadString('\n'); got != "one\n" {
		t.Fatal(got, err)
	}
	close(r.stopping)
	if _, err := lines.ReadByte(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ends with %v", err)
	}
}

func TestALogIsFollowedBySoManyAtMost(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	followers := make([]reply, maxFollowers)
	for i := range followers {
		followers[i] = r.send(t, http.MethodGet, readPath+"?follow=true", aliceToken, nil)
	}
	status, body := r.does(t, http.MethodGet, readPath+"?follow=true", aliceToken, "")
	if status != http.StatusTooManyRequests || !strings.Contains(body, "others follow this log") {
		t.Errorf("answered %d %s", status, body)
	}
	if status, _ := r.does(t, http.MethodGet, readPath, aliceToken, ""); status != http.StatusOK {
		t.Errorf("reading is answered %d", status)
	}
	for _, follower := range followers {
		follower.Body.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); status != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatalf("still answered %d when all have gone", status)
		}
		response := r.send(t, http.MethodGet, readPath+"?follow=true", aliceToken, nil)
		response.Body.Close()
		status = response.StatusCode
	}
}
