#!/bin/bash
# clang-tidy with .clang-tidy over every source that the build compiles. usage: tidy.sh BUILD_DIR
set -euo pipefail
build=$(readlink -f "$1")
cd "$(dirname "$0")/../.."
find lib daemon ctl -name '*.c' -print0 | xargs -0 -n 4 -P "$(nproc)" \
	clang-tidy --quiet -p "$build" --warnings-as-errors='*'
