#!/bin/bash
# A deployd-session that ends as soon as it starts, as after half an update: it is said,
# not tried as fast as a CPU can, and over as soon as the program is whole again.
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
