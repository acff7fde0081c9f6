// Package install brings Katkit, a stand-in for GitHub and tenants onto a cluster, from this checkout: it builds the
// images from the Dockerfile, applies the project's own manifests and waits until all is ready. The demo (hack/demo), the
// end-to-end tests and the benchmark use it.
//
// The cluster is the one of $KUBECONFIG. On the local cluster (hack/localkube) images go through its registry, which
// hack/with-cluster.sh names in LOCALKUBE_REGISTRY; on any other through the one that KATKIT_REGISTRY names, which both
// this machine and the cluster must reach, over plain HTTP when the name begins with http://. Without the public registry
// BASE_IMAGE names a Debian with apt that this machine can pull, and APP_BASE_IMAGE a busybox that Pods can.
//
// What always holds: everything may be done again, and takes seconds when nothing changed; waiting is done by watches,
// and bounded; an error tells what the cluster said.
package install
