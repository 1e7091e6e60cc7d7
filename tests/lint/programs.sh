#!/bin/bash
# Which library each program links is the privilege story: read it from the binaries, and
# that they are hardened. usage: programs.sh BUILD_DIR
set -euo pipefail
build=$1
faults=0

fault() { echo "$*"; faults=1; }

program() {
	local found
	found=$(find "$build" -type f -name "$1" -perm -u+x -print -quit)
	[ -n "$found" ] || { echo "no program $1 in $build" >&2; exit 1; }
	echo "$found"
}

needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p'; }

# links PROGRAM MUST MAY: libc goes without saying
links() {
	local file library must=$2 may="$2 $3 libc ld-linux-x86-64 ld-linux-aarch64"
	file=$(program "$1")
	for library in $(needed "$file"); do
		case " $may " in
		*" $library "*) ;;
		*) fault "$1 must not link $library" ;;
		esac
	done
	for library in $must; do
		needed "$file" | grep -qx "$library" || fault "$1 must link $library"
	done
}

hardened() {
	local file
	file=$(program "$1")
	readelf -hW "$file" | grep -q 'Type: *DYN' || fault "$1: not position independent"
	readelf -dW "$file" | grep -q 'FLAGS_1.*NOW.*PIE' || fault "$1: no BIND_NOW and PIE"
	readelf -lW "$file" | grep -q GNU_RELRO || fault "$1: no RELRO"
	readelf -lW "$file" | grep -q 'GNU_STACK.*RWE' && fault "$1: executable stack"
	readelf -sW "$file" | grep -q __stack_chk_fail || fault "$1: no stack protector"
	if readelf -hW "$file" | grep -q X86-64; then
		readelf -nW "$file" | grep -q 'IBT, SHSTK' || fault "$1: no CET"
	fi
	[ -z "$release" ] || readelf -sW "$file" | grep -q '_chk@' || fault "$1: no fortify"
}

if readelf -sW "$(program deployctl)" | grep -q __asan_init; then
	echo "a sanitizer links its own: skipped"
	exit 77
fi
release=$(grep -E '^CMAKE_BUILD_TYPE:.*=(Rel|MinSize)' "$build/CMakeCache.txt" || true)

links deployd "libuv libsystemd" "libjansson libinih libpthread libdl"
links deployctl "libjansson" "libinih"
links deployd-intake "libcrypto" "libjansson libseccomp libinih"
links deployd-unpack "libarchive libz" "libjansson libseccomp libinih"
links deployd-store "libcap" "libjansson libinih libseccomp"
links deployd-touch "" "libjansson libseccomp libinih"
links deployd-probe "libcurl" "libjansson libinih libseccomp libpthread"
for name in deployd deployctl deployd-intake deployd-unpack deployd-store \
	deployd-probe deployd-touch; do
	hardened "$name"
done
exit $faults
