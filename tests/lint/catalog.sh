#!/bin/bash
# Every MESSAGE_ID that deployd writes is explained in the catalog and in deployd(8), and no
# other; both name only fields that deployd writes. usage: catalog.sh SOURCE_DIR
set -euo pipefail
cd "$1"
faults=0
readonly code=daemon/base/journal.c catalog=units/deployd.catalog page=man/deployd.8.scd
ids() { grep -ohE '\b[0-9a-f]{32}\b' "$1" | sort; }

# compare WHAT FILE CODE'S FILE'S: two sorted lists that have to be equal
compare() {
	[ -n "$3" ] || { echo "$1: none found in $code"; faults=1; }
	[ "$3" != "$4" ] || return 0
	echo "$1: < is written by $code, > is in $2"
	diff <(echo "$3") <(echo "$4") || true
	faults=1
}

written=$(ids $code)
[ -z "$(uniq -d <<< "$written")" ] || { echo "an id is that of two events"; faults=1; }
compare "MESSAGE_IDs" $catalog "$written" \
	"$(sed -n 's/^-- \([0-9a-f]\{32\}\).*/\1/p' $catalog | sort)"
compare "MESSAGE_IDs" $page "$written" "$(ids $page | uniq)"

fields=$(grep -oE '"(DEPLOY|OBJECT)_[A-Z_]+="' $code | tr -d '"=' | sort -u)
compare "fields" $page "$fields" "$(grep -oE '\*(DEPLOY|OBJECT)_[A-Z_]+=\*' $page |
	tr -d '*=' | sort -u)"
unknown=$(comm -23 <(grep -oE '@[A-Z_]+@' $catalog | tr -d '@' | sort -u) <(echo "$fields"))
[ -z "$unknown" ] || { echo "$catalog uses fields that nobody writes: $unknown"; faults=1; }

# An event of journal.h that nobody logs has an explanation that nobody will read.
for event in $(grep -oE '\[JOURNAL_[A-Z_]+\] =' $code | tr -d '[]= '); do
	grep -rhE "\b$event\b" daemon --include='*.c' | grep -qv "\[$event\] =" ||
		{ echo "nothing logs $event"; faults=1; }
done
exit $faults
