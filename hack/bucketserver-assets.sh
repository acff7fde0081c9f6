#!/usr/bin/env bash
# Prints the folder with the servers of buckets that the log store is tested against: $BUCKETSERVER_ASSETS when it is set, else
# one in the user's cache folder, where what is missing is made. They serve tests alone; nothing of them is in Katkit.
#   versitygw         S3, built from its Go module (Apache-2.0)
#   azurite/          Azure, from the npm registry (MIT); needs node and npm
#   fake-gcs-server   GCS, built from its Go module (BSD-2-Clause)
# tools/bucketserver pins them. What cannot be had is told on stderr and left out: its tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -n ${BUCKETSERVER_ASSETS:-} ]]; then
    echo "$BUCKETSERVER_ASSETS"
    exit
fi
pins=tools/bucketserver
folder=${XDG_CACHE_HOME:-$HOME/.cache}/katkit/bucketserver-$(cat "$pins"/* | sha256sum | cut -c 1-12)
mkdir -p "$folder"
making=$(mktemp -d "$folder/making.XXXXXX")
trap 'rm -rf "$making"' EXIT

build() { # name, package
    CGO_ENABLED=0 go build -modfile="$pins/go.mod" -trimpath -ldflags '-s -w' -o "$making/$1" "$2"
}

install() { # name
    command -v node npm >/dev/null || { echo "node or npm is missing" && return 1; }
    mkdir "$making/$1"
    cp "$pins"/package*.json "$making/$1"
    npm ci --prefix "$making/$1" --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund
}

# Makes one of the servers, unless it is there. Another process may be faster.
have() { # name, command...
    local name=$1
    shift
    [[ -e $folder/$name ]] && return
    echo "making $name, a server that the log store is tested against" >&2
    if ! "$@" >"$making/log" 2>&1; then
        tail -n 20 "$making/log" >&2
        echo "$0: $name cannot be had here: its tests are skipped" >&2
        return
    fi
    mv --no-target-directory "$making/$name" "$folder/$name" 2>/dev/null || [[ -e $folder/$name ]]
}

have versitygw build versitygw github.com/versity/versitygw/cmd/versitygw
have azurite install azurite
have fake-gcs-server build fake-gcs-server github.com/fsouza/fake-gcs-server
echo "$folder"
