#!/usr/bin/env bash
# Builds Helm into .cache/deploy/bin from its Go module; needs Go, and some minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v4.3.1
target=$PWD/.cache/deploy/bin
[ -x "$target/helm" ] && [ "${1:-}" != --anew ] && { "$target/helm" version --short; exit 0; }
command -v go > /dev/null || { echo "there is no Go (https://go.dev): install it, or Helm itself, on your PATH" >&2; exit 1; }
mkdir -p "$target"
echo "building Helm $version"
GOBIN="$target" go install -trimpath -ldflags="-s -w" "helm.sh/helm/v4/cmd/helm@$version"
"$target/helm" version --short
