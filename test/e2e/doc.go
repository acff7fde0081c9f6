// Package e2e holds the end-to-end tests: Katkit as it is installed, on a real cluster, with real Pods that run
// real ci.sh, GitHub's stand-in and a real registry. `make test-e2e` runs them on the cluster of $KUBECONFIG, else
// on the local one.
//
// What always holds: every run of the suite makes names of its own, so that it can follow another on the same
// cluster, and removes its namespaces. After every spec the rules of the design are checked for all that it made,
// whatever it was about: one builder Pod per phase, attempt and replica, none left of a run that has ended, and
// workloads changed once per deployment and in nothing but their image.
package e2e
