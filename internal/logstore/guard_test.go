package logstore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/contract"
)

// asks tells what the API server is asked while something is done.
func (r *rig) asks(t *testing.T, do func(), want ...string) {
	t.Helper()
	r.asked = nil
	do()
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Error(diff)
	}
}

// The API server is asked once for what is asked again soon, whatever it said.
func TestTheAPIServerIsAskedOnce(t *testing.T) {
	r := newRig(t)
	r.asks(t, func() {
		for range 3 {
			r.put(t, 0, "one\n", false)
			r.does(t, http.MethodGet, readPath, aliceToken, "")
		}
	}, "token", "token", "access")
	r.asks(t, func() {
		for range 3 {
			if status, body := r.does(t, http.MethodGet, readPath, bobToken, ""); status != http.StatusForbidden || !strings.Contains(body, "bob may not get") {
				t.Errorf("bob is answered %d %s", status, body)
			}
		}
	}, "token", "access")
	r.asks(t, func() {
		for range 3 {
			if status, body := r.does(t, http.MethodPut, writePath, wrongToken, "x"); status != http.StatusUnauthorized || !strings.Contains(body, "does not know the token") {
				t.Errorf("a wrong token is answered %d %s", status, body)
			}
		}
	}, "token")
}

// What was refused is asked again when a while has passed, and what could not be answered at once.
func TestARefusalDoesNotLast(t *testing.T) {
	r := newRig(t)
	r.asks(t, func() {
		r.does(t, http.MethodPut, writePath, wrongToken, "x")
		r.clock.SetTime(at.Add(deniedTTL + 1))
		r.does(t, http.MethodPut, writePath, wrongToken, "x")
	}, "token", "token")
	r.down = true
	r.asks(t, func() {
		for range 2 {
			status, body := r.does(t, http.MethodPut, writePath, otherPodToken, "x")
			if status != http.StatusServiceUnavailable || !strings.Contains(body, "try again") {
				t.Errorf("answered %d %s without an API server", status, body)
			}
		}
	}, "token", "token")
}

// Thousands of wrong tokens push out no right one.
func TestWrongTokensPushOutNoRightOne(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", false)
	for i := range rememberedReviews + 1 {
		_ = r.handler.Guard.deny(hashOf(fmt.Sprint(i)), http.StatusUnauthorized, "no")
	}
	r.asks(t, func() { r.put(t, 0, "one\n", false) })
}

// The API server is not asked about what does not even say that it is a Pod's token for the log store.
func TestWhatIsNoPodsTokenIsRefusedUnasked(t *testing.T) {
	r := newRig(t)
	const payload = `{"iss":"i","aud":["katkit-logstore"],"kubernetes.io":{"namespace":"n","pod":{"name":"p","uid":"u"}}}`
	if !looksBound(tokenOf(payload)) || !looksBound(tokenOf(strings.NewReplacer("[", "", "]", "").Replace(payload))) {
		t.Error("a token that says all of it is refused")
	}
	for name, token := range map[string]string{
		"no JWT":              "t0ken",
		"two parts":           strings.TrimSuffix(tokenOf(payload), ".signature"),
		"no base64":           "a.{}.c",
		"no JSON":             tokenOf("hello"),
		"a list":              tokenOf("[]"),
		"of nobody":           tokenOf(strings.Replace(payload, `"i"`, `""`, 1)),
		"for the API server":  tokenOf(strings.Replace(payload, contract.LogAudience, "https://kubernetes.default.svc", 1)),
		"an audience of 1":    tokenOf(strings.Replace(payload, `["katkit-logstore"]`, "1", 1)),
		"of an account":       tokenOf(`{"iss":"i","aud":["katkit-logstore"],"kubernetes.io":{"namespace":"n","serviceaccount":{"name":"default","uid":"u"}}}`),
		"of a node":           tokenOf(`{"iss":"i","aud":["katkit-logstore"],"kubernetes.io":{"namespace":"n","node":{"name":"p","uid":"u"}}}`),
		"of another issuer's": tokenOf(`{"iss":"https://accounts.example.com","aud":["katkit-logstore"],"sub":"ann"}`),
	} {
		t.Run(name, func(t *testing.T) {
			r.asks(t, func() {
				if status, body := r.does(t, http.MethodPut, writePath, token, "x"); status != http.StatusUnauthorized || !strings.Contains(body, "is not that of a Pod") {
					t.Errorf("answered %d %s", status, body)
				}
			})
		})
	}
}

// What a token says of itself opens nothing: the API server's word counts.
func TestATokensOwnWordOpensNothing(t *testing.T) {
	r := newRig(t)
	for token, want := range map[string]int{wrongToken: http.StatusUnauthorized, accountToken: http.StatusForbidden} {
		if status, body := r.does(t, http.MethodPut, writePath, token, "x"); status != want {
			t.Errorf("answered %d %s", status, body)
		}
	}
}
