#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given (default 30s). Inputs that find new code are
# made smaller by few tries only: that would take most of the time.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-30s}

git grep --untracked -hoE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' >/dev/null || {
    echo "fuzz: no fuzz targets"
    exit 0
}
git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sort |
    while IFS=: read -r file target; do
        target=${target#func }
        echo "fuzz: $target in $(dirname "$file"), $fuzztime"
        go test -run='^$' -fuzz="^$target\$" -fuzztime="$fuzztime" -fuzzminimizetime=20x "./$(dirname "$file")" </dev/null
    done
