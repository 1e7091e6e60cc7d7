#!/bin/bash
# core and lib may compute, not act: no system calls, no clock, no names, no loop.
# usage: symbols.sh BUILD_DIR
set -euo pipefail
build=$1
faults=0

archive() {
	local found
	found=$(find "$build" -name "lib$1.a" -print -quit)
	[ -n "$found" ] || { echo "no lib$1.a in $build" >&2; exit 1; }
	echo "$found"
}

for library in deploy_base deploy_config deploy_varlink core; do archive $library > /dev/null; done
if nm -u "$(archive deploy_base)" | grep ' __asan_' > /dev/null; then
	echo "a sanitizer brings its own symbols: skipped"
	exit 77
fi

readonly computing='str[a-z0-9_]*|mem[a-z]*|mempcpy|v?s?n?printf|v?asprintf|malloc|calloc
|realloc|reallocarray|free|inet_pton|qsort|bsearch|abort|is[a-z]+|to(upper|lower)
|__ctype_[a-z_]*|__errno_location|__stack_chk_fail|__assert_fail|__[a-z0-9_]+_chk
|__isoc99_sscanf|__isoc23_[a-z]+|gmtime_r|timegm|sigdescr_np|open_memstream|fmemopen|fclose|fputc|fputs
|fwrite|fprintf|fflush|_GLOBAL_OFFSET_TABLE_|__sanitizer_[a-z_0-9]*|__gcov_[a-z_]*'

# undefined LIBRARY ALLOWED-REGEX LIBRARIES...: what it needs that is in none of them
undefined() {
	local library=$1 allowed=$2 left
	shift 2
	left=$(comm -23 \
		<(nm -u "$(archive "$library")" | awk '$1 == "U" {print $2}' | sort -u) \
		<(for l in "$library" "$@"; do nm --defined-only "$(archive "$l")"; done |
			awk 'NF == 3 {print $3}' | sort -u) |
		grep -vxE "${allowed//$'\n'/}" || true)
	[ -n "$left" ] || return 0
	faults=1
	echo "lib$library.a must not need:"
	sed 's/^/  /' <<< "$left"
}

undefined deploy_base "$computing"
undefined deploy_config "$computing|ini_[a-z_]+" deploy_base
undefined deploy_varlink "$computing|json_[a-z_]+|jsonp_[a-z_]+" deploy_base
undefined core "$computing" deploy_config deploy_base
exit $faults
