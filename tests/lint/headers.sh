#!/bin/bash
# Every header compiles alone. usage: headers.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
cd "$1"
read -ra flags <<< "$(pkg-config --cflags libuv libsystemd libarchive jansson libseccomp cmocka)"
failed=0
while read -r header; do
	echo "#include \"$PWD/$header\"" |
		gcc -std=c11 -fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE -Iinclude \
			-Idaemon -Ictl -I. -I"$2/generated" "${flags[@]}" -x c - ||
		{ echo "does not compile alone: $header"; failed=1; }
done < <(find include lib daemon ctl -name '*.h')
exit $failed
