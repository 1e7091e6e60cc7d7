#!/bin/bash
# The scripts of mix_deploy by their names and without arguments: links in scripts_dir, of
# the app that the directory is of; nothing but deployctl behind them.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
scripts=/srv/hello/bin
target=$(readlink -f "$(command -v deployctl)")

note "init links them, and what is linked can be undone"
expect 0 deployctl init hello
for name in start stop restart enable create-users create-dirs copy-files init-local \
	release rollback clean-target extract-release set-perms stage-files; do
	assert_contains "$err" "create $scripts/deploy-$name: link to $target"
	assert_equal "$(readlink $scripts/deploy-$name)" "$target"
done
[ ! -e $scripts/deploy-migrate ] || fail "a script that does nothing is linked"
before=$(stat -c '%a %U %s %Y' "$target")
expect 0 deployctl init hello
assert_equal "$out" "init hello: nothing to change"
expect 0 deployctl set-perms hello
assert_equal "$out" "set-perms hello: nothing to change" "set-perms leaves links alone"
assert_equal "$(stat -c '%a %U %s %Y' "$target")" "$before" "deployctl behind the links"

note "deploy-release: what was built here, as the script has it; no sudo"
project=/home/deploy/project
as deploy mkdir -p $project/_build/prod/rel/hello/releases
cp "$archives/hello-1.tar.gz" $project/_build/prod/hello-1.0.0.tar.gz
cd $project
expect 1 as deploy $scripts/deploy-release
assert_contains "$err" "no release of hello in _build/prod here"
expect 0 as deploy env RELEASE_VSN=1.0.0 $scripts/deploy-release
serves 1
first=$(current_id)
expect 0 ctl status --json hello
assert_equal "$(jq -r .version <<< "$out")" 1.0.0
cp "$archives/hello-2.tar.gz" _build/prod/hello-1.1.0.tar.gz
as deploy sh -c 'echo "13.1 1.1.0" > _build/prod/rel/hello/releases/start_erl.data'
expect 0 as deploy $scripts/deploy-release
serves 2
expect 1 as deploy env MIX_ENV=staging $scripts/deploy-release
assert_contains "$err" "_build/staging"
expect 1 as deploy env RELEASE_VSN=9 $scripts/deploy-release
assert_contains "$err" "there is no archive '_build/prod/hello-9.tar.gz' here"
serves 2

note "deploy-rollback, deploy-restart; found through PATH, by a link to the directory too"
expect 0 as deploy env PATH="$scripts:$PATH" deploy-rollback
serves 1
assert_equal "$(current_id)" "$first"
pid=$(systemctl show -P MainPID hello)
ln -s $scripts /usr/local/hello-scripts
expect 0 as deploy /usr/local/hello-scripts/deploy-restart
[ "$(systemctl show -P MainPID hello)" != "$pid" ] || fail "not restarted"
expect 5 as deploy $scripts/deploy-rollback
expect 4 as eve deployctl restart hello
usermod --append --groups hello eve
expect 4 as eve $scripts/deploy-restart
usermod --groups deployd eve

note "deploy-stop, deploy-start: twice is no error"
expect 0 as deploy $scripts/deploy-stop
expect 3 systemctl is-active hello
expect 0 as deploy $scripts/deploy-stop
expect 0 as deploy $scripts/deploy-start
expect 0 as deploy $scripts/deploy-start
serves 1

note "deploy-stop ends a unit that starts again and again, which the script left running"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=simple\nExecStart=\nExecStart=/bin/false\nRestart=always\nRestartSec=1h\n' \
	> /etc/systemd/system/hello.service.d/crash.conf
systemctl daemon-reload
systemctl stop hello
systemctl start --no-block hello
timeout "$WAIT_SEC" bash -c 'until [ "$(systemctl show -P SubState hello)" = auto-restart ]; do :; done'
expect 0 as deploy $scripts/deploy-stop
assert_equal "$(systemctl show -P ActiveState hello)" inactive
rm -r /etc/systemd/system/hello.service.d
systemctl daemon-reload

note "root's: create-users, create-dirs, copy-files, enable, set-perms, init-local"
for name in create-users create-dirs copy-files set-perms enable init-local; do
	verb=${name/init-local/init}
	expect 4 as deploy sh -c "cd / && exec $scripts/deploy-${name/enable/set-perms}"
	expect 0 $scripts/deploy-$name
	assert_contains "$out" "$verb hello: "
done
expect 0 $scripts/deploy-create-dirs --dry-run
expect 2 $scripts/deploy-create-dirs --nonsense
expect 2 $scripts/deploy-restart another

note "two apps: the directory says which one; elsewhere nobody guesses"
mkdir -p /root/elsewhere
ln -s "$target" /root/elsewhere/deploy-restart
expect 0 /root/elsewhere/deploy-restart
app_file other hello '[app]' 'target_prefix = other_'
expect 0 deployctl create-dirs other
expect 0 deployctl link-scripts other
expect 2 /root/elsewhere/deploy-restart
assert_contains "$err" "scripts_dir of none of the apps, and there are several: hello other"
expect 0 as deploy $scripts/deploy-restart
serves 1
ls /srv/other/bin > /root/list
assert_equal "$(grep -vc '^other_' /root/list || true)" 0 "names without the prefix"
expect 0 /srv/other/bin/other_create-dirs
assert_contains "$out" "create-dirs other: nothing to change"
ln -s "$target" /srv/other/bin/deploy-create-dirs
expect 0 /srv/other/bin/deploy-create-dirs
ln -s "$target" /srv/other/bin/wrong_create-dirs
expect 2 /srv/other/bin/wrong_create-dirs
assert_contains "$err" "there is no script 'wrong_create-dirs'"

note "names that are none, and those that have no meaning here"
ln -s "$target" $scripts/deploy-nonsense
ln -s "$target" $scripts/deploy-migrate
expect 2 $scripts/deploy-nonsense
assert_contains "$err" "there is no script 'deploy-nonsense'"
assert_contains "$err" "restart"
expect 2 $scripts/deploy-migrate
assert_contains "$err" "there is no migrate here"
rm $scripts/deploy-nonsense $scripts/deploy-migrate

note "a script of one's own stays, unless --yes"
rm $scripts/deploy-start
printf '#!/bin/sh\necho mine\n' > $scripts/deploy-start
chmod 755 $scripts/deploy-start
expect 0 deployctl link-scripts hello
assert_contains "$err" "$scripts/deploy-start is a file of its own: left"
assert_equal "$($scripts/deploy-start)" mine
expect 0 deployctl link-scripts hello --yes
assert_equal "$(readlink $scripts/deploy-start)" "$target"

note "clean-target without arguments, as the script: links go, releases and strangers stay"
printf '[Service]\nExecStart=/bin/true\n' > /etc/systemd/system/hello-other.service
systemctl disable hello 2> /dev/null
expect 0 $scripts/deploy-clean-target
[ ! -e $scripts/deploy-start ] || fail "a link is still there"
[ -e /etc/systemd/system/hello-other.service ] || fail "another service's unit is gone"
[ -x "/srv/hello/releases/$first/bin/hello" ] || fail "a release is gone"
[ -x "$target" ] || fail "deployctl is gone"
