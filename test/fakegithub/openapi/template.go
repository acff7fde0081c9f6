package openapi

import (
	"net/url"
	"strings"
	"sync"
)

// template is a path of the description, such as /repos/{owner}/{repo}/branches/{branch}. The routers of kin-openapi
// don't know GitHub's extension by which a parameter may hold slashes, escaped or not.
type template struct {
	path     string
	segments []string
	literals int // how many segments are no parameters; more of them make a better match
	// methods, and the parameters that may hold slashes.
	methods, multi func() map[string]bool
}

func newTemplate(path string, methods, multi func() map[string]bool) *template {
	t := &template{path: path, segments: strings.Split(strings.TrimPrefix(path, "/"), "/"), methods: sync.OnceValue(methods), multi: sync.OnceValue(multi)}
	for _, segment := range t.segments {
		if parameterName(segment) == "" {
			t.literals++
		}
	}
	return t
}

func parameterName(segment string) string {
	if strings.HasPrefix(segment, "{") && strings.Count(segment, "{") == 1 && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1]
	}
	return ""
}

// match returns the unescaped values of the parameters.
func (t *template) match(path []string) (map[string]string, bool) {
	values := map[string]string{}
	return values, t.matchRest(t.segments, path, values)
}

func (t *template) matchRest(segments, path []string, values map[string]string) bool {
	if len(segments) == 0 {
		return len(path) == 0
	}
	name := parameterName(segments[0])
	for n := 1; n <= len(path)-len(segments)+1; n++ {
		switch {
		case name == "" && (n > 1 || segments[0] != path[0]):
			return false
		case path[n-1] == "":
			return false
		case n > 1 && (name == "owner" || name == "repo" || !t.multi()[name]):
			return false
		}
		if !t.matchRest(segments[1:], path[n:], values) {
			continue
		}
		if name == "" {
			return true
		}
		value, err := url.PathUnescape(strings.Join(path[:n], "/"))
		values[name] = value
		return err == nil
	}
	return false
}
