#!/bin/bash
# docs/from-mix_deploy.md, command by command, from a machine without the app to a served
# page, rollback and restart.flag; and all of it a second time over what is there.
# timeout: 500
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/walk.sh"

walk_user deploy
walk_project deploy
# Nothing of the app is here.
! getent passwd app > /dev/null || fail "there is a user app"
for path in /srv/foo /etc/deployd/apps.d/foo.conf /etc/systemd/system/foo.service; do
	[ ! -e $path ] || fail "there is $path"
done

pid() { systemctl show -P MainPID foo; }

# What must be true when a block has been run. What it was before is in $before.
after() { # NAME
	case $1 in
	environment) [ -s /home/deploy/foo/config/environment ] ;;
	generate) assert_contains "$out" "WorkingDirectory=/srv/foo/current" ;;
	init)
		assert_equal "$(stat -c '%U:%G %a' /etc/foo/environment)" "root:app 640"
		as app cat /etc/foo/environment > /dev/null
		assert_equal "$(stat -c '%U:%G %a' /srv/foo)" "root:app 750"
		assert_equal "$(systemctl is-enabled foo)" enabled
		[ "$pass" = 1 ] || assert_contains "$out" "init foo: nothing to change"
		;;
	init-steps)
		assert_equal "$(grep -c ': nothing to change$' <<< "$out")" 5 "steps that do nothing"
		;;
	build) [ -s /home/deploy/foo/_build/prod/foo-1.0.$((pass - 1)).tar.gz ] ;;
	deploy | rollback) walk_serves 1.0.0 ;;
	try)
		assert_contains "$out" "foo version=1.0.0 "
		release=$(current_id foo)
		;;
	look)
		assert_contains "$out" "$release"
		assert_contains "$out" "Active: active (running)"
		;;
	usage)
		assert_contains "$out" "restart_method = systemd_flag"
		;;
	flag)
		wait_journal "$cursor" 'Started foo.service' -u foo > /dev/null
		timeout "$WAIT_SEC" bash -c 'until curl -sf http://127.0.0.1:8080/ > /dev/null; do :; done'
		[ "$(pid)" != "$before" ] || fail "not restarted"
		walk_serves 1.0.0
		;;
	restart)
		[ "$(pid)" != "$before" ] || fail "not restarted"
		timeout "$WAIT_SEC" bash -c 'until curl -sf http://127.0.0.1:8080/ > /dev/null; do :; done'
		walk_serves 1.0.0
		;;
	names)
		# deploy-release took what was built last, deploy-rollback went back from it.
		assert_equal "$(deployctl history foo --json | jq -r '.[0:3] | map(.kind) | join(" ")')" \
			"rollback restart deploy"
		assert_equal "$(deployctl releases foo --json | jq -r '.[0].version')" 1.0.1
		walk_serves 1.0.0
		;;
	bundle)
		assert_contains "$out" "deployctl hook"
		[ -s /home/deploy/foo/files/foo.tar.gz ]
		;;
	*) fail "block $1 is not looked at" ;;
	esac
}

for pass in 1 2; do
	note "time $pass"
	while read -r name <&3; do
		before=$(pid)
		cursor=$(journal_cursor)
		walk_run deploy ~deploy/foo walk "$name"
		after "$name"
	done 3< <(walk_names walk)
done

note "doctor finds nothing on a machine that was set up so"
expect 0 deployctl doctor foo --json
assert_equal "$(jq -c .findings <<< "$out" 2> /dev/null || echo "$out")" '[]' "findings"
expect 0 deployctl doctor
note "$out$err"

note "deploy may not do what the policy does not allow, and needs no sudo"
rm /etc/sudoers.d/deploy
expect 4 as deploy deployctl init foo
expect 0 as deploy deployctl restart foo
note "the app cannot touch its release, the other users cannot read the secrets"
expect 1 as app touch /srv/foo/current/new
add_user eve
expect 1 as eve cat /etc/foo/environment
