#!/bin/bash
# --help is what help.golden says, and the manual names every verb and every
# option. usage: help.sh DEPLOYCTL MAN_SOURCE SETUP_MAN_SOURCE
set -euo pipefail
deployctl=$1 man=$2 setup=$3
golden=$(dirname "$0")/help.golden
faults=0

"$deployctl" --help | diff "$golden" - || {
	echo "if that is meant: deployctl --help > tests/ctl/help.golden"
	faults=1
}
help=$("$deployctl" --help)

# In the manual a term stands at the start of a line, verbs with what follows them.
verbs=0
while read -r verb; do
	verbs=$((verbs + 1))
	grep -qE "^(.*, )?\*$verb\*( |$)" "$man" "$setup" ||
		{ echo "man: no verb $verb"; faults=1; }
	"$deployctl" help "$verb" > /dev/null || { echo "no help for $verb"; faults=1; }
done < <(sed -n '/^Options:/q; s/^  \([a-z-]*\) .*/\1/p' <<< "$help")
options=0
while read -r option; do
	options=$((options + 1))
	grep -qE "^(.*, )?\*$option\*" "$man" "$setup" || { echo "man: no option $option"; faults=1; }
done < <(sed -n '/^Options:/,$p' <<< "$help" | sed -n 's/^ *\(-[^ ].*\)/\1/p' |
	awk '{ for (i = 1; i <= 2; i++) if ($i ~ /^-/) { sub(/[=[,].*/, "", $i); print $i } }')
while read -r status; do
	grep -q "\*$status\*\$" "$man" || { echo "man: no exit status $status"; faults=1; }
done < <(sed -n '/^Exit status/,/^See/{/^See/!p}' <<< "$help" | grep -oE '\b[0-9]+\b' | grep -vx 1)
[ $verbs -ge 20 ] || { echo "only $verbs verbs in the help"; faults=1; }
[ $options -ge 20 ] || { echo "only $options options in the help"; faults=1; }
exit $faults
