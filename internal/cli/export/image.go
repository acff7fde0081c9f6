package export

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/distribution/reference"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

// digits are runs of hexadecimal digits in a tag; those of 40 are a commit's sha.
var digits = regexp.MustCompile(`[0-9a-f]+`)

const shaLength = 40

// template turns a live image into a DockerImage with the token in place of what a commit changes, spelled as it is
// otherwise:
//
//	web, web:1.2, web@sha256:…, web:1.2@sha256:…   web:<hubtag>
//	r:5000/web:v2_<sha of 40 digits>               r:5000/web:v2_<hubtag>
//
// A digest is left out, since it would keep the image as it is whatever the tag. The notes say what a person may not
// expect. The error says that it is no image reference.
func template(image string) (dockerImage string, notes []string, err error) {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return "", nil, fmt.Errorf("its image %s is not an image reference: %w", diagnostic.Printable(image, 120), err)
	}
	rest, digest, pinned := strings.Cut(image, "@")
	name, tag := rest, ""
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, '/') {
		name, tag = rest[:colon], rest[colon+1:]
	}
	if pinned {
		notes = append(notes, fmt.Sprintf("its image is pinned to %s; a deployment sets a tag without digest", digest))
	}
	if tag == "" && !pinned {
		notes = append(notes, "its image has no tag, which means latest; a deployment sets one")
	}
	return name + ":" + tokenFor(tag), notes, nil
}

// tokenFor puts the token in place of the sha that a tag holds, else of the whole tag. A tag with two different shas
// does not tell which one is the commit's.
func tokenFor(tag string) string {
	sha := ""
	for _, run := range digits.FindAllString(tag, -1) {
		if len(run) != shaLength {
			continue
		}
		if sha != "" && run != sha {
			return servicedesc.Token
		}
		sha = run
	}
	if sha == "" {
		return servicedesc.Token
	}
	return digits.ReplaceAllStringFunc(tag, func(run string) string {
		if run == sha {
			return servicedesc.Token
		}
		return run
	})
}
