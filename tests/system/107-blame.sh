#!/bin/bash
# What is not the release's fault blames nobody: result machine, exit 1, the cause named, what
# was live is live again, and the archive is welcome. What is its fault makes it bad.
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
readonly drop_in=/etc/systemd/system/hello.service.d
mkdir -p $drop_in

result() { tail -n 1 <<< "$out" | jq -r "$1 | tostring"; }
state_of() { # ID
	expect 0 ctl releases --json hello
	jq -r --arg id "$1" '.[] | select(.id == $id).state' <<< "$out"
}
evidence_of() { # ID
	expect 0 ctl show --json "hello@$1"
	jq -c '.evidence' <<< "$out"
}
unit() { # LINES...
	printf '%s\n' '[Service]' "$@" > $drop_in/test.conf
	systemctl daemon-reload
}
plain_unit() {
	rm -f $drop_in/test.conf
	systemctl daemon-reload
}

# unblamed WORDS: a deploy of hello-2 fails, and that is nobody's fault
unblamed() {
	local id
	# The preflight would refuse most of these.
	expect 1 ctl deploy --force --json hello hello-2.tar.gz
	id=$(result .release)
	assert_equal "$(result .result)" machine "$1"
	assert_contains "$(result .message)" "$1"
	assert_contains "$(result .message)" 'no release is at fault'
	assert_equal "$(state_of "$id")" staged "$1"
	jq -e --arg words "$1" '.reason | contains($words)' <<< "$(evidence_of "$id")" > /dev/null ||
		fail "no evidence of '$1': $(evidence_of "$id")"
	assert_equal "$(current_id)" "$good" "$1"
	expect 0 ctl history --json hello
	assert_equal "$(jq -r '.[0].result' <<< "$out")" machine "$1"
}

# blamed WORDS ARCHIVE
blamed() {
	local id
	expect 13 ctl deploy --force --json hello "$2"
	id=$(result .release)
	assert_contains "$(result .message)" "$1"
	assert_equal "$(state_of "$id")" bad "$1"
	assert_equal "$(current_id)" "$good" "$1"
	serves 1
	jq -e '.journal | length > 0' <<< "$(evidence_of "$id")" > /dev/null ||
		fail "no lines of '$1'"
}

# The set-up is wrong for the new release only: a path of the machine that depends on it.
# hello-1 has VERSION 1, hello-2 another: the link is there for the one.
expect 0 ctl deploy hello hello-1.tar.gz
good=$(current_id)

note "a group that does not exist: both fail alike"
unit 'Group=nobody-has-it'
unblamed 'Group='
assert_equal "$(systemctl show -P ActiveState hello)" failed
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" degraded
plain_unit
expect 0 ctl restart hello
serves 1

note "a file of the machine that is missing"
unit 'EnvironmentFile=/etc/hello/missing'
unblamed 'resources'
unit 'WorkingDirectory=/var/lib/missing'
unblamed 'WorkingDirectory='
unit 'ReadWritePaths=/var/lib/missing'
unblamed 'ReadWritePaths='
unit 'ExecStartPre=/usr/bin/missing'
expect 1 ctl deploy --force --json hello hello-2.tar.gz
assert_equal "$(result .result)" machine "$out"
plain_unit

note "a unit that it requires fails"
printf '[Service]\nType=oneshot\nExecStart=/bin/false\n' > /etc/systemd/system/db.service
printf '[Unit]\nRequires=db.service\nAfter=db.service\n' > $drop_in/db.conf
systemctl daemon-reload
unblamed 'a unit that it requires failed'
rm $drop_in/db.conf
systemctl daemon-reload
expect 0 ctl restart hello
serves 1

note "what it names is in the release: the release's"
tar xzf hello-1.tar.gz --one-top-level=none
rm none/bin/hello
tar czf none.tar.gz -C none .
chown deploy: none.tar.gz
blamed 'cannot execute its program' none.tar.gz
mkdir -p none/bin
cp "$build/tests/apps/hello/hello" none/bin/hello
tar czf nodir.tar.gz -C none .
chown deploy: nodir.tar.gz
current=/srv/hello/current
as root mkdir -p none/work
tar czf dir.tar.gz -C none .
chown deploy: dir.tar.gz
expect 0 ctl deploy hello dir.tar.gz
unit "WorkingDirectory=$current/work"
expect 0 ctl restart hello
good=$(current_id)
expect 13 ctl deploy --force --json hello nodir.tar.gz
assert_equal "$(state_of "$(result .release)")" bad
assert_equal "$(current_id)" "$good"
plain_unit
expect 0 ctl deploy --force hello hello-1.tar.gz
good=$(current_id)

note "a status of systemd's that the program itself ends with is its own"
for status in 200 203 217 226 245; do
	pack_hello "own-$status.tar.gz" 666 start=crash exit_code=$status
	blamed "exited with status $status" "own-$status.tar.gz"
	assert_lacks "$(result .message)" 'systemd cannot'
done

note "the evidence has only lines of this start"
pack_hello noisy.tar.gz 7
expect 0 ctl deploy hello noisy.tar.gz
good=$(current_id)
pid=$(systemctl show -P MainPID hello)
pack_hello crash.tar.gz 8 start=crash exit_code=3
expect 13 ctl deploy --json hello crash.tar.gz
lines=$(result '.unit_log | join("\n")')
assert_contains "$lines" 'told to crash at start'
assert_lacks "$lines" "[$pid]"
assert_lacks "$lines" 'Deactivated'
assert_lacks "$lines" 'Stopp'

note "the archive of what was nobody's fault is welcome"
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
