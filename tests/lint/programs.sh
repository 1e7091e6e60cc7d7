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
		[ "$(needed "$file" | grep -cx "$library")" = 1 ] || fault "$1 must link $library"
	done
}

# has FILE PATTERN READELF-OPTION: read to its end, so that no pipe breaks
has() { [ "$(readelf "$3" -W "$1" | grep -c -- "$2")" -gt 0 ]; }

hardened() {
	local file
	file=$(program "$1")
	has "$file" 'Type: *DYN' -h || fault "$1: not position independent"
	has "$file" 'FLAGS_1.*NOW.*PIE' -d || fault "$1: no BIND_NOW and PIE"
	has "$file" GNU_RELRO -l || fault "$1: no RELRO"
	! has "$file" 'GNU_STACK.*RWE' -l || fault "$1: executable stack"
	has "$file" __stack_chk_fail -s || fault "$1: no stack protector"
	# Debian's start files are not marked for CET, so no program is; its code is ready.
	if has "$file" X86-64 -h; then
		[ "$(objdump -d --disassemble=main "$file" | grep -c endbr64)" -gt 0 ] ||
			fault "$1: no CET"
	fi
	[ -z "$release" ] || has "$file" '_chk@' -s || fault "$1: no fortify"
}

if has "$(program deployctl)" __asan_init -s; then
	echo "a sanitizer links its own: skipped"
	exit 77
fi
release=$(grep -E '^CMAKE_BUILD_TYPE:.*=(Rel|MinSize)' "$build/CMakeCache.txt" || true)

links deployd "libuv libsystemd" "libjansson libinih libpthread libdl"
links deployctl "libjansson" "libinih"
links deployd-session "libjansson libseccomp" "libinih"
links deployd-sessions "" "libjansson libinih libseccomp"
links deployd-intake "libcrypto" "libjansson libseccomp libinih"
links deployd-unpack "libarchive libz" "libjansson libseccomp libinih"
links deployd-store "libcap libz" "libjansson libinih libseccomp"
links deployd-touch "" "libjansson libseccomp libinih"
links deployd-users "" "libjansson libseccomp libinih"
links deployd-probe "libcurl" "libjansson libinih libseccomp libpthread"
links deployd-proc "libseccomp" "libjansson libinih"
links deployd-preflight "libseccomp" "libjansson libinih"
for name in deployd deployctl deployd-session deployd-sessions deployd-intake \
	deployd-unpack deployd-store deployd-probe deployd-proc deployd-preflight deployd-touch \
	deployd-users; do
	hardened "$name"
done
exit $faults
