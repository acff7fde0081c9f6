#!/usr/bin/env bash
# Prints the folder with what GitHub publishes about its API, which the tests are checked against: $OCTOKIT_ASSETS when
# it is set, else one in the user's cache folder, filled from the npm registry when missing. Needs curl, not npm.
#   openapi/generated/api.github.com.json   GitHub's OpenAPI description
#   webhooks-examples/*/index.json          payloads of its webhooks, by the GitHub that they are of
set -euo pipefail

# package of @octokit, version, npm's integrity (`npm view @octokit/openapi@VERSION dist.integrity`), files and folders of it
assets='
openapi 23.0.2 sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg== generated/api.github.com.json
webhooks-examples 7.6.1 sha512-De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ== api.github.com ghes-31 ghes-32 ghes-33 ghes-34 ghes-35
'

if [[ -n ${OCTOKIT_ASSETS:-} ]]; then
    echo "$OCTOKIT_ASSETS"
    exit
fi
folder=${XDG_CACHE_HOME:-$HOME/.cache}/katkit/octokit-$(sha256sum <<<"$assets" | cut -c 1-12)
if [[ -d $folder ]]; then
    echo "$folder"
    exit
fi

registry=${npm_config_registry:-$(npm config get registry 2>/dev/null || echo https://registry.npmjs.org/)}
mkdir -p "$(dirname "$folder")"
making=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$making"' EXIT

while read -r package version integrity files; do
    [[ -n $package ]] || continue
    url=${registry%/}/@octokit/$package/-/$package-$version.tgz
    echo "fetching $url" >&2
    tarball=$making/$package.tgz
    if ! curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 600 --output "$tarball" "$url"; then
        echo "$0: $url could not be fetched: where the registry is another one, name it in npm_config_registry" >&2
        exit 1
    fi
    sum=$(base64 --decode <<<"${integrity#sha512-}" | od --address-radix=n --format=x1 | tr -d ' \n')
    if ! sha512sum --check --status <<<"$sum  $tarball"; then
        echo "$0: $url is not what was pinned: expected $integrity" >&2
        exit 1
    fi
    mkdir "$making/$package"
    for file in $files; do
        tar --extract --gzip --file="$tarball" --directory="$making/$package" --strip-components=1 --no-same-owner "package/$file"
    done
    rm "$tarball"
done <<<"$assets"

# Another process may have been faster.
chmod 755 "$making"
mv --no-target-directory "$making" "$folder" 2>/dev/null || [[ -d $folder ]]
echo "$folder"
