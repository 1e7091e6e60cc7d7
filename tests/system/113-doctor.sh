#!/bin/bash
# doctor finds nothing on a machine that init made, and each fault once it is there; what
# it prints to mend a fault mends it. It changes nothing itself.
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"

project=/root/project
mkdir -p "$project"
cd "$project"
echo 'HELLO_NOTE=configured' > environment
cp "$repo/tests/apps/hello/hello.service" .
app_conf=/etc/deployd/apps.d/hello.conf

write_app() { # [LINES...]
	mkdir -p /etc/deployd/apps.d
	printf '%s\n' '[users]' 'deploy_user = deploy' '[health]' 'min_healthy_sec = 0' \
		'bake_sec = 0' '[copy_file environment]' 'src = environment' \
		'dst = {configuration_dir}/environment' '[copy_file unit]' \
		'src = hello.service' 'dst = /etc/systemd/system/hello.service' \
		'user = root' 'group = root' 'mode = 644' "$@" > $app_conf
}

drop_in() { # LINES...
	mkdir -p /etc/systemd/system/hello.service.d
	printf '%s\n' "$@" > /etc/systemd/system/hello.service.d/fault.conf
	systemctl daemon-reload
}

no_drop_in() {
	rm -rf /etc/systemd/system/hello.service.d
	systemctl daemon-reload
}

snapshot() {
	find /srv /etc /var/lib/deployd -printf '%p %U:%G %m %y %C@ %l\n' | sort
	systemctl show hello.service -p ActiveState,UnitFileState,FragmentPath
}

clean() { # [WHAT]
	expect 0 deployctl doctor hello
	assert_equal "$out" "hello: nothing found" "doctor ${1-}"
}

# Of that id alone, with a part of what is said; what mends it is left in $fix.
finds() { # ID TEXT
	local before ids
	before=$(snapshot)
	expect 1 deployctl doctor hello --json
	ids=$(jq -r '.findings[].id' <<< "$out" | sort -u)
	assert_equal "$ids" "$1" "what was found"
	jq -e '.findings | all(.app == "hello" and (.what | length > 0) and
		(.why | endswith(".")) and (.fix | length > 0))' <<< "$out" > /dev/null ||
		fail "incomplete: $out"
	assert_contains "$(jq -r '.findings[] | .what, .fix' <<< "$out")" "$2"
	fix=$(jq -r '.findings[].fix' <<< "$out")
	assert_equal "$(snapshot)" "$before" "what is there after doctor"
}

# The printed command is the whole remedy.
mends() {
	bash -ec "$fix" > /dev/null || fail "cannot run: $fix"
	clean "after: $fix"
}

write_app
expect 0 deployctl init hello
policy_file hello
systemctl reload deployd
cp "$archives"/hello-*.tar.gz /home/deploy/
chown deploy: /home/deploy/*.tar.gz
expect 0 as deploy deployctl deploy hello /home/deploy/hello-1.tar.gz
serves 1

note "nothing to find on what init made"
clean
expect 0 deployctl doctor
assert_equal "$out" "hello: nothing found"
expect 0 deployctl doctor hello -q
assert_equal "$out$err" ""
expect 0 deployctl doctor --json
assert_equal "$(jq -c . <<< "$out")" '{"schema":1,"findings":[]}'
expect 4 as deploy deployctl doctor hello
assert_contains "$err" "sudo deployctl doctor hello"
expect 5 deployctl doctor nothing

note "people read why, and what to do"
chmod 777 /srv
expect 1 deployctl doctor hello
assert_contains "$out" "hello: everybody can change '/srv', where /srv/hello lies [unsafe-parent]"
assert_contains "$out" "  why: whoever can write"
assert_contains "$out" "  fix: chown root '/srv' && chmod go-w '/srv'"
finds unsafe-parent "/srv"
mends

note "deployd's own sessions"
systemctl stop deployd-sessions.socket 2> /dev/null
expect 1 deployctl doctor hello
assert_contains "$out" "deployd: deployd-sessions.socket is stopped [sessions-stopped]"
assert_contains "$out" "hello: nothing found"
expect 1 deployctl doctor --json
assert_equal "$(jq -c '.findings[] | [.app, .id, .fix]' <<< "$out")" \
	'[null,"sessions-stopped","systemctl start deployd-sessions.socket"]'
fix=$(jq -r '.findings[].fix' <<< "$out")
mends

note "the unit"
systemctl mask --runtime hello.service 2> /dev/null || true
mv /etc/systemd/system/hello.service /run/hello.service
systemctl mask --runtime hello.service
systemctl daemon-reload
finds unit-masked "is masked"
systemctl unmask --runtime hello.service
finds unit-missing "there is no unit hello.service"
mv /run/hello.service /etc/systemd/system/
systemctl daemon-reload
clean
echo '# changed' >> /etc/systemd/system/hello.service
finds daemon-reload "has changed"
mends
drop_in '[Service]' 'User=eve'
add_user eve
finds user-differs "runs as eve"
drop_in '[Service]' 'User=' 'EnvironmentFile='
finds root-service "runs as root"
no_drop_in
drop_in '[Unit]' 'StartLimitBurst=1' 'StartLimitIntervalSec=60'
finds start-limit "only 1 time in 1min"
mends_drop_in() { bash -ec "$fix" && rm -f /etc/systemd/system/hello.service.d/fault.conf && systemctl daemon-reload; clean "$fix"; no_drop_in; }
mends_drop_in
drop_in '[Unit]' 'FailureAction=reboot'
finds failure-action "FailureAction=reboot"
drop_in '[Service]' 'KillMode=process'
finds kill-mode "KillMode=process"
drop_in '[Service]' 'KillMode=none'
finds kill-mode "KillMode=none"
drop_in '[Service]' 'TimeoutStopSec=infinity'
finds stop-timeout "TimeoutStopSec=infinity"
drop_in '[Service]' "WorkingDirectory=/srv/hello/releases/$(current_id)"
finds not-through-current "WorkingDirectory=/srv/hello/releases/"
drop_in '[Service]' 'ExecStart=' "ExecStart=/srv/hello/releases/$(current_id)/bin/hello"
finds not-through-current "ExecStart=/srv/hello/releases/"
if [ "$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" -lt 253 ]; then
	drop_in '[Service]' 'Type=notify-reload'
	finds notify-reload "Type=notify-reload"
fi
no_drop_in
write_app '[restart]' 'restart_method = touch'
expect 0 deployctl create-dirs hello
finds touch-restart "Restart=no"
drop_in '[Service]' 'Restart=always'
clean
no_drop_in

note "what root runs (T7), and what is in its environment (T8)"
printf '#!/bin/sh\n' > /srv/hello/bin/prepare
chmod 755 /srv/hello/bin/prepare
write_app
expect 0 deployctl create-dirs hello
for prefix in + '!' '-+'; do
	drop_in '[Service]' "ExecStartPre=$prefix/srv/hello/bin/prepare" 'EnvironmentFile='
	clean "root's own script"
	chown deploy /srv/hello/bin/prepare
	finds root-command "user deploy can change '/srv/hello/bin/prepare'"
	mends
done
drop_in '[Service]' "ExecStartPre=+/bin/sh -c '/srv/hello/current/bin/hello'" 'EnvironmentFile='
finds root-command "comes with a release"
drop_in '[Service]' 'ExecStartPre=+/bin/true'
finds environment-file "reads '/etc/hello/environment'; user deploy can change"
mends
no_drop_in
expect 0 deployctl copy-files hello
systemctl daemon-reload

note "the directories"
chown deploy /srv/hello/etc
finds not-adopted "deployctl adopt hello"
deployctl set-perms hello > /dev/null 2>&1
clean
id=$(current_id)
ln -sfn "/srv/hello/releases/$id" /srv/hello/current
finds not-adopted "points to '/srv/hello/releases/$id'"
ln -sfn "releases/$id" /srv/hello/current
clean
mkdir -p /opt/apps
write_app '[directories]' 'base_dir = /opt/apps'
drop_in '[Service]' 'WorkingDirectory=/opt/apps/hello/current' 'ExecStart=' \
	'ExecStart=/opt/apps/hello/current/bin/hello'
finds read-only-base "ReadWritePaths=/opt/apps"
mends
rm -rf /etc/systemd/system/deployd.service.d
no_drop_in
systemctl daemon-reload
write_app

note "flags/, where it is watched"
write_app '[restart]' 'restart_method = systemd_flag'
clean
chmod 750 /srv/hello/flags
finds flags-not-watchable "needs r-x for others"
mends
rmdir /srv/hello/flags
finds flags-not-watchable "there is no '/srv/hello/flags'"
mends
rmdir /srv/hello/flags
touch /srv/hello/flags
finds flags-not-watchable "is not a directory"
mends

note "what mix_deploy left"
for unit in hello-restart.path hello-restart.service restart-hello.path restart-hello.service; do
	printf '[Path]\nPathModified=/srv/hello/flags/restart.flag\n' > /run/path
	printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' > /run/service
	cp "/run/${unit##*.}" "/lib/systemd/system/$unit"
	# systemd refuses a path without what it starts.
	[[ $unit != *.path ]] || cp /run/service "/lib/systemd/system/${unit%.path}.service"
	systemctl daemon-reload
	finds restart-unit "$unit of mix_systemd is installed"
	mends
done
mkdir -p /etc/sudoers.d
printf '%s\n' 'Cmnd_Alias HELLO_SYSTEMCTL = /bin/systemctl start hello, \' \
	'/bin/systemctl restart hello' 'deploy ALL=(ALL) NOPASSWD: HELLO_SYSTEMCTL' \
	> /etc/sudoers.d/hello
finds sudoers "'/etc/sudoers.d/hello' lets users run systemctl on hello"
mends
echo 'deploy ALL=(ALL) NOPASSWD: /bin/systemctl restart hello-other' > /etc/sudoers.d/other
clean "another app's sudoers"

note "the users"
usermod --shell /bin/bash hello
finds app-user-login "hello, whom the app runs as, has a login shell"
mends
usermod --append --groups deployd hello
finds app-user-deployd "is in the group deployd"
mends
gpasswd --delete deploy hello > /dev/null
finds deploy-user-group "deploy is not in the group hello"
usermod --append --groups hello deploy
gpasswd --delete deploy deployd > /dev/null
finds deploy-user-deployd "deploy is not in the group deployd"
usermod --append --groups deployd deploy
clean
write_app
sed -i 's/deploy_user = deploy/deploy_user = nobody-there/' $app_conf
expect 1 deployctl doctor hello --json
assert_contains "$(jq -r '.findings[].id' <<< "$out")" no-user

note "all apps at once; one whose file has errors ends it"
write_app
app_file other other
expect 1 deployctl doctor
assert_contains "$out" "hello: nothing found"
assert_contains "$out" "other: there is no unit other.service [unit-missing]"
echo 'nonsense = 1' >> /etc/deployd/apps.d/other.conf
expect 6 deployctl doctor
assert_contains "$err" "/etc/deployd/apps.d/other.conf:"
