package agent

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"katkit.dev/katkit/internal/contract"
)

// variables are what the build container was given.
type variables struct {
	// all are those that ci.sh is to see, as NAME=value, each name once.
	all []string
	// secrets are the values that come from Secrets.
	secrets []string
	// refused are names that a whole Secret or ConfigMap would have set, and may not.
	refused []string
}

type sourced struct {
	contract.Sourced
	value string
}

// rank is higher for what wins.
func (s sourced) rank() int {
	if s.Whole {
		return s.Nth
	}
	return math.MaxInt
}

// readVariables gives the variables of Secrets and ConfigMaps their names (see contract.Sourced). Those that are keys of their own win over
// all others of the name. Those of a whole Secret or ConfigMap win over what the image and the class set, a later one over an earlier
// one; what a repository may not set they may not either.
func readVariables(environ []string) variables {
	var vars variables
	set := map[string]string{}
	var names []string
	put := func(name, value string) {
		if _, there := set[name]; !there {
			names = append(names, name)
		}
		set[name] = value
	}
	var marked []sourced
	var fixed []string
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if s, is := contract.ParseMarked(name); is {
			marked = append(marked, sourced{s, value})
			if s.Kind == contract.SourceSecret {
				vars.secrets = append(vars.secrets, value)
			}
			continue
		}
		switch name {
		case contract.VarFixed:
			fixed = strings.Split(value, ",")
		case contract.VarGraceSeconds, contract.VarContract, contract.VarSpoolBytes:
		default:
			put(name, value)
		}
	}
	slices.SortStableFunc(marked, func(a, b sourced) int { return cmp.Compare(a.rank(), b.rank()) })
	for _, s := range marked {
		switch {
		case s.Whole && contract.ReservedVariable(s.Name):
			vars.refused = append(vars.refused, s.Name)
		case s.Whole && slices.Contains(fixed, s.Name):
		default:
			put(s.Name, s.value)
		}
	}
	for _, name := range names {
		vars.all = append(vars.all, name+"="+set[name])
	}
	return vars
}

// scriptEnvironment completes the variables for ci.sh: with its folder as PWD, the file for its outputs, a HOME and a TMPDIR
// that can be written to, and git told that a checkout by another user is all right.
func scriptEnvironment(vars []string, dir, control string) []string {
	// The builder image may hand in such configuration of its own; ours comes after it.
	count, _ := strconv.ParseUint(lookup(vars, "GIT_CONFIG_COUNT"), 10, 16)
	n := strconv.FormatUint(count, 10)
	env := without(vars, contract.VarOutput, "PWD", "GIT_CONFIG_COUNT")
	env = append(env, "PWD="+dir, contract.VarOutput+"="+filepath.Join(control, outputFile),
		"GIT_CONFIG_KEY_"+n+"=safe.directory", "GIT_CONFIG_VALUE_"+n+"=*", "GIT_CONFIG_COUNT="+strconv.FormatUint(count+1, 10))

	return writableFolders(env, control)
}

func lookup(env []string, name string) string {
	for _, variable := range env {
		if value, is := strings.CutPrefix(variable, name+"="); is {
			return value
		}
	}
	return ""
}

func without(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(names, name)
	})
}
