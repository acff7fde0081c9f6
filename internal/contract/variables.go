package contract

import "strings"

// Variables that ci.sh sees. The manager sets them in the Pod; the agent adds VarOutput alone.
const (
	VarEnv          = "ENV"                 // the tenant's env, such as DEV
	VarGitSHA       = "GIT_SHA"             // the commit, 40 hexadecimal digits
	VarGitRepo      = "GIT_REPO"            // owner/name
	VarCodePath     = "CODE_PATH"           // folder path inside the repository, "" for its root
	VarPhase        = "PHASE"               // from BuildParams, else the phase's name
	VarReplicaID    = "REPLICA_ID"          // 0 to REPLICA_COUNT-1
	VarReplicaCount = "REPLICA_COUNT"       // number of Pods of the phase
	VarTenant       = "KATKIT_TENANT"       // name of the tenant
	VarRun          = "KATKIT_RUN"          // name of the CIRun
	VarPhaseName    = "KATKIT_PHASE"        // name of the Phase object's step, whatever PHASE says
	VarBranch       = "KATKIT_BRANCH"       // branch of the commit, "" when unknown
	VarPullRequest  = "KATKIT_PULL_REQUEST" // number of the pull request, "" when there is none
	VarRepoURL      = "KATKIT_REPO_URL"     // URL to clone from, http or https, without credentials
	VarCache        = "KATKIT_CACHE"        // folder of the link's cache; only where there is one
	VarCI           = "CI"                  // "true"
	VarKatkit       = "KATKIT"              // "true"
	VarPath         = "PATH"                // the builder image's
)

// VarOutput is the path of a file to which ci.sh may append NAME=value lines: each is a variable of later phases. The agent
// makes the file and sets the variable.
const VarOutput = "KATKIT_OUTPUT"

// OwnVariable reports whether Katkit sets the variable itself in every builder Pod, beside those with a ReservedPrefix.
func OwnVariable(name string) bool {
	switch name {
	case VarEnv, VarCodePath, VarPhase, VarReplicaID, VarReplicaCount, VarCI, VarKatkit:
		return true
	}
	return false
}

// VarGraceSeconds tells `katkit-agent exec` how long a ci.sh may go on after TERM before it is killed: whole seconds,
// DefaultGraceSeconds when absent. It has to be below the Pod's terminationGracePeriodSeconds. ci.sh does not see it.
const VarGraceSeconds = "KATKIT_GRACE_SECONDS"

// VarContract tells `katkit-agent exec` the Version that it has to be of. ci.sh does not see it.
const VarContract = "KATKIT_CONTRACT"

// VarCABundle are certificates in PEM that `katkit-agent checkout` trusts beside those of its image, MaxCABundle bytes at
// most. ci.sh does not see them.
const VarCABundle = "KATKIT_CA_BUNDLE"

// MaxCABundle bounds VarCABundle, in bytes: Linux takes 128 KiB of a variable.
const MaxCABundle = 64 << 10

// DefaultGraceSeconds fits the terminationGracePeriodSeconds that Kubernetes gives by default (30).
const DefaultGraceSeconds = 25

// ReservedVariable reports whether a repository may not set the variable, unless it is a SettableVariable: Katkit's own, those
// that steer git or the dynamic linker, and PATH. Names are case-sensitive, as the environment is.
func ReservedVariable(name string) bool {
	return name == VarPath || name == VarKatkit || ReservedPrefix(name) != ""
}

// ReservedPrefix is what the name of a ReservedVariable begins with; "" for one that is reserved by its whole name, or not at all.
func ReservedPrefix(name string) string {
	for _, prefix := range []string{"KATKIT_", "LD_", "GIT_"} {
		if strings.HasPrefix(name, prefix) {
			return prefix
		}
	}
	return ""
}

// VariableName reports whether shells take it for the name of a variable: letters, digits and _, no digit first.
func VariableName(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
