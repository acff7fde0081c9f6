package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"katkit.dev/katkit/internal/contract"
)

// scriptEnvironment is the container's environment for ci.sh: without what is for the agent alone, with its folder as
// PWD, the file for its outputs, a HOME and a TMPDIR that can be written to, and git told that a checkout by another user is all right.
func scriptEnvironment(dir, control string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == contract.VarGraceSeconds || name == contract.VarContract || name == contract.VarOutput || name == "PWD" || name == "GIT_CONFIG_COUNT"
	})
	env = append(env, "PWD="+dir, contract.VarOutput+"="+filepath.Join(control, outputFile))

	// The builder image may hand in such configuration of its own; ours comes after it.
	count, _ := strconv.ParseUint(os.Getenv("GIT_CONFIG_COUNT"), 10, 16)
	n := strconv.FormatUint(count, 10)
	env = append(env, "GIT_CONFIG_KEY_"+n+"=safe.directory", "GIT_CONFIG_VALUE_"+n+"=*",
		"GIT_CONFIG_COUNT="+strconv.FormatUint(count+1, 10))

	return writableFolders(env, control)
}
