#!/bin/bash
# clang-format is law, and no file is too long to read. usage: format.sh SOURCE_DIR
set -euo pipefail
cd "$1"
failed=0
mapfile -t sources < <(find include lib daemon ctl tests -name '*.[ch]')
clang-format --dry-run -Werror "${sources[@]}" || failed=1
while read -r lines file; do
	[ "$file" = total ] && continue
	[ "$lines" -le 600 ] || { echo "$file: $lines lines, more than 600"; failed=1; }
done < <(find include lib daemon ctl tests units etc -type f ! -name '*.tar*' ! -path '*/corpus/*' \
	-exec wc -l {} +)
exit $failed
