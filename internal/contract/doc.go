// Package contract is what the manager and the agent agree on: the names of variables, the paths inside a builder Pod,
// exit codes, the report that the agent leaves as a container's termination message, and how a log gets to the log store.
//
// Called by whoever builds a builder Pod or reads how one ended, and by the agent. It imports the standard library
// alone and does no I/O. What ParseReport returns is safe to store and show, whatever was put in: in the container
// `build` the words are those of a stranger's ci.sh.
package contract
