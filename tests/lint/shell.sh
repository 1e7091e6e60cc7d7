#!/bin/bash
# The scripts are clean: shellcheck has nothing to say about our scripts. usage: shell.sh SOURCE_DIR
set -euo pipefail
cd "$1"
grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' --exclude-dir=build --exclude-dir=.git . |
	sort | xargs shellcheck -x -S warning -P SCRIPTDIR -P tests/lib
