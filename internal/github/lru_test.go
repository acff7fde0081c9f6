package github

import (
	"fmt"
	"net/http"
	"testing"
)

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	cache := newLRU[string, int](10)
	cache.put("a", 1, 4)
	cache.put("b", 2, 4)
	cache.get("a")
	cache.put("c", 3, 4)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := cache.get(key); ok != want {
			t.Errorf("%s is there: %v, want %v", key, ok, want)
		}
	}
	cache.put("a", 9, 6)
	if value, _ := cache.get("a"); value != 9 || cache.cost != 10 || cache.order.Len() != 2 {
		t.Errorf("value %d, cost %d, %d entries; want 9, 10, 2", value, cache.cost, cache.order.Len())
	}
	cache.put("a", 0, 11)
	if _, ok := cache.get("a"); ok || cache.cost != 4 {
		t.Errorf("a value over the whole bound is kept: %v, cost %d", ok, cache.cost)
	}
}

func TestTheCacheStaysWithinItsBytes(t *testing.T) {
	cache := newAnswerCache(64 << 10)
	for i := range 1000 {
		cache.putAnswer(keyOf(fingerprint{}, fmt.Sprint(i)), answer{header: http.Header{"Etag": {"x"}}, body: make([]byte, 1000)})
	}
	if n, cost := len(cache.entries.entries), cache.entries.cost; cost > 64<<10 || n < 30 || n > 64 {
		t.Errorf("%d entries that cost %d", n, cost)
	}
}

func TestNoTwoQuestionsShareAKey(t *testing.T) {
	seen := map[cacheKey][]string{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}} {
		key := keyOf(fingerprint{1}, parts...)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q share a key", parts, other)
		}
		seen[key] = parts
		if key == keyOf(fingerprint{2}, parts...) {
			t.Errorf("%q has one key for two tokens", parts)
		}
	}
}

func TestForeignTextBecomesOneShortLine(t *testing.T) {
	for text, want := range map[string]string{
		" a\tb\x1b[31m ": "a b [31m",
		"\xff":           "\uFFFD",
		"äöüäöü":         "äöüäöü",
		"0123456789ab":   "012345678…",
	} {
		if got := oneLine(text, 10); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
