#!/bin/bash
# timeout: 400
# An installation of mix_deploy, made by the steps of its own scripts, is taken over while
# its service runs: shown first, then done, under a reader that never fails; every old
# release can be gone back to. What cannot be made safe is refused and left as it is.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/mix_deploy-tree.sh"

setup_hello
for version in 3 4 5 6; do
	pack_hello old-$version.tar.gz $version
done
home=/home/deploy

old_installation() {
	rm -rf "$mix_dir" /var/lib/deployd/hello
	mix_create_dirs > /dev/null
	mix_release $home/old-3.tar.gz 20181114072116
	mix_release $home/old-4.tar.gz 20181115T080000
	mix_release $home/old-5.tar.gz 20181116090000
	mix_failed_release $home/old-6.tar.gz 20181117100000
	mkdir -p "$mix_dir/releases/notes"
}

snapshot() { find "$mix_dir" -printf '%p %U:%G %m %y %i %C@ %l\n' | sort; }
owner() { stat -c '%U:%G %a' "$1"; }
release_states() { # "ID state" a line, oldest first
	ctl releases hello --json | jq -r 'reverse[] | .id + " " + .state'
}

start_reader() {
	runuser -u hello -- python3 -B "$repo/tests/lib/reader.py" \
		"$mix_dir/current/bin/hello" > /run/reader.out 2>&1 &
	reader=$!
	timeout "$WAIT_SEC" bash -c 'until grep -qs reading /run/reader.out; do :; done' ||
		fail "the reader does not begin"
}

reader_never_failed() {
	kill "$(pgrep -P "$reader")"
	client=$reader
	ended
	assert_equal "$status" 0 "how the reader ended: $(cat /run/reader.out)"
	assert_contains "$(cat /run/reader.out)" " reads"
}

note "an old installation that runs; deployd says what to do about it"
old_installation
systemctl start hello
serves 5
pid=$(systemctl show -P MainPID hello)
systemctl restart deployd
expect 1 ctl deploy hello hello-1.tar.gz
assert_contains "$err" "deployctl adopt hello"

note "only root; without --yes it is a list, and nothing else"
expect 4 ctl adopt hello
before=$(snapshot)
expect 0 deployctl adopt hello
assert_contains "$err" "repair /srv/hello: deploy:hello 0750 becomes root:hello 0750"
assert_contains "$err" "adopt /srv/hello/releases/20181114072116: good, "
assert_contains "$err" "adopt /srv/hello/releases/20181115T080000: good, "
assert_contains "$err" "adopt /srv/hello/releases/20181117100000: bad: it has no executable 'bin/hello'"
assert_contains "$err" "replace /srv/hello/current: link to releases/20181116090000"
assert_contains "$err" "left as it is: /srv/hello/releases/notes is no release"
assert_contains "$err" "deployctl adopt hello --yes"
assert_contains "$out" "to make; nothing was done"
assert_equal "$(snapshot)" "$before" "what is there after the list"
expect 0 deployctl adopt hello --json
assert_equal "$(tail -n 1 <<< "$out" | jq -c '[.result, .dry_run, .changes > 5]')" \
	'["ok",true,true]'

note "done, under a reader, while deployd runs"
start_reader
expect 0 deployctl adopt hello --yes
reader_never_failed
assert_equal "$(readlink /srv/hello/current)" releases/20181116090000
assert_equal "$(release_states)" "20181114072116 good
20181115T080000 good
20181116090000 current
20181117100000 bad"
assert_equal "$(owner /srv/hello)" "root:hello 750"
assert_equal "$(owner /srv/hello/bin/deploy-restart)" "root:hello 750"
assert_equal "$(owner /srv/hello/etc/environment)" "root:hello 640"
assert_equal "$(owner /srv/hello/flags)" "deploy:hello 755"
assert_equal "$(find /srv/hello/releases/2018* \( ! -user root -o -perm /022 \) ! -type l | wc -l)" 0

note "the service was not touched and runs what is current"
assert_equal "$(systemctl show -P MainPID hello)" "$pid"
serves 5
status=$(ctl status hello --json)
assert_equal "$(jq -c '[.state, .verified, .release, .previous]' <<< "$status")" \
	'["live",true,"20181116090000","20181115T080000"]'
assert_equal "$(ctl show hello --json | jq -c '[.sha256, .deployed_by]')" '[null,null]'
assert_equal "$(ctl history hello --json | jq -r '.[0].kind')" adopt
expect 0 ctl releases hello
expect 0 ctl show hello@20181117100000
assert_contains "$out" "no executable 'bin/hello'"

note "a second time there is nothing to change"
expect 0 deployctl adopt hello --yes
assert_equal "$out" "adopt hello: nothing to change"

note "back through every old release, then forward with a new one"
expect 0 ctl rollback hello
serves 4
expect 0 ctl rollback hello
serves 3
expect 5 ctl rollback hello
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
assert_equal "$(current_id | sed 's/.*-//')" 0005
expect 0 ctl activate hello@20181116090000
serves 5

note "rolled back by the old script: what is newer than the current one is not gone to"
systemctl stop hello deployd.socket deployd.service
old_installation
rm -rf "$mix_dir"/releases/{20181117100000,notes}
mix_rollback
systemctl start hello deployd.socket deployd.service
serves 4
expect 0 deployctl adopt hello --yes
expect 0 ctl deploy hello hello-1.tar.gz
expect 0 ctl rollback hello
serves 4

note "a single version, as CodeDeploy has it"
systemctl stop hello
rm -rf "$mix_dir" /var/lib/deployd/hello
mix_create_dirs > /dev/null
mix_extract_release $home/old-6.tar.gz
systemctl restart deployd
systemctl start hello
pid=$(systemctl show -P MainPID hello)
expect 0 deployctl adopt hello
assert_contains "$err" "exchange /srv/hello/current: the directory becomes /srv/hello/releases/"
start_reader
expect 0 deployctl adopt hello --yes
reader_never_failed
[ -L /srv/hello/current ] || fail "current is no link"
assert_equal "$(systemctl show -P MainPID hello)" "$pid"
assert_equal "$(ctl status hello --json | jq -c '[.state, .verified]')" '["live",true]'
single=$(current_id)
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$single"
serves 6

note "what cannot be made safe is refused, and nothing is changed"
refused() { # WHAT TEXT COMMAND...
	local what=$1 text=$2 before
	shift 2
	old_installation
	"$@"
	before=$(snapshot)
	expect 6 deployctl adopt hello --yes
	assert_contains "$err" "$text"
	assert_contains "$err" "nothing was changed"
	assert_equal "$(snapshot)" "$before" "after a refusal because of $what"
}
systemctl stop hello deployd.socket deployd.service
old=$mix_dir/releases/20181114072116
refused "a link out" "leads out of the release" ln -s ../../../../etc/shadow $old/shadow
refused "a link out" "not below one of link_targets" ln -s /etc/shadow $old/shadow
refused "a setuid file" "setuid" chmod 4755 $old/bin/hello
refused "a device" "neither file, directory nor link" mknod $old/null c 1 3
refused "a foreign owner" "neither root nor deploy_user" chown eve $old/etc/hello.conf
refused "a mount" "mount" mount -t tmpfs tmpfs $old/priv
umount $old/priv
refused "a dangling link" "no release in" ln -sfn "$mix_dir/releases/releases" "$mix_dir/current"
refused "a hard link" "linked from outside" ln $old/bin/hello /srv/hello-outside
rm /srv/hello-outside
refused "a scripts_dir that is a link" "a link is not followed" bash -c \
	"mv $mix_dir/bin /srv/elsewhere && ln -s /srv/elsewhere $mix_dir/bin"
rm -rf /srv/elsewhere
old_installation
chmod 777 /srv
expect 6 deployctl adopt hello --yes
assert_contains "$err" "unsafe path: '/srv'"
chmod 755 /srv
expect 2 env DESTDIR=/run deployctl adopt hello
old_installation
rm -rf "$mix_dir"
expect 5 deployctl adopt hello --yes

note "killed wherever, it can be run again, and the app can be read all the time"
rounds=$((30 * ${DEPLOYD_TEST_SCALE:-1}))
seed=${DEPLOYD_TEST_SEED:-$RANDOM}
echo "seed $seed"
RANDOM=$seed
killed=0
for ((i = 0; i < rounds; i++)); do
	old_installation
	status=0
	# In a shell of its own, which says "Killed" into the void.
	(
		trap - ERR
		timeout --signal=KILL "0.00$((RANDOM % 9 + 1))$((RANDOM % 10))" \
			deployctl adopt hello --yes
		exit $?
	) > /dev/null 2>&1 || status=$?
	[ $status = 0 ] || killed=$((killed + 1))
	as hello test -x "$mix_dir/current/bin/hello" || fail "round $i: nothing to run"
	expect 0 deployctl adopt hello --yes
	assert_equal "$(readlink "$mix_dir/current")" releases/20181116090000
done
[ $killed -gt 0 ] || fail "it was never killed"
systemctl start deployd.socket hello
assert_equal "$(release_states | wc -l)" 4
expect 0 ctl rollback hello
serves 4
expect 0 ctl deploy hello hello-2.tar.gz
serves 2

note "Capistrano's tree: shared/ is taken over, too"
systemctl stop hello
rm -rf "$mix_dir" /var/lib/deployd/hello
app_file hello hello '[release]' 'linked_dirs = log tmp/pids' 'linked_files = config/key'
expect 0 systemctl reload deployd
install -d -o deploy -g deploy -m 755 "$mix_dir"/{,repo,releases,shared,shared/{config,log,tmp,tmp/pids}}
echo secret > "$mix_dir/shared/config/key"
echo old > "$mix_dir/shared/log/production.log"
echo 'Branch main (at 1a2b3c4) deployed as release 20181115080000 by deploy' > "$mix_dir/revisions.log"
for release in 20181114072116:3 20181115080000:4; do
	dir=$mix_dir/releases/${release%:*}
	install -d -o deploy -g deploy "$dir" "$dir/tmp" "$dir/config"
	tar xzf "$home/old-${release#*:}.tar.gz" -C "$dir"
	ln -s "$mix_dir/shared/log" "$dir/log"
	ln -s "$mix_dir/shared/tmp/pids" "$dir/tmp/pids"
	ln -s "$mix_dir/shared/config/key" "$dir/config/key"
done
ln -s "$mix_dir/releases/20181115080000" "$mix_dir/current"
chown -Rh deploy:deploy "$mix_dir"
systemctl start hello || true
before=$(snapshot)
expect 0 deployctl adopt hello
assert_contains "$err" "adopt $mix_dir/releases/20181114072116: good, "
assert_contains "$err" "repair $mix_dir/shared: "
assert_contains "$err" "left as it is: $mix_dir/shared/log; hello must be able to write there: chown -RhP hello:hello $mix_dir/shared/log"
assert_contains "$err" "left as it is: $mix_dir/shared/config/key"
assert_equal "$(snapshot)" "$before" "what is there after the list"
expect 0 deployctl adopt hello --yes
for dir in shared shared/config shared/tmp; do
	assert_equal "$(owner "$mix_dir/$dir")" "root:hello 750" "$dir"
done
assert_equal "$(owner "$mix_dir/shared/log")" "deploy:deploy 755"
chown -RhP hello:hello "$mix_dir"/shared/{log,tmp/pids}
chgrp hello "$mix_dir/shared/config/key"
chmod 640 "$mix_dir/shared/config/key"
expect 0 deployctl adopt hello --yes
assert_contains "$out" "nothing to change"
assert_equal "$(readlink "$mix_dir/current")" releases/20181115080000
assert_equal "$(cat "$mix_dir/current/log/production.log")" old
systemctl restart hello
serves 4
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
as hello touch "$mix_dir/current/log/new"
[ -e "$mix_dir/shared/log/new" ] || fail "it is not shared"
expect 0 ctl rollback hello
serves 4
note "create-dirs makes what is missing, and leaves the leaves"
rm -r "$mix_dir/shared/tmp"
chmod 2770 "$mix_dir/shared/log"
expect 0 deployctl create-dirs hello
assert_equal "$(owner "$mix_dir/shared/tmp")" "root:hello 750"
assert_equal "$(owner "$mix_dir/shared/tmp/pids")" "hello:hello 750"
assert_equal "$(owner "$mix_dir/shared/log")" "hello:hello 2770"
