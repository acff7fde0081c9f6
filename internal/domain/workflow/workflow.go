// Package workflow turns a repository's katkitconfig.js into the phases that a
// run of each environment has.
//
// The run controller calls Parse and File.ForEnv with the content of the file at
// the run's commit; the plugin's validate verb calls Parse and File.Diagnostics.
// The format is the original product's; docs/manual.md has its table.
//
// What always holds: the package is pure and total. Any content gives a File,
// with all its problems as diagnostics, in bounded time and memory. A workflow
// whose diagnostics hold no error is complete and within the limits below.
package workflow

import (
	"fmt"
	"slices"
	"strings"

	"katkit.dev/katkit/internal/domain/diagnostic"
)

// FileName is the file's name; it is looked up in the link's folder path, then
// in the repository's root.
const FileName = "katkitconfig.js"

// DefaultEnv is the entry that serves an env that has none of its own.
const DefaultEnv = "default"

// Limits of what a file may ask for.
const (
	// MaxEnvs is how many environments a file may have.
	MaxEnvs = 100
	// MaxPhases is how many phases a workflow may have.
	MaxPhases = 64
	// MaxParams is how many variables the BuildParams of a phase may set.
	MaxParams = 100
	// MaxOrder is the largest Order; the smallest is 0.
	MaxOrder = 9999
	// MaxParallelism is the largest Parallelism; the smallest is 1. A builder
	// class may allow less.
	MaxParallelism = 64
	// MaxNameLength is the longest phase name, in characters.
	MaxNameLength = 63
	// MaxValueLength is the longest value of a variable, in bytes.
	MaxValueLength = 32 << 10
	// MaxImageLength is the longest image reference, in bytes.
	MaxImageLength = 512
)

// PhaseType is what a phase does.
type PhaseType string

const (
	// Execution runs ci.sh in a builder. The file says 4.
	Execution PhaseType = "Execution"
	// Deployment changes the image of running services. The file says 1.
	Deployment PhaseType = "Deployment"
)

// Workflow is what a run of one env does.
type Workflow struct {
	// EnvName is the entry that was used, as the file spells it.
	EnvName string
	// LocalFleet asks for builders on the tenant's own hosts.
	LocalFleet bool
	// Phases are sorted by Order; phases of the same order stand as written and
	// run side by side. At most one is a Deployment.
	Phases []Phase
}

// Phase is one step of a workflow.
type Phase struct {
	// Name is 1 to MaxNameLength printable characters, without spaces around it,
	// and no other phase of the workflow has it in any case.
	Name string
	// Type is Execution or Deployment.
	Type PhaseType
	// Params are the variables of BuildParams in the order written; names are unique.
	Params []Param
	// Order is 0 to MaxOrder.
	Order int32
	// Parallelism is the number of replicas, 1 to MaxParallelism; 1 for a Deployment.
	Parallelism int32
	// Image is the builder image, a valid reference of at most MaxImageLength as the
	// file spells it; "" where the link or the class decides, and for a Deployment.
	Image string
	// Automated is false for a phase that waits for approval.
	Automated bool
	// FailFast stops the other replicas when one has failed; true where the file does not say, and for a Deployment.
	FailFast bool
	// AllocationTag is the value of the node label that builders require, a valid
	// label value; "" for none, and for a Deployment.
	AllocationTag string
}

// Param is one variable of a phase.
type Param struct {
	// Name is a shell variable's name that CheckParamName accepts.
	Name string
	// Value is any text without NUL, without spaces around it, of at most
	// MaxValueLength.
	Value string
}

// File is a parsed katkitconfig.js.
type File struct {
	path     string
	problems diagnostic.List // of the file as a whole
	envs     []env
}

type env struct {
	Workflow
	problems diagnostic.List // of this entry alone
}

// ForEnv returns the workflow that serves env, and every problem that concerns
// it: those of the file as a whole and those of the entry used, not those of
// other entries. The entry is the one whose EnvName equals env, ignoring case,
// else the one called "default". Where the list holds an error the workflow is
// not to be used. found is false where neither entry exists (or the file could
// not be read, which the list says); see MissingEnv.
func (f File) ForEnv(name string) (w Workflow, problems diagnostic.List, found bool) {
	for _, wanted := range []string{strings.TrimSpace(name), DefaultEnv} {
		for _, e := range f.envs {
			if strings.EqualFold(e.EnvName, wanted) {
				return e.Workflow, slices.Concat(f.problems, e.problems).Sorted(), true
			}
		}
	}
	return Workflow{}, f.problems, false
}

// MissingEnv is the error that tells a user that ForEnv(name) found no entry.
func (f File) MissingEnv(name string) diagnostic.Diagnostic {
	have := "it has no entry at all"
	if names := f.EnvNames(); len(names) > 0 {
		quoted := make([]string, len(names))
		for i, n := range names {
			quoted[i] = fmt.Sprintf("%q", n)
		}
		have = "it has " + strings.Join(quoted, ", ")
	}
	return diagnostic.New(diagnostic.Error, f.path, 1, 1, "", fmt.Sprintf(
		"no entry has EnvName %q or %q: add one; %s", diagnostic.Printable(name, MaxNameLength), DefaultEnv, have))
}

// EnvNames returns the EnvName of every entry as spelled, in the file's order.
func (f File) EnvNames() []string {
	names := make([]string, 0, len(f.envs))
	for _, e := range f.envs {
		names = append(names, e.EnvName)
	}
	return names
}

// Diagnostics returns every problem of the file, those of all entries included,
// ordered by position.
func (f File) Diagnostics() diagnostic.List {
	all := slices.Clone(f.problems)
	for _, e := range f.envs {
		all = append(all, e.problems...)
	}
	return all.Sorted()
}
