#!/bin/bash
# What `deployctl generate` writes, on a machine that has nothing but the app's file: users
# and directories by its fragments, its unit for every service type, its policy; a real
# Elixir release that is stopped by its own script; sudoers; extract-release.
# fresh boot: yes
# timeout: 600
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly made=/root/made

# generated APP [LINES...]: the app's file, and all that is made from it, installed
generated() {
	local app=$1 unit
	shift
	mkdir -p /etc/deployd/{apps.d,policy.d}
	printf '%s\n' '[users]' 'deploy_user = deploy' '[health]' 'min_healthy_sec = 1' \
		'bake_sec = 0' "$@" > "/etc/deployd/apps.d/$app.conf"
	rm -rf $made
	expect 0 deployctl generate "$app" --to $made
	unit=${app//_/-}.service
	systemd-sysusers "$made/sysusers.d/deployd-$app.conf"
	systemd-tmpfiles --create "$made/tmpfiles.d/deployd-$app.conf"
	[ -d /home/deploy ] || install -d -o deploy -g deploy /home/deploy
	cp $made/policy.d/"$app.conf" /etc/deployd/policy.d/
	cp $made/systemd/* /etc/systemd/system/
	systemctl daemon-reload
	expect 0 deployctl generate "$app" --check
	assert_contains "$out" "/etc/systemd/system/$unit: as generated"
	systemctl reload deployd
	expect 0 deployctl init "$app" --quiet
	[ ! -e "$made/systemd/$app.socket" ] || systemctl start "$app.socket"
}

# All of it again for another app file.
forget() { # UNIT...
	systemctl disable --now "$@" 2> /dev/null || true
	rm -f /etc/systemd/system/"${1%%.*}"*
	systemctl daemon-reload
}

variable() { # UNIT NAME
	tr '\0' '\n' < "/proc/$(systemctl show -P MainPID "$1")/environ" | sed -n "s/^$2=//p"
}

archives_for_deploy() {
	cp "$archives"/*.tar.gz /home/deploy/
	chown deploy: /home/deploy/*.tar.gz
	cd /home/deploy || fail "no home"
}

note "nothing is here"
for name in hello deploy; do
	! id $name 2> /dev/null || fail "$name is here"
done

for type in simple exec notify; do
	note "hello, Type=$type"
	generated hello '[restart]' "service_type = $type" \
		'[directories]' 'dirs = runtime configuration state tmp' \
		'[environment]' 'env_vars = "HELLO_NOTE=a  b \"c\" %n $HOME \\"' \
		'env_files = -{configuration_dir}/environment' \
		'[unit]' 'exec_start = {current_dir}/bin/hello' 'umask = 0077' \
		'limit_nofile = 1000:2000' \
		'[health_check port]' 'type = tcp' "address = 127.0.0.1:$hello_port"
	# It calls the fragment's work complete.
	assert_contains "$(deployctl init hello 2>&1)" "nothing to change"
	systemd-analyze verify --man=no /etc/systemd/system/hello.service 2> /root/verify ||
		[ ! -e /srv/hello/current ] || fail "verify: $(cat /root/verify)"
	archives_for_deploy
	expect 0 ctl deploy hello hello-1.tar.gz
	systemd-analyze verify --man=no /etc/systemd/system/hello.service
	serves 1
	assert_equal "$(systemctl show -P Type hello)" "$type"
	assert_equal "$(systemctl is-enabled hello)" enabled
	expect 0 ctl deploy hello hello-2.tar.gz
	serves 2
	expect 0 ctl restart hello
	expect 0 ctl rollback hello
	serves 1
	assert_equal "$(variable hello HELLO_NOTE)" 'a  b "c" %n $HOME \'
	assert_equal "$(variable hello STATE_DIR) $(variable hello TMP_DIR)" \
		"/var/lib/hello /var/tmp/hello"
	pid=$(systemctl show -P MainPID hello)
	assert_equal "$(sed -n 's/^Umask:\t*//p' "/proc/$pid/status")" 0077
	assert_contains "$(tr -s ' ' < "/proc/$pid/limits")" "Max open files 1000 2000"
	assert_equal "$(stat -c '%U:%G %a' /etc/hello /var/lib/hello /run/hello | paste -sd ' ')" \
		"root:hello 750 hello:hello 750 hello:hello 750"

	note "a release that crashes and crashes is gone back from"
	pack_hello crash.tar.gz 9 start=crash
	expect 13 ctl deploy hello crash.tar.gz
	serves 1
	expect 0 ctl stop hello
	forget hello.service
done

note "the configuration directory is readable though systemd made it"
generated hello '[directories]' 'dirs = configuration' \
	'[unit]' 'exec_start = {current_dir}/bin/hello'
rm -r /etc/hello
expect 0 ctl deploy hello hello-1.tar.gz
assert_equal "$(stat -c '%U:%G %a' /etc/hello)" "root:hello 750"
chgrp root /etc/hello
expect 0 ctl restart hello
assert_equal "$(stat -c '%U:%G %a' /etc/hello)" "root:hello 750"
forget hello.service

note "what differs is told"
generated hello '[unit]' 'exec_start = {current_dir}/bin/hello'
sed -i 's/^UMask=.*/UMask=0000/' /etc/systemd/system/hello.service
expect 1 as deploy deployctl generate hello --check
assert_contains "$out" "- UMask=0000"
assert_contains "$out" "+ UMask=0027"
forget hello.service

note "a socket keeps connections over a restart; another unit finds out the environment"
generated hello '[restart]' 'service_type = notify' \
	'[directories]' 'dirs = runtime' \
	'[unit]' 'exec_start = {current_dir}/bin/hello' "listen_stream = 127.0.0.1:$hello_port" \
	'runtime_environment_service_script = /usr/local/bin/find-out'
printf '#!/bin/sh\necho "HELLO_NOTE=found by $(id -un)" > "$RUNTIME_DIR/environment"\n' \
	> /usr/local/bin/find-out
chmod +x /usr/local/bin/find-out
expect 0 ctl deploy hello hello-1.tar.gz
assert_equal "$(systemctl is-active hello.socket)" active
serves 1
assert_equal "$(variable hello HELLO_NOTE)" "found by hello"
[ -n "$(variable hello LISTEN_FDS)" ] || fail "it got no socket"
systemctl stop --no-block hello.service
serves 1
expect 0 ctl restart hello
serves 1
assert_equal "$(variable hello HELLO_NOTE)" "found by hello"
systemctl stop hello.socket
forget hello.service hello.socket

for lines in '' '[unit]|chroot = yes|root_directory = {deploy_dir}/root|[create_dir root]|path = {deploy_dir}/root|user = root|group = root|mode = 755'; do
	note "paranoia${lines:+, in a root of its own}"
	IFS='|' read -ra more <<< "${lines:-[unit]}"
	generated hello '[app]' 'systemd_version = 252' '[restart]' 'service_type = notify' \
		'[directories]' 'dirs = state tmp' \
		'[unit]' 'paranoia = yes' 'exec_start = {current_dir}/bin/hello' "${more[@]}"
	expect 0 ctl deploy hello hello-1.tar.gz
	expect 0 ctl deploy hello hello-2.tar.gz
	serves 2
	pid=$(systemctl show -P MainPID hello)
	assert_equal "$(sed -n 's/^NoNewPrivs:\t*//p' "/proc/$pid/status")" 1
	nsenter --target "$pid" --mount --root test -w /var/tmp/hello -a ! -e /root/made ||
		fail "no tmp_dir, or too much of the host"
	expect 0 ctl rollback hello
	serves 1
	expect 0 ctl stop hello
	forget hello.service
done

# --- Elixir ----------------------------------------------------------------------------

# The same release with another cookie: its stop command does not reach the other's node.
another_cookie() {
	mkdir /root/other
	tar -xzf "$archives/hello_ex-2.tar.gz" -C /root/other
	printf another > /root/other/releases/COOKIE
	tar -czf /home/deploy/hello_ex-2.tar.gz -C /root/other .
	chown deploy: /home/deploy/hello_ex-2.tar.gz
}
another_cookie

# What a stop command says that does not reach the node: then SIGTERM has to do it.
stop_failed() { # CURSOR
	journal_since "$1" -u hello-ex -o cat | grep -E 'RPC failed|Connection attempt .* rejected'
}

elixir() { # [LINES...]
	generated hello_ex '[app]' 'systemd_version = 252' 'env_lang = C.UTF-8' \
		'[environment]' "env_vars = PORT=$hello_ex_port" "$@"
}

# A start of the VM takes a second: only the first walk restarts, too.
elixir_walk() { # [restart]
	local cursor
	expect 0 ctl deploy hello_ex hello_ex-1.tar.gz
	serves 1.0.0 $hello_ex_port hello-ex
	cursor=$(journal_cursor)
	expect 0 ctl deploy hello_ex hello_ex-2.tar.gz
	serves 2.0.0 $hello_ex_port hello-ex
	if [ $# -gt 0 ]; then
		expect 0 ctl restart hello_ex
		serves 2.0.0 $hello_ex_port hello-ex
	fi
	expect 0 ctl rollback hello_ex
	serves 1.0.0 $hello_ex_port hello-ex
	expect 0 ctl stop hello_ex
	expect 3 systemctl is-active hello-ex
	assert_contains "$(systemctl show -P ExecStop hello-ex)" "code=exited ; status=0"
	! stop_failed "$cursor" || fail "not by its own script"
	assert_equal "$(systemctl show -P Result hello-ex)" success
	complete_release "/srv/hello-ex/current/" "$archives/hello_ex-1.tar.gz"
}

note "Elixir, Type=notify: each release is stopped by its own script"
elixir '[restart]' 'service_type = notify'
elixir_walk restart

note "with the stop command through current the old one is not reached"
sed -i 's#^ExecStop=.*#ExecStop=-/srv/hello-ex/current/bin/hello_ex stop#' \
	/etc/systemd/system/hello-ex.service
systemctl daemon-reload
expect 0 ctl start hello_ex
cursor=$(journal_cursor)
expect 0 ctl deploy hello_ex hello_ex-2.tar.gz
stop_failed "$cursor" || fail "this test cannot fail"
expect 0 ctl stop hello_ex
forget hello-ex.service

note "Elixir with paranoia"
elixir '[restart]' 'service_type = notify' '[unit]' 'paranoia = yes'
elixir_walk
forget hello-ex.service

note "Elixir, Type=forking: the VM writes the PID file, and its end is noticed"
elixir '[restart]' 'service_type = forking'
elixir_walk
expect 0 ctl start hello_ex
pid=$(systemctl show -P MainPID hello-ex)
assert_equal "$(cat "/proc/$pid/comm")" run_erl
cursor=$(journal_cursor)
pkill -KILL -u hello-ex -x beam.smp
wait_journal "$cursor" 'Started hello-ex.service' > /dev/null
[ "$(systemctl show -P MainPID hello-ex)" != "$pid" ] || fail "not a new one"
serves 1.0.0 $hello_ex_port hello-ex
expect 0 ctl stop hello_ex
forget hello-ex.service

note "Elixir in a root of its own"
elixir '[restart]' 'service_type = notify' \
	'[unit]' 'chroot = yes' 'root_directory = {deploy_dir}/root' \
	'[create_dir root]' 'path = {deploy_dir}/root' 'user = root' 'group = root' 'mode = 755'
elixir_walk
forget hello-ex.service

note "without distribution it ends by SIGTERM"
elixir '[restart]' 'service_type = notify' '[environment]' \
	'env_vars = RELEASE_DISTRIBUTION=none'
expect 0 ctl deploy hello_ex hello_ex-1.tar.gz
cursor=$(journal_cursor)
expect 0 ctl stop hello_ex
wait_journal "$cursor" 'SIGTERM received' -u hello-ex
forget hello-ex.service

# --- sudoers ---------------------------------------------------------------------------

if command -v visudo > /dev/null; then
	note "sudoers: five commands of this service, and nothing else"
	generated hello '[users]' 'sudo_deploy = yes' '[unit]' \
		'exec_start = {current_dir}/bin/hello'
	expect 0 deployctl generate hello --sudoers --to $made
	install -m 0440 $made/sudoers.d/hello /etc/sudoers.d/hello
	visudo --check --quiet
	expect 0 ctl deploy hello hello-1.tar.gz
	for command in stop start restart status is-active; do
		expect 0 as deploy sudo -n /bin/systemctl $command hello
	done
	for command in 'enable hello' 'restart deployd' 'restart hello deployd' 'daemon-reload' \
		'status' 'stop hello.service'; do
		# shellcheck disable=SC2086
		expect 1 as deploy sudo -n /bin/systemctl $command
	done
	expect 1 as hello sudo -n /bin/systemctl restart hello
	forget hello.service
fi

# --- extract-release -------------------------------------------------------------------

note "extract-release: current is a directory, root's, and complete at every moment"
generated single '[app]' 'release_name = hello' '[users]' 'app_user = hello' \
	'[restart]' 'service_type = notify' \
	'[unit]' 'exec_start = {current_dir}/bin/hello'
current=/srv/single/current
expect 4 as deploy deployctl extract-release single hello-1.tar.gz
expect 5 deployctl extract-release single
assert_contains "$err" "hello.tar.gz"
expect 0 deployctl extract-release single hello-1.tar.gz --dry-run
[ ! -e $current ] || fail "a dry run extracts"
expect 0 deployctl extract-release single hello-1.tar.gz
complete_release $current hello-1.tar.gz
assert_equal "$(stat -c '%F %U:%G %a' $current $current/bin $current/bin/hello \
	$current/etc/hello.conf | sort | paste -sd,)" "directory root:hello 750,directory \
root:hello 750,regular file root:hello 640,regular file root:hello 750"
expect 0 systemctl start single
http $hello_port | grep -q version=1 || fail "not served"

cp hello-2.tar.gz hello.tar.gz
start /root/reader bash -c 'while [ ! -e /root/enough ]; do
	cat /srv/single/current/etc/hello.conf > /dev/null || exit 1
	echo; done'
expect 0 timeout "$WAIT_SEC" bash -c 'until [ -s /root/reader ]; do :; done'
for archive in 1 2 1 2 1 2 1 2; do
	expect 0 deployctl extract-release single hello-$archive.tar.gz
done
touch /root/enough
ended
assert_equal "$status" 0 "the reader"
[ "$(wc -l < /root/reader)" -gt 8 ] || fail "hardly read"
expect 0 systemctl restart single
http $hello_port | grep -q version=2 || fail "not served"

note "what is bad leaves the old one, and nothing beside it"
head -c 5000 hello-1.tar.gz > cut.tar.gz
expect 10 deployctl extract-release single cut.tar.gz
python3 "$repo/tests/archives/make_hostile.py" /tmp/archives
count=0
while IFS=$'\t' read -r archive _; do
	[[ $archive = hostile/* ]] || continue
	status=0
	deployctl extract-release single "/tmp/archives/$archive" --quiet 2> /root/said || status=$?
	# Some are good within the limits of this app.
	[ $status = 10 ] || [ $status = 0 ] || fail "$archive: $status $(cat /root/said)"
	if [ $status = 10 ]; then
		count=$((count + 1))
		[ -e $current/bin/hello ] || fail "$archive took the release away"
	else
		expect 0 deployctl extract-release single
	fi
	assert_equal "$(ls -A /srv/single | paste -sd ' ')" "bin current etc flags releases"
done < /tmp/archives/expect.tsv
[ $count -ge 20 ] || fail "only $count were refused"
complete_release $current hello-2.tar.gz

note "killed midway: the old one is there, and the next one clears up"
mkdir /srv/single/.extract
cp -r $current /srv/single/.extract/release
expect 0 deployctl extract-release single hello-1.tar.gz --json
assert_equal "$(tail -n 1 <<< "$out" | jq -r '.result, .changes' | paste -sd ' ')" "ok 1"
assert_equal "$(ls -A /srv/single | paste -sd ' ')" "bin current etc flags releases"
forget single.service

note "an app of deployd's is left alone"
generated hello '[unit]' 'exec_start = {current_dir}/bin/hello'
link=$(readlink /srv/hello/current)
expect 1 deployctl extract-release hello hello-1.tar.gz
assert_contains "$err" "deployctl deploy hello"
assert_equal "$(readlink /srv/hello/current)" "$link"
