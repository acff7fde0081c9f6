package builderclass

import (
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// CheckImage tells whether a class lets a link or a workflow bring a builder image: its own it always does. The problem, of reason
// ImageNotAllowed, says who asks for it, and lists what the class allows.
func CheckImage(class *v1alpha1.BuilderClass, image, who string) *problem.Problem {
	if allows(class.Spec, image) {
		return nil
	}
	allowed := append([]string{class.Spec.Image}, class.Spec.AllowedImages...)
	return problem.Config(v1alpha1.ReasonImageNotAllowed,
		"%s asks for the builder image %s, which BuilderClass %s does not allow: use one of %s; or ask a cluster admin to add it to the class's allowedImages",
		who, image, class.Name, strings.Join(allowed, ", "))
}

func allows(class v1alpha1.BuilderClassSpec, image string) bool {
	if len(class.AllowedImages) == 0 || image == class.Image {
		return true
	}
	return slices.ContainsFunc(class.AllowedImages, func(pattern string) bool { return Match(pattern, image) })
}

// Match tells whether an image is one of those that a pattern stands for. Both are compared as the runtime reads them, with the
// registry written out: "acme/builder" is "docker.io/acme/builder".
//
// A pattern is a repository, with or without ":tag" or "@digest". A * in an element of its path, or in the tag, stands for any
// characters but a slash; a last element that is a * alone stands for one or more elements. "*" alone stands for all images. Without
// tag and digest the pattern stands for all of them. One with a tag does not stand for an image with a digest, since that is what
// the runtime goes by; an image with neither is that of the tag "latest". What is no image reference matches nothing.
func Match(pattern, image string) bool {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return false
	}
	if pattern == "*" {
		return true
	}
	repository, tag, digest := split(pattern)
	return matchPath(strings.Split(normalize(repository), "/"), strings.Split(named.Name(), "/")) && matchVersion(tag, digest, named)
}

// split takes a pattern apart. A colon before the last slash is that of the registry's port.
func split(pattern string) (repository, tag, digest string) {
	pattern, digest, _ = strings.Cut(pattern, "@")
	if i := strings.LastIndexByte(pattern, ':'); i > strings.LastIndexByte(pattern, '/') {
		return pattern[:i], pattern[i+1:], digest
	}
	return pattern, "", digest
}

// normalize writes the registry out, by the rule of image references: the first element is one if it looks like a host.
func normalize(repository string) string {
	first, rest, below := strings.Cut(repository, "/")
	switch {
	case !below:
		return "docker.io/library/" + first
	case first == "index.docker.io":
		first = "docker.io"
	case !strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first:
		return "docker.io/" + repository
	}
	if first == "docker.io" && !strings.Contains(rest, "/") && rest != "*" {
		rest = "library/" + rest
	}
	return first + "/" + rest
}

func matchPath(pattern, name []string) bool {
	last := len(pattern) - 1
	for i, element := range pattern {
		switch {
		case i >= len(name):
			return false
		case i == last && element == "*":
			return true
		case !matchElement(element, name[i]):
			return false
		}
	}
	return len(name) == len(pattern)
}

func matchElement(pattern, element string) bool {
	matched, err := path.Match(pattern, element)
	return matched && err == nil
}

func matchVersion(tag, digest string, named reference.Named) bool {
	got, hasDigest := named.(reference.Digested)
	if digest != "" {
		return hasDigest && got.Digest().String() == digest
	}
	if tag == "" {
		return true
	}
	tagged, hasTag := reference.TagNameOnly(named).(reference.Tagged)
	return !hasDigest && hasTag && matchElement(tag, tagged.Tag())
}
