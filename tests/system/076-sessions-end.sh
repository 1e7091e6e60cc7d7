#!/bin/bash
# A deployd-session that ends as soon as it starts, as after half an update: it is said,
# not tried as fast as a CPU can, and over as soon as the program is whole again. One that
# is from another version. And none at all, because the socket of their unit is stopped:
# every client is told so, and what to do.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly program=/usr/libexec/deployd/deployd-session
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
deployd_pid=$(systemctl show -P MainPID deployd)
mv $program /tmp/genuine
cat > $program <<'EOT'
#!/bin/sh
echo "ended at once" >&2
EOT
chmod 0755 $program

note "the idle ones are used up; then nobody is there for a client, who waits"
cursor=$(journal_cursor)
clients=()
for ((i = 0; i < 8; i++)); do
	as deploy deployctl status hello > /tmp/status.$i 2>&1 &
	clients+=($!)
done
wait_journal "$cursor" 'session processes end as soon as they start' -u deployd > /dev/null

note "tries are few: a lower bound for the time that many take"
deaths() {
	journalctl --no-pager -u deployd-sessions --since="$cursor" -g 'ended at once' \
		-o short-unix -q
}
# Four at a time, 100, 200, 400, 800 ms apart: the last of 20 is at least 1.5 s late.
# shellcheck disable=SC2016
timeout "$WAIT_SEC" bash -c 'exec {lines}< <(exec journalctl --no-pager -f -n all \
	--since="$1" -u deployd-sessions -g "ended at once" -o cat -q)
	for ((n = 0; n < 20; n++)); do read -r _ <&$lines; done' - "$cursor" ||
	fail "it is not tried again: $(deaths | wc -l)"
took=$(deaths | head -n 20 | awk '/ended at once/ { if (!first) first = $1; last = $1 }
	END { print int((last - first) * 1000) }')
note "20 sessions in $took ms"
[ "$took" -ge 1400 ] || fail "20 sessions were started within $took ms"
assert_equal "$(journal_since "$cursor" -u deployd -g 'as soon as they start' -q | wc -l)" 1 "warnings"
serves 1

note "the program is back: those who waited are answered"
mv /tmp/genuine $program
for pid in "${clients[@]}"; do
	wait "$pid" || fail "a client that waited: status $?"
done
grep -q live /tmp/status.7
wait_journal "$cursor" 'session processes are starting again' -u deployd > /dev/null
expect 0 ctl restart hello
assert_equal "$(systemctl show -P MainPID deployd)" "$deployd_pid"

note "a program of another version says which side is old, and the next command"
mv $program /tmp/genuine
for version in 0 2; do
	cat > $program.new <<-EOT
		#!/bin/sh
		printf '{"type":"ready","version":$version}\\0' >&4
		exec cat <&3 > /dev/null
	EOT
	chmod 0755 $program.new
	mv $program.new $program
	cursor=$(journal_cursor)
	expect 0 systemctl restart deployd-sessions.service
	# shellcheck disable=SC2016
	if [ $version = 0 ]; then
		wait_journal "$cursor" 'ending session [0-9]*: it is from an older version than deployd; install deployd again, then run `systemctl restart deployd-sessions.service`' \
			-u deployd > /dev/null
	else
		wait_journal "$cursor" 'ending session [0-9]*: it is from a newer version than the deployd that runs; run `systemctl restart deployd`' \
			-u deployd > /dev/null
	fi
done
mv /tmp/genuine $program
expect 0 ctl restart hello
cursor=$(journal_cursor)

note "the socket of the sessions is stopped: nobody waits in vain, root or not"
systemctl stop deployd-sessions.socket 2> /dev/null
# deployd has seen it: none is left that could still answer.
wait_journal "$cursor" 'cannot start sessions for clients' -u deployd > /dev/null
# shellcheck disable=SC2016
says='deployd cannot answer: deployd-sessions.socket is stopped; root starts it with'
# shellcheck disable=SC2016
says+=' `systemctl start deployd-sessions.socket`'
clients=()
declare -A commands=([status]='status hello' [logs]='logs hello' [restart]='restart hello'
	[patient]='restart hello --timeout=2' [json]='restart hello --json')
for name in "${!commands[@]}"; do
	# shellcheck disable=SC2086
	{
		as deploy timeout "$WAIT_SEC" deployctl ${commands[$name]} \
			> "/tmp/$name.out" 2> "/tmp/$name.err" ||
			echo $? > "/tmp/$name.status"
	} &
	clients+=($!)
done
for pid in "${clients[@]}"; do
	wait "$pid"
done
for name in "${!commands[@]}"; do
	assert_contains "$(cat "/tmp/$name.err")" "$says"
	assert_equal "$(cat "/tmp/$name.status")" 7 "exit status of ${commands[$name]}"
done
assert_equal "$(jq -r '.result, .message' /tmp/json.out)" "no-daemon
$says"
expect 7 ctl list
assert_contains "$err" "$says"

note "what it says is the remedy, and nothing was done behind the user's back"
expect 0 systemctl start deployd-sessions.socket
expect 0 ctl history hello
expect 0 ctl restart hello
serves 1
assert_equal "$(systemctl show -P MainPID deployd)" "$deployd_pid"
