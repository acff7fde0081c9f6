package workflow

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/distribution/reference"
	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/domain/jsonfile"
)

// space is what is trimmed around names and values.
const space = " \t\r\n"

// Field names of the file, as messages spell them.
const (
	fieldEnvName        = "EnvName"
	fieldLocalFleet     = "LocalFleet"
	fieldWorkFlow       = "WorkFlow"
	fieldName           = "Name"
	fieldPhaseType      = "PhaseType"
	fieldBuildParams    = "BuildParams"
	fieldOrder          = "Order"
	fieldParallelism    = "Parallelism"
	fieldContainerImage = "ContainerImage"
	fieldAutomated      = "IsPhaseAutomated"
	fieldFailFast       = "FailFast"
	fieldAllocationTags = "AllocationTags"
	fieldPlatform       = "ContainerPlatform"
	fieldCloud          = "Cloud"
	fieldVolumes        = "Volumes"
	fieldCollocation    = "IsReplicaCollocationAllowed"
)

var envFields = jsonfile.Names{
	fieldEnvName:    fieldEnvName,
	fieldLocalFleet: fieldLocalFleet,
	fieldWorkFlow:   fieldWorkFlow,
}

var phaseFields = jsonfile.Names{
	fieldName:           fieldName,
	fieldPhaseType:      fieldPhaseType,
	fieldBuildParams:    fieldBuildParams,
	fieldOrder:          fieldOrder,
	fieldParallelism:    fieldParallelism,
	fieldContainerImage: fieldContainerImage,
	"ContinerImage":     fieldContainerImage, // the manual's misspelling
	fieldAutomated:      fieldAutomated,
	fieldFailFast:       fieldFailFast,
	fieldAllocationTags: fieldAllocationTags,
	fieldPlatform:       fieldPlatform,
	fieldCloud:          fieldCloud,
	fieldVolumes:        fieldVolumes,
	fieldCollocation:    fieldCollocation,
}

// Parse reads a whole katkitconfig.js: every entry, not only one env's. It never
// fails; what is wrong is in the diagnostics that ForEnv and Diagnostics return.
// path is what diagnostics call the file, relative to the repository's root.
func Parse(path string, content []byte) File {
	file := File{path: path}
	doc, problems := jsonfile.Parse(path, content)
	if problems.HasErrors() {
		file.problems = problems
		return file
	}
	whole := doc.Reporter()
	if jsonfile.IsNull(doc.Root) {
		whole.Errorf(doc.Root, "the file must hold a list of environments: write it as [ … ]")
	}
	entries, _ := whole.Elements(doc.Root, "the file's value, its environments,")
	if len(entries) > MaxEnvs {
		whole.MissingIn(doc.Root, "the file has %d environments, at most %d are allowed: remove some", len(entries), MaxEnvs)
		entries = nil
	}
	first := map[string]*jsonfile.Reporter{} // of the entry that had the folded EnvName first
	var reporters []*jsonfile.Reporter
	for _, v := range entries {
		own := doc.Reporter()
		name, fields, ok := envName(own, v)
		if !ok {
			// The entry might be any env's: this is a problem of the whole file.
			whole.Take(own)
			continue
		}
		if earlier, twice := first[fold(name)]; twice {
			earlier.Errorf(fields[fieldEnvName], "two entries have this EnvName, ignoring case: merge them or rename one")
		} else {
			first[fold(name)] = own
		}
		r := reader{Reporter: own}
		file.envs = append(file.envs, env{Workflow: r.workflow(name, v, fields)})
		reporters = append(reporters, own)
	}
	for i, own := range reporters {
		file.envs[i].problems = own.List()
	}
	file.problems = whole.List()
	return file
}

// envName reads which env an entry is for, and the entry's fields.
func envName(own *jsonfile.Reporter, v hujson.Value) (string, jsonfile.Fields, bool) {
	fields, ok := own.Fields(v, "an environment", envFields)
	if !ok {
		return "", nil, false
	}
	name, ok := own.Text(fields[fieldEnvName], fieldEnvName)
	if !ok {
		return "", nil, false
	}
	name = strings.Trim(name, space)
	if name == "" {
		own.MissingIn(v, "this environment has no EnvName: add \"EnvName\": %q or the name of the env that it serves", DefaultEnv)
		return "", nil, false
	}
	return name, fields, true
}

// reader reads one environment's entry; what is wrong goes to its Reporter.
type reader struct {
	*jsonfile.Reporter
}

func (p *reader) workflow(name string, v hujson.Value, fields jsonfile.Fields) Workflow {
	w := Workflow{EnvName: name}
	w.LocalFleet, _ = p.Bool(fields[fieldLocalFleet], fieldLocalFleet, false)
	values, ok := p.Elements(fields[fieldWorkFlow], fieldWorkFlow)
	switch {
	case !ok:
		return w
	case len(values) == 0:
		p.MissingIn(v, "this environment has no phases: list them in WorkFlow")
		return w
	case len(values) > MaxPhases:
		p.MissingIn(fields[fieldWorkFlow], "WorkFlow has %d phases, at most %d are allowed: remove some", len(values), MaxPhases)
		return w
	}
	next := int32(0)
	deployment := false
	for _, value := range values {
		phase, fields, ok := p.phase(value, next)
		if !ok {
			continue
		}
		next = phase.Order + 1
		if phase.Type == Deployment {
			if deployment {
				p.Errorf(fields[fieldPhaseType], "this is the second deployment phase of %q, a workflow has one at most: remove one", name)
			}
			deployment = true
		}
		p.checkUnique(w.Phases, phase, fields[fieldName])
		w.Phases = append(w.Phases, phase)
	}
	slices.SortStableFunc(w.Phases, func(a, b Phase) int { return cmp.Compare(a.Order, b.Order) })
	return w
}

// checkUnique reports a name that cannot be told from an earlier phase's.
func (p *reader) checkUnique(earlier []Phase, phase Phase, name hujson.Value) {
	for _, other := range earlier {
		if phase.Name == "" || other.Name == "" {
			continue
		}
		if strings.EqualFold(other.Name, phase.Name) {
			p.Errorf(name, "another phase of this environment has this Name, ignoring case: rename one")
			return
		}
		if other.Order == phase.Order && Slug(other.Name) == Slug(phase.Name) {
			p.Errorf(name, "this Name differs from %q only in punctuation, and both have order %d: rename one", other.Name, phase.Order)
			return
		}
	}
}

// phase reads one phase; next is its order where it names none.
func (p *reader) phase(v hujson.Value, next int32) (Phase, jsonfile.Fields, bool) {
	fields, ok := p.Fields(v, "a phase", phaseFields)
	if !ok {
		return Phase{}, nil, false
	}
	phase := Phase{
		Name:   p.name(v, fields[fieldName]),
		Type:   p.phaseType(v, fields[fieldPhaseType]),
		Params: p.params(fields[fieldBuildParams]),
		Order:  p.order(v, fields[fieldOrder], next),
	}
	phase.Automated, _ = p.Bool(fields[fieldAutomated], fieldAutomated, true)
	p.foreign(fields)
	if phase.Type == Deployment {
		phase.Parallelism, phase.FailFast = 1, true
		p.idleInDeployment(fields)
		return phase, fields, true
	}
	phase.Parallelism = p.parallelism(fields[fieldParallelism])
	phase.FailFast, _ = p.Bool(fields[fieldFailFast], fieldFailFast, true)
	phase.Image = p.image(fields[fieldContainerImage])
	phase.AllocationTag = p.allocationTag(fields[fieldAllocationTags])
	return phase, fields, true
}

func (p *reader) name(phase, v hujson.Value) string {
	name, ok := p.Text(v, fieldName)
	name = strings.Trim(name, space)
	switch {
	case !ok:
		return ""
	case name == "":
		p.MissingIn(phase, "this phase has no Name: add one, like \"Name\": \"PRE_DEPLOY_BUILD\"")
		return ""
	case utf8.RuneCountInString(name) > MaxNameLength:
		p.Errorf(v, "Name has more than %d characters: shorten it", MaxNameLength)
		return ""
	case strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		p.Errorf(v, "Name has characters that cannot be shown: use letters, digits and punctuation")
		return ""
	}
	return name
}

func (p *reader) phaseType(phase, v hujson.Value) PhaseType {
	if jsonfile.IsNull(v) {
		p.MissingIn(phase, "this phase has no PhaseType: add 4 (execution) or 1 (deployment)")
		return ""
	}
	if n, ok := number(v); ok {
		switch n {
		case 4:
			return Execution
		case 1:
			return Deployment
		}
	}
	p.Errorf(v, "PhaseType must be 4 (execution) or 1 (deployment)")
	return ""
}

func (p *reader) order(phase, v hujson.Value, next int32) int32 {
	switch {
	case jsonfile.IsEmpty(v) && next > MaxOrder:
		p.MissingIn(phase, "this phase has no Order, and none is left after the one written before it, at most %d: number the phases", MaxOrder)
		return MaxOrder
	case jsonfile.IsEmpty(v):
		p.Warnf(phase, "this phase has no Order and runs after the one written before it: add \"Order\": %d", next)
		return next
	}
	order, _ := p.Int(v, fieldOrder, next, 0, MaxOrder)
	return order
}

func (p *reader) parallelism(v hujson.Value) int32 {
	if n, ok := number(v); ok && n == 0 {
		p.Warnf(v, "Parallelism 0 is read as 1: write 1, or remove the phase")
		return 1
	}
	n, _ := p.Int(v, fieldParallelism, 1, 1, MaxParallelism)
	return n
}

func (p *reader) image(v hujson.Value) string {
	image, ok := p.Text(v, fieldContainerImage)
	image = strings.Trim(image, space)
	if !ok || image == "" {
		return ""
	}
	if len(image) > MaxImageLength {
		p.Errorf(v, "ContainerImage may have %d bytes at most: use a shorter name", MaxImageLength)
		return ""
	}
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		p.Errorf(v, "ContainerImage is not an image reference (%v): write it like registry/name:tag, or null for the default builder image", err)
		return ""
	}
	return image
}

// fold maps names that strings.EqualFold holds to be equal to one key.
func fold(name string) string {
	return strings.Map(func(c rune) rune {
		smallest := c
		for other := unicode.SimpleFold(c); other != c; other = unicode.SimpleFold(other) {
			smallest = min(smallest, other)
		}
		return smallest
	}, name)
}
