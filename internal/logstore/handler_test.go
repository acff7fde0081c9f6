package logstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestAPodWritesItsLogAndAliceReadsIt(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\ntwo\n", false)
	if got, want := r.put(t, 4, "two\nthree", true), (contract.LogState{Bytes: 13, Complete: true}); got != want {
		t.Errorf("the state is %+v", got)
	}
	if status, body := r.does(t, http.MethodGet, writePath, podToken, ""); status != 200 || strings.TrimSpace(body) != `{"bytes":13,"complete":true}` {
		t.Errorf("the state is %d %s", status, body)
	}
	for query, want := range map[string]string{
		"":                                   "0 one\ntwo\nthree",
		"?offset=8":                          "8 three",
		"?offset=13&follow=true":             "13 ",
		"?tail=2":                            "4 two\nthree",
		"?tail=0":                            "13 ",
		"?tail=99999999999":                  "0 one\ntwo\nthree",
		"?since=2026-01-02T03:04:05Z&tail=1": "8 three",
		"?since=2226-01-02T03:04:05Z":        "13 ",
		"?follow=true&since=2026-01-02T03:04:05.123%2B02:00": "0 one\ntwo\nthree",
	} {
		response := r.send(t, http.MethodGet, readPath+query, aliceToken, nil)
		content, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s is answered %d %s, %v", query, response.StatusCode, content, err)
		}
		if got := response.Header.Get(contract.HeaderLogOffset) + " " + string(content); got != want {
			t.Errorf("%s is answered %q, not %q", query, got, want)
		}
		for name, want := range map[string]string{
			contract.HeaderLogComplete: "true", "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff",
		} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	}
}

func TestWhoMayNotIsTold(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "secret of the build\n", true)
	put := func(query string) string { return "PUT " + writePath + query }
	read := "GET " + readPath
	for name, test := range map[string]struct {
		request, token string
		status         int
		message        string
	}{
		"a write without a token":       {put("?offset=0"), "", 401, "a token is missing"},
		"a write with a wrong one":      {put("?offset=0"), wrongToken, 401, "does not know the token as one for the audience katkit-logstore"},
		"a write with a person's":       {put("?offset=0"), aliceToken, 401, "is not that of a Pod for the audience katkit-logstore"},
		"a write of another Pod":        {put("?offset=0"), otherPodToken, 403, "the Pod d-shop/other, which writes its own log"},
		"a write elsewhere":             {"PUT /v1/namespaces/other/pods/" + aLog.Pod + "/log", podToken, 403, "writes its own log"},
		"a write of no Pod":             {put("?offset=0"), accountToken, 403, "bound to no Pod"},
		"a state of another Pod":        {"GET " + writePath, otherPodToken, 403, "writes its own log"},
		"a write that leaves a gap":     {put("?offset=99"), podToken, 409, `"bytes":20,"complete":true`},
		"a write from before the begin": {put("?offset=-1"), podToken, 400, "offset="},
		"a write that is perhaps all":   {put("?offset=0&complete=yes"), podToken, 400, "neither true nor false"},
		"a read without a token":        {read, "", 401, "a token is missing: send the header Katkit-Authorization: Bearer TOKEN"},
		"a read with a wrong one":       {read, "wrong", 401, "does not know the token: it is wrong"},
		"a read with the Pod's":         {read, podToken, 401, "does not know the token: it is wrong"},
		"a read of bob's":               {read, bobToken, 403, "bob may not get phases/log.katkit.dev build-1-test in the namespace d-shop"},
		"a read elsewhere":              {"GET " + contract.ReadLogPath("other", phase, aLog.Pod), aliceToken, 403, "alice may not"},
		"another phase's":               {"GET " + contract.ReadLogPath(aLog.Namespace, "build-1-deploy", aLog.Pod), aliceToken, 403, "alice may not"},
		"a Pod of another phase":        {"GET " + contract.ReadLogPath(aLog.Namespace, phase, "build-1-deploy-0a1b2c3d-1-0"), aliceToken, 404, "is no Pod of the phase"},
		"a folder above":                {"GET " + contract.ReadLogPath(aLog.Namespace, phase, "../d-other"), aliceToken, 404, "is no Pod of the phase"},
		"a Pod without a log":           {"GET " + contract.ReadLogPath(aLog.Namespace, phase, phase+"-0a1b2c3d-2-0"), aliceToken, 404, "nothing of the log"},
		"a read behind the end":         {read + "?offset=21", aliceToken, 416, "20 bytes of it are stored"},
		"a read from two places":        {read + "?offset=1&tail=1", aliceToken, 400, "choose"},
		"a read of minus a line":        {read + "?tail=-1", aliceToken, 400, "tail="},
		"a read since yesterday":        {read + "?since=yesterday", aliceToken, 400, "is no time such as"},
		"anything else":                 {"GET /", aliceToken, 404, "there is nothing here"},
		"a deletion":                    {"DELETE " + writePath, podToken, 404, "there is nothing here"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			status, body := r.does(t, method, path, test.token, "x")
			var answer struct{ Error string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != test.status || !strings.Contains(body, test.message) || answer.Error == "" {
				t.Errorf("answered %d %s", status, body)
			}
			if strings.Contains(body, "secret of the build") {
				t.Error("the log is in it")
			}
		})
	}
	if strings.Contains(r.logged.String(), "token-of") {
		t.Errorf("a token was logged: %s", r.logged.String())
	}
}

func TestTheTokenMayComeInAHeaderThatTheProxyPasses(t *testing.T) {
	r := newRig(t)
	r.put(t, 0, "one\n", true)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+readPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(contract.HeaderLogAuthorization, "bearer "+aliceToken)
	request.Header.Set("Authorization", "Bearer "+bobToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("answered %s", response.Status)
	}
}

func TestAChunkHasSoManyBytesAtMostWhateverItSaysOfItself(t *testing.T) {
	r := newRig(t)
	for name, body := range map[string]io.Reader{
		"it tells how many":  bytes.NewReader(make([]byte, contract.MaxLogChunk+1)),
		"it tells not":       struct{ io.Reader }{bytes.NewReader(make([]byte, contract.MaxLogChunk+1))},
		"it goes on forever": struct{ io.Reader }{forever{}},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+writePath+"?offset=0", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+podToken)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // it was cut while it still sent
		}
		response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: answered %s", name, response.Status)
		}
	}
	if got := keys(t, r.store.bucket); len(got) > 0 {
		t.Errorf("%q is stored", got)
	}
	if got := r.put(t, 0, string(make([]byte, contract.MaxLogChunk)), false); got.Bytes != contract.MaxLogChunk {
		t.Errorf("%d bytes are stored", got.Bytes)
	}
	for range 2 { // what the log has no room for
		status, body := r.does(t, http.MethodPut, fmt.Sprintf("%s?offset=%d", writePath, contract.MaxLogChunk), podToken, string(make([]byte, contract.MaxLogChunk)))
		if status == http.StatusOK {
			status, body = r.does(t, http.MethodPut, fmt.Sprintf("%s?offset=%d", writePath, 2*contract.MaxLogChunk), podToken, string(make([]byte, contract.MaxLogChunk)))
		}
		if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "--max-log-bytes") {
			t.Errorf("answered %d %s", status, body)
		}
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

func TestABodyThatIsCutLeavesNothing(t *testing.T) {
	r := newRig(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+writePath+"?offset=0", broken(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+podToken)
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Fatal("it was answered", response.Status)
	}
	if got := r.put(t, 0, "", false); got.Bytes != 0 { // which waits for the one before
		t.Errorf("%d bytes are stored", got.Bytes)
	}
}
