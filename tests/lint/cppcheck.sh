#!/bin/bash
# usage: cppcheck.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
cppcheck --quiet -j "$(nproc)" --std=c11 --enable=warning,performance,portability \
	--inline-suppr --suppress=missingIncludeSystem --suppress=preprocessorErrorDirective \
	--error-exitcode=1 -D_GNU_SOURCE -Iinclude -Idaemon -Ictl \
	-I"$1/generated" lib daemon ctl
