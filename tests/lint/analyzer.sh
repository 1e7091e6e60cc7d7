#!/bin/bash
# gcc's path-sensitive analyzer over every source of the programs. usage: analyzer.sh BUILD_DIR
set -euo pipefail
build=$(readlink -f "$1")
cd "$(dirname "$0")/../.."
read -ra flags <<< "$(pkg-config --cflags libuv libsystemd libarchive jansson libseccomp)"
export flags_text="${flags[*]}" build
# shellcheck disable=SC2016
find lib daemon ctl -name '*.c' -print0 | xargs -0 -n 1 -P "$(nproc)" bash -c '
	gcc -std=c11 -O1 -fanalyzer -Werror -D_GNU_SOURCE -Iinclude -Idaemon -Ictl \
		-I"$build/generated" $flags_text -c -o /dev/null "$0"'
