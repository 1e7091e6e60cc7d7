#!/bin/bash
# clang-format is law. usage: format.sh SOURCE_DIR
set -euo pipefail
cd "$1"
failed=0
mapfile -t sources < <(find include lib daemon ctl tests -name '*.[ch]')
clang-format --dry-run -Werror "${sources[@]}" || failed=1
exit $failed
