#!/bin/bash
# Every file that `deployctl generate` makes of cases/NAME.conf is as in NAME.golden; the
# units are clean for systemd, the sudoers files for visudo.
# usage: generate.sh DEPLOYCTL [--write]
set -euo pipefail
deployctl=$(readlink -f "$1") write=${2-}
cd "$(dirname "$0")/cases"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset APP_USER APP_GROUP DEPLOY_USER DEPLOY_GROUP MIX_ENV DESTDIR
export LC_ALL=C
faults=0 cases=0 units=0 sudoers=0

fault() { echo "$*"; faults=1; }

# What it says, and every file with its mode.
show() { # DIR MESSAGES STATUS
	local file
	echo "exit status $3"
	cat "$2"
	[ -d "$1" ] || return 0
	(cd "$1" && find . -type f | sort) | while read -r file; do
		printf '\n==> %s %s\n' "${file#./}" "$(stat -c %a "$1/$file")"
		cat "$1/$file"
	done
}

# The programs are not here: /bin/true stands in for them, everything else is as it is.
verify() { # DIR
	local unit copy=$tmp/verify
	mkdir "$copy"
	for unit in "$1"/systemd/*; do
		sed -E 's#^(Exec[A-Za-z]+=[-+!@:|]*)("([^"\\]|\\.)*"|/[^ ]*)#\1/bin/true#' \
			"$unit" > "$copy/${unit##*/}"
		units=$((units + 1))
	done
	SYSTEMD_UNIT_PATH=$copy: systemd-analyze verify --man=no "$copy"/* > "$tmp/said" 2>&1 ||
		fault "$name: systemd-analyze verify fails"
	# Of the units of this machine, which are loaded too.
	grep "^$copy" "$tmp/said" && fault "$name: systemd-analyze verify complains"
	rm -rf "$copy"
}

for case in *.conf; do
	name=${case%.conf} dir=$tmp/out status=0 options=()
	cases=$((cases + 1))
	grep -q '^sudo_.* = yes' "$case" && options=(--sudoers)
	"$deployctl" generate --quiet --app-file "$case" --to "$dir" "${options[@]}" \
		2> "$tmp/messages" || status=$?
	show "$dir" "$tmp/messages" $status > "$tmp/came"
	if [ "$write" = --write ]; then
		cp "$tmp/came" "$name.golden"
	else
		diff "$name.golden" "$tmp/came" || fault "$name: not as in $name.golden;" \
			"if that is meant: tests/generate/generate.sh DEPLOYCTL --write"
	fi
	if [ -d "$dir" ]; then
		verify "$dir"
		for file in "$dir"/sudoers.d/*; do
			[ -e "$file" ] || continue
			command -v visudo > /dev/null || continue
			visudo --check --quiet --file="$file" || fault "$name: visudo complains"
			sudoers=$((sudoers + 1))
		done
	fi
	rm -rf "$dir"
done
echo "$cases cases, $units units, $sudoers sudoers files"
if [ $cases -lt 10 ] || [ $units -lt 12 ]; then
	fault "too few: the search is broken"
fi
exit $faults
