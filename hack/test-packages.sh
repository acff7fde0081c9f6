#!/usr/bin/env bash
# Lists the folders of the packages of one kind of tests: `unit`, or `envtest` for those whose tests start an API server.
# test/e2e needs a whole cluster and belongs to neither.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
unit | envtest) ;;
*)
    echo "usage: $0 unit|envtest" >&2
    exit 2
    ;;
esac

go list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... |
    awk -v kind="$1" -v module="$(go list -m)" '
        $1 ~ /\/test\/e2e(\/|$)/ { next }
        { envtest = / sigs\.k8s\.io\/controller-runtime\/pkg\/envtest( |$)/ }
        (kind == "envtest") == envtest { print "." substr($1, length(module) + 1) }'
