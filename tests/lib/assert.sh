# shellcheck shell=bash
# Assertions and waiting, for scripts that run inside the machine. Source it first.
set -Eeuo pipefail
shopt -s inherit_errexit

readonly WAIT_SEC=60 # of everything that waits

_where() {
	local i
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		printf '  at %s:%s %s\n' "$(basename "${BASH_SOURCE[i]}")" \
			"${BASH_LINENO[i - 1]}" "${FUNCNAME[i]}"
	done >&2
}

fail() {
	echo "FAILED: $*" >&2
	_where
	exit 1
}

trap 'status=$?; echo "FAILED: status $status: $BASH_COMMAND" >&2; _where; exit 1' ERR

note() { echo "-- $*"; }

# A test that cannot run says why.
skip() {
	echo "skipped: $*"
	exit 77
}

assert_equal() { # IS WANTED [WHAT]
	[ "$1" = "$2" ] || fail "${3:-value} is '$1', not '$2'"
}

assert_contains() { # TEXT PART
	case $1 in
	*"$2"*) ;;
	*) fail "no '$2' in: $1" ;;
	esac
}

assert_lacks() { # TEXT PART
	case $1 in
	*"$2"*) fail "'$2' is in: $1" ;;
	esac
}

# Runs a command that must end with the status; its output is left in $out and $err.
expect() { # STATUS COMMAND...
	local wanted=$1 status=0 errors
	shift
	errors=$(mktemp)
	out=$("$@" 2> "$errors") || status=$?
	err=$(cat "$errors")
	rm -f "$errors"
	[ "$status" = "$wanted" ] || {
		printf 'stdout: %s\nstderr: %s\n' "$out" "$err" >&2
		fail "status $status, not $wanted: $*"
	}
}

# In the background, with both outputs in FILE; its pid is in $client. ended waits for it
# and leaves how it ended in $status.
start() { # FILE COMMAND...
	local file=$1
	shift
	(
		trap - ERR
		"$@"
	) > "$file" 2>&1 5>&- &
	client=$!
}

ended() {
	status=0
	wait "$client" || status=$?
}

as() { # USER COMMAND...
	local user=$1
	shift
	runuser -u "$user" -- env HOME="/home/$user" "$@"
}

# Where the journal ends now; for journal_since and wait_journal. A time, no cursor: with
# matches journalctl's --after-cursor leaves out the first entry that matches.
journal_cursor() {
	journalctl --sync
	echo "@${EPOCHREALTIME/,/.}"
}

journal_since() { # CURSOR [JOURNALCTL ARGS...]
	local cursor=$1
	shift
	journalctl --sync
	journalctl --no-pager --since="$cursor" "$@"
}

# Waits until the journal says it (extended regular expression), and prints the line.
wait_journal() { # CURSOR REGEX [JOURNALCTL ARGS...]
	local cursor=$1 regex=$2 line
	shift 2
	# shellcheck disable=SC2016
	line=$(timeout "$WAIT_SEC" bash -c 'grep -m 1 -E -- "$1" < <(
		exec journalctl --no-pager -f -n all --since="$2" "${@:3}")' \
		- "$regex" "$cursor" "$@") || fail "the journal never said '$regex'"
	echo "$line"
}

wait_exit() { # PID
	timeout "$WAIT_SEC" tail --pid="$1" -f /dev/null || fail "pid $1 does not end"
}
