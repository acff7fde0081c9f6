package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// withFolder makes sure that a variable names a folder that can be written to, for a user that the image does not know or on a
// file system that is read-only: as it is where that is so of current, else as a folder of the workspace with this mode.
func withFolder(env []string, variable, current, instead string, mode os.FileMode) []string {
	if current != "" && unix.Access(current, unix.W_OK|unix.X_OK) == nil {
		return env
	}
	if os.MkdirAll(instead, mode.Perm()) != nil || os.Chmod(instead, mode) != nil {
		return env
	}
	env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, variable+"=") })
	return append(env, variable+"="+instead)
}

// writableFolders are HOME, and TMPDIR, in which programs take for granted that they may write.
func writableFolders(env []string, control string) []string {
	env = withFolder(env, "HOME", lookup(env, "HOME"), filepath.Join(control, "home"), 0o755)
	return withFolder(env, "TMPDIR", cmp.Or(lookup(env, "TMPDIR"), "/tmp"), filepath.Join(control, "tmp"), os.ModeSticky|0o777)
}
