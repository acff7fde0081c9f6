package contract

import (
	"strconv"
	"strings"
)

// Variables from Secrets and ConfigMaps come into the build container under marked names, so that the agent knows whose values to mask,
// and what a Secret or ConfigMap as a whole brings cannot take the place of anything before the agent has looked at its name:
//
//	KATKIT_SECRET_NAME           NAME is a key of a Secret
//	KATKIT_CONFIGMAP_NAME        NAME is a key of a ConfigMap
//	KATKIT_FROM_SECRET_2_NAME    a key of a Secret, all of which are variables; of equal names the highest number counts
//	KATKIT_FROM_CONFIGMAP_2_NAME a key of a ConfigMap, likewise
//
// ci.sh sees NAME alone.
const (
	markSecret        = "KATKIT_SECRET_"
	markConfigMap     = "KATKIT_CONFIGMAP_"
	markFromSecret    = "KATKIT_FROM_SECRET_"
	markFromConfigMap = "KATKIT_FROM_CONFIGMAP_"
)

// VarFixed are the names of the variables that none of a Secret or ConfigMap as a whole takes the place of, separated by commas. ci.sh
// does not see it.
const VarFixed = "KATKIT_FIXED_VARIABLES"

// SourceKind is what a variable comes from.
type SourceKind string

// The kinds of sources.
const (
	SourceSecret    SourceKind = "Secret"
	SourceConfigMap SourceKind = "ConfigMap"
)

// Sourced is a variable that comes from a Secret or a ConfigMap.
type Sourced struct {
	// Name that ci.sh sees.
	Name string
	Kind SourceKind
	// Whole: all keys of the Secret or ConfigMap are variables, and it is the Nth of those, from 0.
	Whole bool
	Nth   int
}

// Marked is the name by which the variable comes into the build container. That of a whole Secret or ConfigMap begins so: what follows is
// up to its keys.
func (s Sourced) Marked() string {
	mark := map[SourceKind]string{SourceSecret: markSecret, SourceConfigMap: markConfigMap}
	if s.Whole {
		mark = map[SourceKind]string{SourceSecret: markFromSecret + strconv.Itoa(s.Nth) + "_", SourceConfigMap: markFromConfigMap + strconv.Itoa(s.Nth) + "_"}
	}
	return mark[s.Kind] + s.Name
}

// ParseMarked reads what Marked wrote; ok is false for a variable that is not marked.
func ParseMarked(name string) (s Sourced, ok bool) {
	for _, mark := range []struct {
		prefix string
		kind   SourceKind
		whole  bool
	}{
		{markFromSecret, SourceSecret, true}, {markFromConfigMap, SourceConfigMap, true},
		{markSecret, SourceSecret, false}, {markConfigMap, SourceConfigMap, false},
	} {
		rest, found := strings.CutPrefix(name, mark.prefix)
		if !found {
			continue
		}
		s = Sourced{Name: rest, Kind: mark.kind, Whole: mark.whole}
		if mark.whole {
			number, key, numbered := strings.Cut(rest, "_")
			n, err := strconv.ParseUint(number, 10, 16)
			if !numbered || err != nil {
				return Sourced{}, false
			}
			s.Name, s.Nth = key, int(n)
		}
		return s, s.Name != ""
	}
	return Sourced{}, false
}

// MergeVariables leaves one variable of each name, the last one, in the order in which names first appear. Those that are not anybody's to set
// are left out: REPLICA_ID, which differs from Pod to Pod, and the names by which Secrets and ConfigMaps come to the agent.
func MergeVariables[V any](variables []V, name func(V) string) []V {
	var result []V
	at := map[string]int{}
	for _, variable := range variables {
		if _, marked := ParseMarked(name(variable)); marked || name(variable) == VarReplicaID || name(variable) == VarFixed {
			continue
		}
		if i, there := at[name(variable)]; there {
			result[i] = variable
			continue
		}
		at[name(variable)] = len(result)
		result = append(result, variable)
	}
	return result
}
