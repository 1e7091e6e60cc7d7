#!/bin/bash
# Every man page renders without a warning, and refers to pages of ours that exist.
# usage: man.sh SOURCE_DIR
set -euo pipefail
cd "$1/man"
faults=0
page=$(mktemp)
trap 'rm -f "$page"' EXIT
export LC_ALL=C.UTF-8 MANWIDTH=80 MANPAGER=cat

fault() { echo "$*"; faults=1; }

ls -- *.scd > /dev/null
for source in *.scd; do
	scdoc < "$source" > "$page" || { fault "$source: scdoc refuses it"; continue; }
	warnings=$(man --warnings -E UTF-8 -l "$page" 2>&1 > /dev/null) ||
		fault "$source: man ends with an error"
	[ -z "$warnings" ] || fault "$source: $warnings"
	if command -v mandoc > /dev/null; then
		# STYLE is about how the source looks, which is scdoc's.
		mandoc -T lint -W warning "$page" || fault "$source: mandoc warns"
	fi
	for name in $(grep -oE '\*(deployd[a-z.]*|deployctl[a-z-]*)\*\([0-9]\)' "$source" |
		sed 's/\*\(.*\)\*(\(.\))/\1.\2/' | sort -u); do
		[ -e "$name.scd" ] || fault "$source: there is no page $name"
	done
done
exit $faults
