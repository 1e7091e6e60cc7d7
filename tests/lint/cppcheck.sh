#!/bin/bash
# usage: cppcheck.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
# cppcheck does not read jansson.h, and internalAstError: it cannot read steal_ptr(&a->b).
macros=$(mktemp)
trap 'rm -f "$macros"' EXIT
cat > "$macros" <<-'EOT'
	#define json_array_foreach(array, i, value) \
		for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
EOT
cppcheck --quiet -j "$(nproc)" --std=c11 --enable=warning,performance,portability \
	--inline-suppr --suppress=missingIncludeSystem --suppress=preprocessorErrorDirective \
	--suppress=internalAstError \
	--error-exitcode=1 -D_GNU_SOURCE -Iinclude -Idaemon -Ictl -I"$1/generated" \
	--include="$macros" lib daemon ctl
