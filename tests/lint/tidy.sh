#!/bin/bash
# clang-tidy with .clang-tidy over every source that the build compiles. The build may be
# gcc's, with warnings that clang does not know. usage: tidy.sh BUILD_DIR
set -euo pipefail
build=$(readlink -f "$1")
cd "$(dirname "$0")/../.."
find lib daemon ctl -name '*.c' -print0 | xargs -0 -n 4 -P "$(nproc)" \
	clang-tidy --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option \
		--warnings-as-errors='*'
