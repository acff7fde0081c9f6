#!/usr/bin/env bash
# Runs a command with a Kubernetes cluster: the one of $KUBECONFIG when that is set, else the local one, started when it
# is down. What `localkube status -o env` prints (KUBECONFIG, LOCALKUBE_REGISTRY, ...) is in the command's environment
# only for the local one. With --or-skip a machine that cannot run Pods skips the command, with a line that says why.
set -euo pipefail
cd "$(dirname "$0")/.."

or_skip=false
if [[ ${1:-} == --or-skip ]]; then
    or_skip=true
    shift
fi

# A shell that was told to use the local cluster has KUBECONFIG set to its file.
local_kubeconfig=${LOCALKUBE_STATE:-/var/lib/localkube}/kubeconfig
if [[ -n ${KUBECONFIG:-} && $KUBECONFIG != "$local_kubeconfig" ]]; then
    echo "with-cluster: KUBECONFIG is set, using that cluster: $KUBECONFIG"
    exec "$@"
fi
if ((EUID != 0)); then
    why="running Pods on the local cluster needs root, and KUBECONFIG names no other cluster"
    if $or_skip; then
        echo "SKIPPED: $*: $why"
        exit 0
    fi
    echo "with-cluster: $why: run as root, or set KUBECONFIG" >&2
    exit 1
fi
go run -C hack/localkube . up
go run -C hack/localkube . images
environment=$(go run -C hack/localkube . status -o env)
set -a
eval "$environment"
set +a
exec "$@"
