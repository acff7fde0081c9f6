#!/usr/bin/env bash
# Prints the folder with the etcd and kube-apiserver that envtest starts: $KUBEBUILDER_ASSETS when it is set, else the
# local cluster's, built when missing.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    echo "$KUBEBUILDER_ASSETS"
else
    go run -C hack/localkube . assets
fi
