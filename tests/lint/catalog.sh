#!/bin/bash
# Every MESSAGE_ID that deployd writes is explained in the catalog, and no other.
# usage: catalog.sh SOURCE_DIR
set -euo pipefail
cd "$1"
diff <(grep -ohE '\b[0-9a-f]{32}\b' daemon/loop/journal.c | sort -u) \
	<(sed -n 's/^-- \([0-9a-f]\{32\}\).*/\1/p' units/deployd.catalog | sort) ||
	{ echo "< is written by daemon/loop/journal.c, > is in units/deployd.catalog"; exit 1; }
