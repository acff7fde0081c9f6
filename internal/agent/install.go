package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"katkit.dev/katkit/internal/contract"
)

// install copies this program into a folder that the build container mounts. Any user may run it there.
func install(dir string, log *logWriter) contract.Report {
	target := filepath.Join(dir, filepath.Base(contract.AgentBinary))
	if err := copyProgram(target); err != nil {
		r := agentFailed("copy the agent to %s: %v", target, err)
		log.say("%s", r.Message)
		return r
	}
	return contract.Report{Reason: contract.ReasonCompleted, Message: "The agent is in " + dir}
}

// copyProgram writes the file whole or not at all: the kubelet may start the container again.
func copyProgram(target string) error {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer program.Close()
	temporary := target + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, program)
	if err == nil {
		err = file.Chmod(0o755) // whatever the umask
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temporary, target)
	}
	if err != nil {
		return fmt.Errorf("write it: %w", err)
	}
	return nil
}
