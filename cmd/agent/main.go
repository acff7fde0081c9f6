// katkit-agent runs in the containers of a builder Pod: `katkit-agent checkout` fetches the commit, `katkit-agent exec` runs its
// ci.sh, `katkit-agent ship` brings the log to the log store, `katkit-agent install` copies the agent. See package agent.
package main

import (
	"os"

	"katkit.dev/katkit/internal/agent"
)

func main() {
	os.Exit(agent.Main(os.Args[1:], agent.PodPaths(), os.Stdout, os.Stderr))
}
