#!/bin/bash
# gcc's path-sensitive analyzer over every source of the programs. usage: analyzer.sh BUILD_DIR
set -euo pipefail
build=$(readlink -f "$1")
cd "$(dirname "$0")/../.."
read -ra flags <<< "$(pkg-config --cflags libuv libsystemd libarchive jansson libseccomp)"

# gcc 12 loses sight of memory that an element of an array, or a structure behind a pointer,
# takes over, and reports a leak where it is the owner's. In these files only; what their
# owners free is seen by LeakSanitizer in the asan tests.
readonly leaks_unseen="lib/config/app_health.c lib/config/app_sections.c lib/config/app_store.c
lib/config/option.c daemon/core/policy_parse.c daemon/core/policy_values.c daemon/core/queue.c
daemon/job/recovery.c daemon/job/app_view_json.c daemon/bus/transient_spec.c daemon/bus/unit_start.c daemon/server/user_login.c
daemon/server/users.c daemon/proc/releases.c ctl/generate/compare.c"
# A return out of a loop past cleanup_close is reported as the use of a value without a name.
readonly nameless="daemon/util/config_files.c daemon/util/nss.c"
for file in $leaks_unseen $nameless; do
	[ -e "$file" ] || { echo "$file is gone: take it off the list"; exit 1; }
done

# Not optimised: inlined, the cleanup functions are reported for variables that are set.
analyze() {
	local file=$1 without=()
	[[ " ${leaks_unseen//$'\n'/ } " != *" $file "* ]] || without+=(-Wno-analyzer-malloc-leak)
	[[ " $nameless " != *" $file "* ]] ||
		without+=(-Wno-analyzer-use-of-uninitialized-value)
	shift
	gcc -std=c11 -O0 -fanalyzer "${without[@]}" -Werror -D_GNU_SOURCE -Iinclude -Idaemon \
		-Ictl -I"$build/generated" "$@" -c -o /dev/null "$file"
}
export -f analyze
export build leaks_unseen nameless
# shellcheck disable=SC2016 # expanded by the shell that is started
find lib daemon ctl -name '*.c' -print0 |
	xargs -0 -I{} -P "$(nproc)" bash -c 'analyze "$@"' - {} "${flags[@]}"
