#!/bin/bash
# ARCHITECTURE.md shows the state diagram that the table has, between the markers below.
# usage: diagram.sh JOB_DIAGRAM ARCHITECTURE.md [--update]
set -euo pipefail
program=$1 file=$2
readonly begin='<!-- job-diagram begin -->' end='<!-- job-diagram end -->'

if ! grep -qsxF -- "$begin" "$file" || ! grep -qsxF -- "$end" "$file"; then
	echo "no diagram between markers in $file: skipped"
	exit 77
fi

diagram=$("$program")

# with_diagram: the file, its diagram replaced by the program's
with_diagram() {
	sed "/^$begin\$/q" "$file"
	echo '```mermaid'
	echo "$diagram"
	echo '```'
	sed -n "/^$end\$/,\$p" "$file"
}

if [ "${3:-}" = --update ]; then
	text=$(with_diagram)
	printf '%s\n' "$text" > "$file"
else
	diff -u "$file" <(with_diagram) || {
		echo "run: $0 $program $file --update"
		exit 1
	}
fi
