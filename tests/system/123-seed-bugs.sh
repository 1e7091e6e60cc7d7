#!/bin/bash
# Bugs of mix_deploy and mix_systemd that must not come back, by their numbers in
# docs/from-mix_deploy.md; those that other tests show are named there.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
scripts=/srv/hello/bin
expect 0 deployctl init hello
project=/home/deploy/project
as deploy mkdir -p $project/_build/prod
cd $project

# As a user of mix_deploy would: release NUMBER [SETTINGS...]
built() {
	pack_hello "project/_build/prod/hello-$1.tar.gz" "$@"
}
release() {
	as deploy env RELEASE_VSN="$1" $scripts/deploy-release
}
links() { find /srv/hello -maxdepth 1 -type l -printf '%f %l\n'; }

note "14: current is a directory: refused, nothing in it, the old code is what it was"
mkdir /srv/hello/current
echo old > /srv/hello/current/code
built 1
expect 6 release 1
assert_contains "$err" "current"
assert_equal "$(ls -A /srv/hello/current)" code
assert_equal "$(links)" ""
rm -r /srv/hello/current

note "17: a dangling link: of somebody's it is refused and stays, one of a lost release is no end"
ln -s /nowhere/at/all /srv/hello/current
expect 6 release 1
assert_contains "$err" "remove the link"
assert_equal "$(links)" "current /nowhere/at/all"
ln -sfn releases/20260101T000000Z-0001 /srv/hello/current
expect 0 release 1
serves 1
first=$(current_id)

note "2: with one release there is nothing to go back to, and current stays"
before=$(links)
expect 5 as deploy $scripts/deploy-rollback
assert_equal "$(links)" "$before"
serves 1

note "3: failed, cut off and abandoned releases are never gone back to"
built 2
expect 0 release 2
second=$(current_id)
built 3 start=crash
expect 13 release 3
head -c 3000 _build/prod/hello-2.tar.gz > _build/prod/hello-4.tar.gz
expect 10 release 4
as deploy rm _build/prod/hello-4.tar.gz
expect 1 release 4
assert_equal "$(current_id)" "$second"
expect 0 as deploy $scripts/deploy-rollback
assert_equal "$(current_id)" "$first" "the release that was gone back to"
serves 1
built 5
expect 0 release 5
serves 5
expect 0 as deploy $scripts/deploy-rollback
assert_equal "$(current_id)" "$first" "not 2, which was given up"
expect 5 as deploy $scripts/deploy-rollback

note "6: of a bad archive nothing is left, wherever it broke"
known=$(find /srv/hello/releases -mindepth 1 -maxdepth 1 | sort)
for bytes in 10 2000 20000; do
	head -c $bytes "$archives/hello-2.tar.gz" > _build/prod/hello-6.tar.gz
	expect 10 release 6
done
mkdir evil
ln -s /etc evil/etc
cp /bin/true evil/suid
chmod 4755 evil/suid
mknod evil/device c 1 3
tar -C evil -czf _build/prod/hello-6.tar.gz .
expect 10 release 6
assert_equal "$(find /srv/hello/releases -mindepth 1 -maxdepth 1 | sort)" "$known"
assert_equal "$(find /srv/hello/releases/.staging -mindepth 1)" ""
[ -z "$(find /srv/hello \( -type b -o -type c -o -perm /6000 \))" ] || fail "a device or setuid"

note "5: two deploys in one second are two releases, complete, one after the other"
cp _build/prod/hello-5.tar.gz _build/prod/hello-7.tar.gz
start /root/one release 5
one=$client
start /root/two release 7
ended
[ "$status" = 0 ] || fail "the second one: $(cat /root/two)"
wait "$one" || fail "the first one: $(cat /root/one)"
mapfile -t ids < <(ctl releases hello --json | jq -r '.[0:2][].id')
[ "${ids[0]}" != "${ids[1]}" ] || fail "one id for two"
for id in "${ids[@]}"; do
	complete_release "/srv/hello/releases/$id" _build/prod/hello-5.tar.gz
done

note "7: nobody reads the output: the deploy goes on"
built 8
# shellcheck disable=SC2016
start /root/output as deploy bash -c 'RELEASE_VSN=8 exec "$0" --json | head -n 1' \
	$scripts/deploy-release
ended
assert_contains "$(cat /root/output)" '"type"'
job=$(ctl jobs --json | jq -r 'map(select(.app == "hello"))[0].id')
expect 0 ctl attach "$job"
serves 8

note "8: the time in an id is UTC, wherever the machine is, and the number decides"
ln -sf /usr/share/zoneinfo/America/New_York /etc/localtime
systemctl restart deployd
older=$(current_id)
built 9
from=$(date -u +%Y%m%dT%H%M%SZ)
expect 0 as deploy env TZ=America/New_York RELEASE_VSN=9 $scripts/deploy-release
to=$(date -u +%Y%m%dT%H%M%SZ)
id=$(current_id)
[[ ! ${id%-*} < $from && ! ${id%-*} > $to ]] || fail "$id is not between $from and $to"
[ "${id##*-}" -gt "${older##*-}" ] || fail "the number of $id is not above that of $older"
expect 0 as deploy $scripts/deploy-rollback
assert_equal "$(current_id)" "$older"

note "17: a user with a 0 in the name; 15: what env_files say is what the app has"
cat > /root/zero.conf <<-'END'
	[users]
	deploy_user = user10
	app_user = app10
	[directories]
	dirs = configuration
	[environment]
	env_files = {configuration_dir}/environment
	env_vars = "GREETING=hello world"
	env_vars = "PRICE=$5 {{each} 100%"
	[unit]
	exec_start = {current_dir}/bin/hello
	exec_start_wrap = /usr/bin/env
	unit_after_targets = time-sync.target network-online.target
	runtime_environment_service = yes
	runtime_environment_service_script = /usr/local/bin/find-environment
	[restart]
	service_type = notify
	[health]
	min_healthy_sec = 0
	bake_sec = 0
	[copy_file unit]
	src = out/systemd/*.service
	dst = /etc/systemd/system
	user = root
	group = root
	mode = 644
	[copy_file environment]
	src = out/environment
	dst = {configuration_dir}/environment
END
cp /root/zero.conf /etc/deployd/apps.d/zero.conf
mkdir /root/zero
cd /root/zero
printf '#!/bin/sh\nexec echo FOUND=here > "$RUNTIME_DIR/environment"\n' \
	> /usr/local/bin/find-environment
chmod 755 /usr/local/bin/find-environment
expect 0 deployctl generate zero --to out
cat > out/environment <<-'END'
	MSG="hello world"
	COST="$7 a day"
	HELLO_PORT=8090
END
expect 0 deployctl init zero
assert_contains " $(id -nG user10) " " app10 "
expect 0 deployctl reload
expect 0 deployctl deploy zero "$archives/hello-1.tar.gz"
mapfile -td '' environment < "/proc/$(systemctl show -P MainPID zero)/environ"
has() {
	local one
	for one in "${environment[@]}"; do
		[ "$one" != "$1" ] || return 0
	done
	fail "no '$1' in the environment: ${environment[*]}"
}
has 'MSG=hello world'
# shellcheck disable=SC2016
has 'COST=$7 a day'
has 'GREETING=hello world'
# shellcheck disable=SC2016
has 'PRICE=$5 {each} 100%'
has 'FOUND=here'

note "16: the wrapper has its blank, After= its units on one line, and the units are well"
unit=$(cat /etc/systemd/system/zero.service)
assert_contains "$unit" "ExecStart=/usr/bin/env /srv/zero/current/bin/hello"
grep -qE '^After=.* time-sync.target network-online.target$' <<< "$unit" || fail "After=: $unit"
assert_contains "$(systemctl show -P After zero)" zero-runtime-environment.service
expect 0 systemd-analyze verify --man=no /etc/systemd/system/zero.service
assert_equal "$err" ""
assert_equal "$(readlink -f "/proc/$(systemctl show -P MainPID zero)/exe")" \
	"/srv/zero/releases/$(current_id zero)/bin/hello"
expect 0 deployctl restart zero
