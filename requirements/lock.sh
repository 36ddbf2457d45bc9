#!/usr/bin/env bash
# Locks pyproject.toml's dependencies: `lock.sh UV`. dev.txt first; the others take the same versions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv=$1
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT

compile() {
    "$uv" pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --no-header --upgrade --quiet "$@" >/dev/null
}

compile pyproject.toml --extra dev --output-file requirements/dev.txt
sed 's/ \\$//; /--hash/d' requirements/dev.txt >"$constraints"
compile pyproject.toml --constraints "$constraints" --output-file requirements/runtime.txt
printf 'build\nhatchling\n' | compile - --constraints "$constraints" --output-file requirements/build.txt
# Only for those who fuzz by coverage: wheels are there for Linux on x86-64 alone, of 3.0 for Python 3.11.
linux='sys_platform == "linux" and platform_machine == "x86_64" and python_version'
printf 'atheris>=3.1; %s >= "3.12"\natheris==3.0.*; %s < "3.12"\n' "$linux" "$linux" |
    compile - --only-binary :all: --output-file requirements/fuzz.txt
# A contender of the benchmark, in an environment of its own.
printf 'quixstreams==3.28.*\n' | compile - --only-binary :all: --output-file bench/quix/requirements.txt
