#!/usr/bin/env bash
# Checks that what is generated, formatted or derived is up to date. Changes nothing in the checkout: the generators
# run in a copy of it, uncommitted and untracked files included. Reports every problem, then fails once.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
failed=0

problem() { # headline, then the details from stdin; in a pipe it would set failed in a shell of its own
    failed=1
    echo "verify: $1" >&2
    sed 's/^/    /' >&2
}

# Paths that the generators own; keep in step with `make generate`.
generated=(':(glob)api/**/zz_generated*.go' ':(glob)config/crd/katkit.dev_*.yaml' config/rbac/role.yaml config/receiver/role.yaml config/logstore/role.yaml docs/reference/api.md)

echo "verify: generated files"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard --deduplicate |
    while IFS= read -r -d '' file; do [[ -e $file || -L $file ]] && printf '%s\0' "$file"; done |
    tar --null --files-from=- --create | tar --extract --directory="$copy"
(
    cd "$copy"
    git init --quiet
    git add --all
    git -c user.name=verify -c user.email=verify@localhost commit --quiet --no-verify --message=before
    if ! make --no-print-directory generate >generate.log 2>&1; then
        tail -n 40 generate.log >&2
        echo "verify: make generate failed" >&2
        exit 1
    fi
    rm generate.log
)
changed=$(git -C "$copy" status --porcelain --untracked-files=all)
if [[ -n $changed ]]; then
    problem "these generated files are out of date (M changed, ?? missing, D stale): run 'make generate' and commit them" \
        < <(echo "$changed" && git -C "$copy" diff --unified=1 | head -n 60)
fi
untracked=$(git ls-files --others --exclude-standard -- "${generated[@]}")
if [[ -n $untracked ]]; then
    problem "these generated files are not in git: run 'git add' on them" <<<"$untracked"
fi

echo "verify: go.mod and go.sum"
while read -r mod; do
    dir=$(dirname "$mod")
    if ! diff=$(cd "$dir" && go mod tidy -diff 2>&1); then
        problem "$mod or its go.sum is not tidy: run 'go mod tidy' in $dir" < <(head -n 40 <<<"$diff")
    fi
done < <(git ls-files --cached --others --exclude-standard -- go.mod '**/go.mod')

echo "verify: gofmt"
unformatted=$(git ls-files -z --cached --others --exclude-standard --deduplicate -- '*.go' |
    while IFS= read -r -d '' file; do [[ -e $file ]] && printf '%s\0' "$file"; done | xargs -0r gofmt -l)
if [[ -n $unformatted ]]; then
    problem "these files are not formatted: run 'gofmt -w' on them" <<<"$unformatted"
fi

echo "verify: go vet"
for dir in . hack/localkube; do
    if ! output=$(cd "$dir" && go vet ./... 2>&1); then
        problem "go vet ./... in $dir" <<<"$output"
    fi
done

echo "verify: manifests"
while read -r file; do
    dir=$(dirname "$file")
    if ! output=$(go tool -modfile=tools/go.mod kustomize build "$dir" 2>&1 >/dev/null); then
        problem "kustomize build $dir" <<<"$output"
    fi
done < <(git ls-files --cached --others --exclude-standard -- '**/kustomization.yaml')

if ((failed)); then
    exit 1
fi
echo "verify: all up to date in $root"
