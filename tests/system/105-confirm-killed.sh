#!/bin/bash
# deployd killed, and the machine's plug pulled, at every phase of a deploy with --confirm:
# it ends live and confirmed, or on the release of before; never anything else.
# timeout: 420
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
# What is cut off after: the words in deployd's journal that say that the phase has begun.
readonly phases=(unpacking sealing switching restarting checking baking finishing waiting)
readonly state=/var/tmp/confirm-killed # survives the plug

configure() {
	setup_hello '[health]' 'min_healthy_sec = 1' 'bake_sec = 1' 'healthy_deadline_sec = 20'
	sed -i 's/^allow = .*/& confirm/' /etc/deployd/policy.d/hello.conf
	mkdir -p /etc/systemd/system/deployd.service.d
	printf '[Service]\nRestartSec=50ms\n' > /etc/systemd/system/deployd.service.d/soon.conf
	systemctl daemon-reload
	expect 0 systemctl reload deployd
	pack_hello new.tar.gz 2 start_delay_ms=700 padding=8000000
	expect 0 ctl deploy hello hello-1.tar.gz
	expect 0 ctl enable hello
	current_id > $state.first
}

# Begins a deploy that must be confirmed within 3 s, and comes back when it is in the phase.
reach() { # PHASE
	rm -f /tmp/progress
	: > /tmp/progress
	start /tmp/progress ctl deploy --confirm=3s --force hello new.tar.gz
	if [ "$1" = waiting ]; then
		ended
		assert_equal "$status" 0 "$(cat /tmp/progress)"
		return
	fi
	timeout "$WAIT_SEC" grep -m 1 -q -- "hello: $1" < <(exec tail -n +1 -f /tmp/progress) ||
		fail "it never came to $1: $(cat /tmp/progress)"
}

# Waits until deployd has nothing to do any more, and nothing to wait for.
settle() {
	local cursor
	cursor=$(journal_cursor)
	expect 0 ctl status --json hello
	if [ "$(jq -r .confirm_by <<< "$out")" != null ]; then
		wait_journal "$cursor" 'revert by .* (failed|done)' -t deployd > /dev/null
	fi
	timeout "$WAIT_SEC" bash -c 'until [ "$(deployctl jobs --json |
		jq "map(select(.result == null)) | length")" = 0 ]; do :; done' ||
		fail "deployd does not come to rest"
}

# check PHASE: on the release of before, whole, live and serving
check() {
	expect 0 ctl status --json hello
	assert_equal "$(jq -r '.state + " " + .unit_state + " " + (.confirm_by | tostring)' <<< "$out")" \
		"live active null" "$1"
	assert_equal "$(current_id)" "$(cat $state.first)" "$1: current"
	complete_release "/srv/hello/releases/$(current_id)" hello-1.tar.gz
	serves 1
	[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "$1: something is left in .staging"
}

if [ "$MACHINE_BOOT" = 1 ]; then
	configure
	for phase in "${phases[@]}"; do
		note "deployd is killed while $phase"
		reach "$phase"
		kill -KILL "$(systemctl show -P MainPID deployd)"
		[ "$phase" = waiting ] || ended
		settle
		check "$phase"
	done
	note "what is confirmed stays, killed or not"
	expect 0 ctl deploy --confirm=20s --force hello new.tar.gz
	expect 0 ctl confirm hello
	kill -KILL "$(systemctl show -P MainPID deployd)"
	settle
	serves 2
	expect 0 ctl rollback hello
	check confirmed
	echo 0 > $state.next
else
	cd /home/deploy || fail "no home"
	phase=${phases[$(cat $state.next)]}
	note "after the plug was pulled while $phase"
	settle
	systemctl is-active --quiet hello || systemctl start hello
	settle
	check "$phase"
	echo $(($(cat $state.next) + 1)) > $state.next
fi
[ "$(cat $state.next)" -lt ${#phases[@]} ] || exit 0
reach "${phases[$(cat $state.next)]}"
exit 95
