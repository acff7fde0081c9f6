package servicedesc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"katkit.dev/katkit/internal/domain/diagnostic"
)

// Container is one container of a workload's Pod template.
type Container struct {
	// Name is the container's name, unique in its Pod.
	Name string
	// Image is the container's live image.
	Image string
}

// PickContainer returns the name of the container that a role's new image is
// for, of a workload's containers without its init containers:
// the one named like the role, else the only one, else the only one whose image
// has the same repository as image. Otherwise the error lists the candidates
// and says what to do.
func PickContainer(role, image string, containers []Container) (string, error) {
	for _, c := range containers {
		if c.Name == role {
			return c.Name, nil
		}
	}
	switch len(containers) {
	case 0:
		return "", errors.New("the workload has no container")
	case 1:
		return containers[0].Name, nil
	}
	var same []Container
	if wanted, ok := repository(image); ok {
		for _, c := range containers {
			if have, ok := repository(c.Image); ok && have == wanted {
				same = append(same, c)
			}
		}
	}
	switch len(same) {
	case 0:
		return "", fmt.Errorf("no container is named %s, and none runs an image of the repository of %s: name the container to upgrade %s; the workload has %s",
			role, image, role, candidates(containers))
	case 1:
		return same[0].Name, nil
	default:
		return "", fmt.Errorf("no container is named %s, and %d run an image of the repository of %s: name the container to upgrade %s; candidates are %s",
			role, len(same), image, role, candidates(same))
	}
}

// repository is an image's full repository, "docker.io/library/redis" for "redis:7".
func repository(image string) (string, bool) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", false
	}
	return named.Name(), true
}

func candidates(containers []Container) string {
	const shown = 8
	var names []string
	for _, c := range containers[:min(len(containers), shown)] {
		names = append(names, fmt.Sprintf("%s (%s)", c.Name, diagnostic.Printable(c.Image, 80)))
	}
	if more := len(containers) - shown; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
