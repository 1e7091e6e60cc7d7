#!/bin/bash
# The scripts are clean: shellcheck has nothing to say about our scripts. usage: shell.sh SOURCE_DIR
set -euo pipefail
cd "$1"
while read -r file; do
	read -r -n 80 first < "$file" || true
	[[ $first =~ ^(#!/bin/(ba)?sh|# shellcheck shell=) ]] && echo "$file"
done < <(find . -type f -size -64k ! -path './build/*' ! -path './.git/*' ! -path '*/corpus/*') |
	sort | xargs shellcheck -x -S warning -P SCRIPTDIR -P tests/lib
