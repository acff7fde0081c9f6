package diff

import (
	"fmt"
	"io"
	"strings"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

// maxImage is the longest image that is shown, in characters: all of one that Katkit would set.
const maxImage = servicedesc.MaxImageLength

// Text writes the comparison for people.
func (c Comparison) Text(w io.Writer) error {
	var b strings.Builder
	for _, s := range c.Services {
		s.text(&b)
	}
	for _, name := range c.LeftAlone {
		fmt.Fprintf(&b, "%s: left alone, its DockerImage has no %s\n", diagnostic.Printable(name, 253), servicedesc.Token)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Service) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s/%s, container %s\n", strings.ToLower(s.Kind), s.Name, s.Container)
	// An API server takes any text for an image.
	before := diagnostic.Printable(s.Before, maxImage)
	if s.Before == s.After {
		fmt.Fprintf(b, "  image: %s (no change)\n", before)
		return
	}
	fmt.Fprintf(b, "- image: %s\n+ image: %s\n", before, s.After)
	replicas := count(int(s.Replicas), "replica", "replicas")
	if s.Kind == "DaemonSet" {
		replicas = "a Pod on each of " + count(int(s.Replicas), "node", "nodes")
	}
	kept := []string{count(s.Env, "environment variable", "environment variables")}
	if s.EnvFrom > 0 {
		kept = append(kept, count(s.EnvFrom, "source of variables", "sources of variables"))
	}
	kept = append(kept, replicas)
	if len(s.Others) > 0 {
		kept = append(kept, count(len(s.Others), "other container", "other containers")+" ("+strings.Join(s.Others, ", ")+")")
	}
	fmt.Fprintf(b, "  kept: %s\n", strings.Join(kept, ", "))
	fmt.Fprintln(b, "  set as well: the workload's annotations that name the run and the commit")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
