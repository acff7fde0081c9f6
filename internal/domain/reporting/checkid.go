package reporting

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// ConfigPhase stands where the phase does in the check run of a run that could not begin. No phase is called so.
const ConfigPhase = configPart

// maxCheckID bounds an external_id that is taken for one of Katkit's, in bytes. A UID has 36, a phase's name 63 at most.
const maxCheckID = 128

// CheckID is the external_id of the check run that shows a phase of a run: UID/PHASE. phase is the phase's name, or ConfigPhase. It
// is how GitHub gives back which phase somebody wants to have repeated.
func CheckID(run types.UID, phase string) string { return string(run) + "/" + phase }

// ParseCheckID takes an external_id apart; ok is false of one that is not Katkit's. Neither part is empty then, and nothing says that
// there is such a run or such a phase.
func ParseCheckID(id string) (run types.UID, phase string, ok bool) {
	uid, phase, found := strings.Cut(id, "/")
	if !found || uid == "" || phase == "" || len(id) > maxCheckID || strings.Contains(phase, "/") {
		return "", "", false
	}
	return types.UID(uid), phase, true
}

// Shows tells whether a check run is called as that of a phase of a tenant's folder is. Names are compared as GitHub does.
func Shows(name, tenant, folder, phase string) bool {
	return Key(name) == Key(contextOf(tenant, folder, phase))
}
