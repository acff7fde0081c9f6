// Package agent is what runs in the containers of a builder Pod: Checkout fetches one commit, Exec runs its ci.sh, Ship brings
// the log to the log store, Install copies the agent to where the build container finds it. cmd/agent calls it.
//
//	container checkout            folder both share         container build
//	------------------            -----------------         ---------------
//	git fetch, git checkout  -->  src/
//	report = the word        -->  .katkit/word         -->  Exec wakes up, runs src/<CODE_PATH>/ci.sh
//	       |                      .katkit/output       <--  ci.sh appends NAME=value, Exec reads it in the end
//	       |                                                       |
//	       v                                                       v
//	termination message                                     termination message
//
// Where there is a log store, another folder is shared, and the container that checks out goes on with it (beside a builder image
// that brings its own agent it is a container log):
//
//	container build                folder                   container checkout
//	---------------                ------                   ------------------
//	Exec holds the lock of    -->  writer              -->  free: Exec has gone, the log has ended
//	stdout, the same bytes    -->  part-0, part-1 …    -->  PUT to the store, removed once stored
//	Exec comes to its end     -->  end
//
// What always holds: every end that leaves the agent alive is reported as a contract.Report; the clone token is in no
// argument, no URL and no file that ci.sh can read; no value of a Secret is in what the agent writes; memory does not grow with the size of
// a log; nothing waits for ever; no trouble with the log store fails a build or holds it up.
package agent
