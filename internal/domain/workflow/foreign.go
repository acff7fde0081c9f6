package workflow

import (
	"strconv"
	"strings"

	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/domain/jsonfile"
)

// Numbers that the original product has for container platforms on Linux:
// its own agent, and Kubernetes.
const (
	platformLinux           = 0
	platformLinuxKubernetes = 7
)

// allocationTag reads the label value that a node must carry.
func (p *reader) allocationTag(v hujson.Value) string {
	if jsonfile.IsEmpty(v) {
		return ""
	}
	tag, ok := p.Text(v, fieldAllocationTags)
	if !ok {
		return ""
	}
	tag = strings.Trim(tag, space)
	if !isLabelValue(tag) {
		p.Errorf(v, "AllocationTags must be one value of the node label katkit.dev/allocation-tag: at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last")
		return ""
	}
	return tag
}

// isLabelValue is Kubernetes' rule for a label's value, the empty one apart.
func isLabelValue(s string) bool {
	for i, c := range []byte(s) {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		inside := 0 < i && i < len(s)-1
		if !alphanumeric && !(inside && (c == '-' || c == '_' || c == '.')) {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// idleInDeployment warns of fields that only an execution phase has a use for.
func (p *reader) idleInDeployment(fields jsonfile.Fields) {
	for _, field := range []string{fieldContainerImage, fieldFailFast, fieldAllocationTags} {
		if v := fields[field]; !jsonfile.IsEmpty(v) {
			p.Warnf(v, "%s has no effect on a deployment phase, which runs no builder: remove it", field)
		}
	}
	v := fields[fieldParallelism]
	if n, ok := number(v); !jsonfile.IsEmpty(v) && !(ok && (n == 0 || n == 1)) {
		p.Warnf(v, "Parallelism has no effect on a deployment phase: write 1 or remove it")
	}
}

// foreign deals with fields of the original product that have no meaning here:
// a warning where they ask for nothing, an error where they ask for something
// that a builder would then lack.
func (p *reader) foreign(fields jsonfile.Fields) {
	for _, field := range []string{fieldCloud, fieldCollocation} {
		if v, written := fields[field]; written {
			p.Warnf(v, "%s has no meaning in Katkit, it is ignored: remove it", field)
		}
	}
	if v, written := fields[fieldPlatform]; written {
		p.platform(v)
	}
	if v, written := fields[fieldVolumes]; written {
		p.volumes(v)
	}
}

func (p *reader) platform(v hujson.Value) {
	written, _ := p.Text(v, fieldPlatform)
	n, isNumber := number(v)
	linux := isNumber && (n == platformLinux || n == platformLinuxKubernetes)
	if jsonfile.IsEmpty(v) || linux || strings.EqualFold(strings.Trim(written, space), "linux") {
		p.Warnf(v, "ContainerPlatform has no meaning in Katkit, builders run on Linux: remove it")
		return
	}
	p.Errorf(v, "ContainerPlatform asks for something other than Linux (%d, %d or \"Linux\"), and builders run on Linux: remove it, or build elsewhere",
		platformLinux, platformLinuxKubernetes)
}

func (p *reader) volumes(v hujson.Value) {
	if lit, ok := v.Value.(hujson.Literal); jsonfile.IsEmpty(v) || ok && strings.Trim(lit.String(), space+"[]{}") == "" {
		p.Warnf(v, "Volumes has no meaning in Katkit, it is ignored: remove it")
		return
	}
	p.Errorf(v, "Volumes asks for volumes or paths of the host, which a builder does not get: remove it, and fetch in ci.sh what the build needs")
}

// number reads a whole number that may be written as a string.
func number(v hujson.Value) (int64, bool) {
	lit, ok := v.Value.(hujson.Literal)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.Trim(lit.String(), space), 10, 64)
	return n, err == nil
}

// Slug turns a phase's name into what may stand in an object's name: lower-case
// letters and digits of ASCII, '-' for every run of anything else, at most 40
// characters, "phase" where nothing is left.
func Slug(name string) string {
	const maxSlug = 40
	var b strings.Builder
	gap := false
	for _, c := range []byte(strings.ToLower(name)) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteByte(c)
		}
		gap = !('a' <= c && c <= 'z' || '0' <= c && c <= '9')
	}
	slug := strings.Trim(b.String()[:min(b.Len(), maxSlug)], "-")
	if slug == "" {
		return "phase"
	}
	return slug
}
