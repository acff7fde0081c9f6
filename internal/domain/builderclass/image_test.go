package builderclass_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
)

const digest, otherDigest = "@sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	"@sha256:" + "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

func TestMatch(t *testing.T) {
	for pattern, c := range map[string]struct{ match, differ []string }{
		"registry.example/team/builder": {
			match:  []string{"registry.example/team/builder", "registry.example/team/builder:1", "registry.example/team/builder" + digest, "registry.example/team/builder:1" + digest},
			differ: []string{"registry.example/team/builder2", "registry.example/team/builder/x", "registry.example/team", "other.example/team/builder", "registry.example:5000/team/builder", "team/builder"}},
		"registry.example/team/*": {
			match:  []string{"registry.example/team/a", "registry.example/team/a:1", "registry.example/team/a/b/c"},
			differ: []string{"registry.example/team", "registry.example/teams/a", "registry.example/x/team/a", "evil.example/registry.example/team/a", "registry.example.evil.example/team/a"}},
		"registry.example/*":           {match: []string{"registry.example/a", "registry.example/a/b:1"}, differ: []string{"registry.example.evil.example/a", "a/b"}},
		"registry.example/*/builder":   {match: []string{"registry.example/a/builder:1"}, differ: []string{"registry.example/a/b/builder", "registry.example/builder", "registry.example/a/builder/b"}},
		"registry.example/team-*/ci":   {match: []string{"registry.example/team-a/ci"}, differ: []string{"registry.example/team-a/b/ci", "registry.example/other/ci"}},
		"*.example/ci":                 {match: []string{"a.example/ci", "a.b.example/ci"}, differ: []string{"evil.test/a.example/ci", "a.example.test/ci"}},
		"registry.example:5000/team/*": {match: []string{"registry.example:5000/team/a:1"}, differ: []string{"registry.example/team/a", "registry.example:5001/team/a"}},
		"localhost/ci":                 {match: []string{"localhost/ci:1"}, differ: []string{"docker.io/localhost/ci"}},
		"busybox":                      {match: []string{"busybox", "docker.io/busybox:1", "docker.io/library/busybox", "index.docker.io/library/busybox"}, differ: []string{"busybox2", "acme/busybox", "registry.example/busybox", "registry.example/library/busybox"}},
		"docker.io/busybox":            {match: []string{"busybox"}, differ: []string{"acme/busybox"}},
		"index.docker.io/acme/*":       {match: []string{"acme/ci"}, differ: []string{"busybox"}},
		"acme/*":                       {match: []string{"acme/ci", "docker.io/acme/ci:1"}, differ: []string{"busybox", "registry.example/acme/ci", "acme2/ci"}},
		"docker.io/*":                  {match: []string{"busybox", "acme/ci"}, differ: []string{"registry.example/ci"}},
		"*":                            {match: []string{"busybox", "acme/ci:1", "registry.example/a/b/c" + digest}},
		"acme/ci:1":                    {match: []string{"acme/ci:1"}, differ: []string{"acme/ci", "acme/ci:11", "acme/ci:2", "acme/ci" + digest, "acme/ci:1" + digest}},
		"acme/ci:v1.*":                 {match: []string{"acme/ci:v1.2", "acme/ci:v1.2.3"}, differ: []string{"acme/ci:v2.1", "acme/ci", "acme/ci:v1.2" + digest}},
		"acme/ci:latest":               {match: []string{"acme/ci", "acme/ci:latest"}, differ: []string{"acme/ci" + digest}},
		"acme/ci" + digest:             {match: []string{"acme/ci" + digest, "acme/ci:1" + digest}, differ: []string{"acme/ci", "acme/ci:1", "acme/ci" + otherDigest, "acme/other" + digest}},
		"acme//ci":                     {differ: []string{"acme/ci"}},
		"":                             {differ: []string{"busybox", "acme/ci"}},
	} {
		for _, image := range c.match {
			if !builderclass.Match(pattern, image) {
				t.Errorf("%q does not stand for %s", pattern, image)
			}
		}
		for _, image := range append(c.differ, "", " ", "acme/CI", "::", "https://registry.example/team/a") {
			if builderclass.Match(pattern, image) {
				t.Errorf("%q stands for %q", pattern, image)
			}
		}
	}
}

func TestCheckImage(t *testing.T) {
	class := class("standard", true, nil)
	class.Spec.Image = "registry.example/builder:1"
	for name, c := range map[string]struct {
		allowed []string
		image   string
		refused bool
	}{
		"all, when none is listed":          {image: "anybody/anything:1"},
		"the class's own, whatever is said": {allowed: []string{"acme/*"}, image: "registry.example/builder:1"},
		"one of those":                      {allowed: []string{"acme/*", "registry.example/team/*"}, image: "registry.example/team/ci:1"},
		"none of those":                     {allowed: []string{"acme/*", "registry.example/team/*"}, image: "evil/ci:1", refused: true},
		"another of the class's repository": {allowed: []string{"acme/*"}, image: "registry.example/builder:2", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			class.Spec.AllowedImages = c.allowed
			cause := builderclass.CheckImage(&class, c.image, "phase BUILD")
			if !c.refused {
				if cause != nil {
					t.Error(cause)
				}
				return
			}
			if cause == nil || cause.Reason != v1alpha1.ReasonImageNotAllowed || cause.Transient || !builderclass.Explains(cause.Reason) || builderclass.Explains(v1alpha1.ReasonReady) {
				t.Fatalf("got %v", cause)
			}
			for _, text := range append(c.allowed, "phase BUILD asks for the builder image "+c.image, "BuilderClass standard", class.Spec.Image) {
				if !strings.Contains(cause.Message, text) {
					t.Errorf("%q is not in: %s", text, cause.Message)
				}
			}
		})
	}
}

// FuzzMatch: a pattern never stands for an image of another registry, nor of a repository that begins otherwise; what has no * stands
// for one repository.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"registry.example/team/*", "registry.example/team/a:1"}, {"*", "busybox"}, {"acme/ci:1", "acme/ci:1" + digest}, {"*.example/ci", "evil.test/a.example/ci"},
		{"busybox", "docker.io/library/busybox"}, {"a/*/b", "a/x/y/b"}, {"acme/ci" + digest, "acme/ci"}, {"docker.io/*", "x"}, {"A/b", "A/b"}, {":5000/*", "x:1"}, {"[a]/b", "a/b"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, image string) {
		if strings.ContainsAny(pattern, `[?\`) || pattern == "*" || !builderclass.Match(pattern, image) {
			return
		}
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			t.Fatalf("%q stands for %q, which is no image", pattern, image)
		}
		repository, _, _ := strings.Cut(pattern, "@")
		literal, _, wild := strings.Cut(repository, "*")
		if !wild {
			want, err := reference.ParseNormalizedNamed(pattern)
			if err != nil || want.Name() != named.Name() {
				t.Errorf("%q stands for %q", pattern, image)
			}
			return
		}
		if host, _, below := strings.Cut(literal, "/"); below && strings.ContainsAny(host, ".:") {
			if reference.Domain(named) != strings.Replace(host, "index.docker.io", "docker.io", 1) {
				t.Errorf("%q stands for %q, of another registry", pattern, image)
			}
		}
	})
}
