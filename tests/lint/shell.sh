#!/bin/bash
# The scripts are clean: shellcheck has nothing to say about our scripts. usage: shell.sh SOURCE_DIR
set -euo pipefail
cd "$1"
grep -rlIE --exclude-dir={build,.git,corpus} '^#!/bin/(ba)?sh|^# shellcheck shell=' . |
	grep -vE '\.(c|h|py|md|go)$' | sort |
	xargs -n 8 -P "$(nproc)" shellcheck -x -S warning -P SCRIPTDIR -P tests/lib
