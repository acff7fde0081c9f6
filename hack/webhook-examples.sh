#!/usr/bin/env bash
# Prints the folder with the npm package @octokit/webhooks-examples: payloads of GitHub's webhooks, which the receiver is
# tested with. It is fetched once, with npm, into the user's cache folder; KATKIT_WEBHOOK_EXAMPLES names another folder.
set -euo pipefail
version=7.6.1
sha512=0dee94dd707a3b70ed09aedb2a008ccd31dd7a8a6aa99e92362bcc6099caeb989eaca2f5027348034b644580914bb970193efdd9df8fb3559b7c796ca3a3329d

if [[ -n ${KATKIT_WEBHOOK_EXAMPLES:-} ]]; then
    echo "$KATKIT_WEBHOOK_EXAMPLES"
    exit
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/katkit/webhooks-examples
folder=$cache/$version-${sha512:0:16} # the checksum is of what was unpacked into it
if [[ ! -d $folder ]]; then
    if ! command -v npm >/dev/null; then
        echo "npm is missing, which fetches @octokit/webhooks-examples: run 'apt-get install npm' as root" >&2
        exit 1
    fi
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/.fetch-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "@octokit/webhooks-examples@$version" >/dev/null)
    echo "$sha512  $work/octokit-webhooks-examples-$version.tgz" | sha512sum --check --quiet >&2
    tar --extract --gzip --file="$work/octokit-webhooks-examples-$version.tgz" --directory="$work"
    # Of several that fetch at once the first one wins.
    mv --no-target-directory "$work/package" "$folder" 2>/dev/null || [[ -d $folder ]]
fi
echo "$folder"
