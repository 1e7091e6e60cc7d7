#!/bin/bash
# The set-up verbs on a machine that has nothing but the app's file: made, made again,
# repaired, staged, removed. Numbered bugs are mix_deploy's, which must not come back.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"

project=/root/project
mkdir -p "$project/config"
cd "$project"
echo 'HELLO_NOTE=configured' > config/environment
echo one > config/one.txt
echo two > config/two.txt
cp "$repo/tests/apps/hello/hello.service" config/

write_app() { # [LINES...]
	mkdir -p /etc/deployd/apps.d
	printf '%s\n' '[users]' 'deploy_user = deploy' \
		'[directories]' 'dirs = configuration state' \
		'[health]' 'min_healthy_sec = 0' 'bake_sec = 0' \
		'[copy_file environment]' 'src = config/environment' \
		'dst = {configuration_dir}/environment' \
		'[copy_file unit]' 'src = config/hello.service' \
		'dst = /lib/systemd/system/hello.service' 'user = root' 'group = root' \
		'mode = 644' \
		'[copy_file texts]' 'src = config/*.txt' 'dst = {etc_dir}' 'mode = 640' \
		'[create_dir shared]' 'path = {deploy_dir}/shared' "$@" \
		> /etc/deployd/apps.d/hello.conf
}

# Everything that the verbs could touch, as it is: owner, mode, kind, time of change, link.
snapshot() {
	{
		find /srv /etc /var/lib/hello /var/lib/deployd /home /lib/systemd/system \
			-printf '%p %U:%G %m %y %C@ %l\n' 2> /dev/null || true
	} | sort
}

owner() { stat -c '%U:%G %a' "$1"; }

write_app

note "only root, an app that exists, a file without errors"
useradd --create-home eve
expect 4 as eve deployctl init hello
assert_contains "$err" "sudo deployctl init hello"
expect 5 deployctl init nothing
assert_contains "$err" "/etc/deployd/apps.d/nothing.conf"
expect 2 deployctl init hello --yes
echo 'deploy_usr = x' > /root/bad.conf
expect 6 deployctl init --app-file /root/bad.conf
assert_contains "$err" "/root/bad.conf:1:"
expect 6 env APP_USER='a b' deployctl init hello
assert_contains "$err" "APP_USER"

printf '[users]\ndeploy_user = deploy\n[directories]\ndeploy_dir = /srv/hello/releases\n' \
	> /etc/deployd/apps.d/nested.conf
expect 6 deployctl init hello
assert_contains "$err" "'/srv/hello' is, holds or lies in a directory of"
expect 2 deployctl init
assert_contains "$err" "which app?"
rm /etc/deployd/apps.d/nested.conf
useradd --non-unique --uid 0 --no-create-home toor
expect 6 env APP_USER=toor deployctl init hello
assert_contains "$err" "root by another name"
userdel --force toor 2> /dev/null

note "-n says everything and does nothing"
before=$(snapshot)
passwd=$(cat /etc/passwd /etc/group)
expect 0 deployctl init hello --dry-run
assert_contains "$err" "create hello: user, group hello, home /var/lib/hello, no login"
assert_contains "$err" "create /srv/hello/releases: directory root:hello 0750"
assert_contains "$err" "create /etc/hello/environment: "
assert_contains "$err" "enable hello.service"
assert_contains "$out" "to make; nothing was done"
assert_equal "$(snapshot)" "$before" "what is there after -n"
assert_equal "$(cat /etc/passwd /etc/group)" "$passwd" "accounts after -n"
planned=$(sed -n 's/^init hello: \([0-9]*\) changes.*/\1/p' <<< "$out")

note "from nothing, without naming the only app"
expect 0 deployctl init
assert_equal "$(sed -n 's/^init hello: \([0-9]*\) changes.*/\1/p' <<< "$out")" "$planned" \
	"changes that --dry-run announced"
assert_contains "$(getent passwd hello)" ":/usr/sbin/nologin"
assert_contains "$(getent passwd deploy)" ":/home/deploy:/bin/bash"
assert_equal "$(id -nG deploy | tr ' ' '\n' | sort | tr '\n' ' ')" "deploy deployd hello "
assert_equal "$(owner /home/deploy)" "deploy:deploy 750"
for dir in /srv/hello /srv/hello/releases /srv/hello/bin /srv/hello/etc; do
	assert_equal "$(owner $dir)" "root:hello 750" "$dir"
done
assert_equal "$(owner /srv/hello/flags)" "deploy:hello 755"
assert_equal "$(owner /srv/hello/shared)" "deploy:hello 750"
assert_equal "$(owner /var/lib/hello)" "hello:hello 750"
assert_equal "$(owner /lib/systemd/system/hello.service)" "root:root 644"
assert_equal "$(owner /srv/hello/etc/one.txt)" "deploy:hello 640"
assert_equal "$(cat /srv/hello/etc/two.txt)" two
assert_equal "$(systemctl is-enabled hello.service)" enabled
assert_equal "$(systemctl is-active hello.service || true)" inactive
assert_contains "$err" "systemctl reload deployd"

note "bug 1: /etc/hello is there before a file is copied to it, and the app can read it"
assert_equal "$(owner /etc/hello)" "root:hello 750"
assert_equal "$(owner /etc/hello/environment)" "deploy:hello 640"
assert_equal "$(as hello cat /etc/hello/environment)" "HELLO_NOTE=configured"
expect 1 as eve cat /etc/hello/environment

note "again: nothing changes, and it says so"
before=$(snapshot)
passwd=$(cat /etc/passwd /etc/group)
expect 0 deployctl init hello
assert_equal "$out" "init hello: nothing to change"
assert_equal "$err" ""
assert_equal "$(snapshot)" "$before" "what is there after the second time"
assert_equal "$(cat /etc/passwd /etc/group)" "$passwd" "accounts after the second time"
for verb in create-users create-dirs copy-files set-perms enable; do
	expect 0 deployctl $verb hello
	assert_equal "$out" "$verb hello: nothing to change"
done
expect 0 deployctl init hello -q
assert_equal "$out$err" ""
expect 0 deployctl init hello --json
assert_equal "$(jq -r '[.type, .result, .exit, .changes] | @csv' <<< "$out")" \
	'"result","ok",0,0'

note "deployd takes the app, and the deploy user ships it"
policy_file hello
systemctl reload deployd
cp "$archives"/hello-*.tar.gz /home/deploy/
chown deploy: /home/deploy/*.tar.gz
expect 0 as deploy deployctl deploy hello /home/deploy/hello-1.tar.gz
serves 1
expect 0 as deploy deployctl deploy hello /home/deploy/hello-2.tar.gz
serves 2
expect 0 deployctl init hello
assert_equal "$out" "init hello: nothing to change"
expect 0 deployctl set-perms hello
assert_equal "$out" "set-perms hello: nothing to change" "set-perms of what deployd made"

note "what was damaged is repaired, and only that"
release=/srv/hello/releases/$(current_id)
chmod 777 /srv/hello "$release/bin"
chmod 4755 "$release/bin/hello"
chown -R deploy: /srv/hello/etc
chmod 600 /srv/hello/etc/one.txt
echo tampered > /etc/hello/environment
chown hello: /etc/hello
rmdir /srv/hello/shared
gpasswd --delete deploy hello > /dev/null
touch /srv/hello/bin/tool /srv/hello/etc/mine
# Unlinked, so that the other releases, with which it is shared, are not damaged too.
expect 0 deployctl init hello
assert_contains "$err" "repair deploy: becomes a member of group hello"
assert_contains "$err" "create /srv/hello/shared"
assert_contains "$err" "replace /etc/hello/environment"
assert_contains "$err" "repair /srv/hello: 0:"
assert_lacks "$err" "$release"
assert_equal "$(cat /etc/hello/environment)" "HELLO_NOTE=configured"
assert_equal "$(owner /etc/hello)" "root:hello 750"
expect 0 deployctl set-perms hello --dry-run
assert_equal "$(owner "$release/bin")" "root:hello 777"
expect 0 deployctl set-perms hello
assert_equal "$(owner "$release/bin")" "root:hello 750"
assert_equal "$(owner "$release/bin/hello")" "root:hello 750"
assert_equal "$(owner /srv/hello/bin/tool)" "root:hello 750"
assert_equal "$(owner /srv/hello/etc/mine)" "root:hello 640"
assert_equal "$(owner /srv/hello/etc/one.txt)" "deploy:hello 640"
assert_equal "$(stat -c %a /srv/hello/releases/.staging)" 700
expect 0 deployctl set-perms hello
assert_equal "$out" "set-perms hello: nothing to change"
serves 2

note "not while deployd works on the app"
expect 11 flock /var/lib/deployd/hello/lock deployctl set-perms hello
expect 11 flock /var/lib/deployd/hello/lock deployctl clean-target hello --yes
expect 11 flock /var/lib/deployd/hello/lock deployctl remove-app hello --yes
serves 2

note "a single version in a directory, as CodeDeploy leaves it"
printf '[users]\ndeploy_user = deploy\napp_user = hello\n' > /etc/deployd/apps.d/single.conf
expect 0 deployctl create-dirs single
install -d -o deploy -m 755 /srv/single/current/bin
install -o deploy -m 700 /bin/true /srv/single/current/bin/single
install -o deploy -m 666 config/one.txt /srv/single/current/data
ln -s /etc/passwd /srv/single/current/link
expect 0 deployctl set-perms single
assert_equal "$(owner /srv/single/current)" "root:hello 750"
assert_equal "$(owner /srv/single/current/bin/single)" "root:hello 750"
assert_equal "$(owner /srv/single/current/data)" "root:hello 640"
assert_equal "$(owner /etc/passwd)" "root:root 644"
rm -rf /srv/single /var/lib/deployd/single /etc/deployd/apps.d/single.conf

note "bug 11: a file's mode is never a directory's"
write_app '[copy_file more]' 'src = config/environment' 'dst = {deploy_dir}/etc' 'mode = 600'
expect 0 deployctl copy-files hello
assert_equal "$(owner /srv/hello/etc)" "root:hello 750"
assert_equal "$(owner /srv/hello/etc/environment)" "deploy:hello 600"
assert_equal "$(owner /lib/systemd/system)" "root:root 755"

note "a file that is copied comes from the project, whatever links lie there"
useradd --create-home builder
mkdir /home/builder/config
echo secret > /root/secret
chmod 600 /root/secret
ln -s /root/secret /home/builder/config/environment
cp config/*.txt config/*.service /home/builder/config/
chown -R builder: /home/builder
cd /home/builder
expect 1 deployctl copy-files hello
assert_contains "$err" "[copy_file environment]"
assert_equal "$(cat /etc/hello/environment)" "HELLO_NOTE=configured"
cd "$project"

note "nobody steers what root writes: a link of the deploy user's is refused"
as deploy ln -s /etc /srv/hello/flags/trap
write_app '[copy_file trap]' 'src = config/environment' 'dst = {flags_dir}/trap/cron.d/x'
expect 6 deployctl copy-files hello
assert_contains "$err" "unsafe path: '/srv/hello/flags/trap'"
[ ! -e /etc/cron.d/x ] || fail "written through a link"
as deploy rm /srv/hello/flags/trap
write_app

note "bug 13: enable is for the app's unit and its socket, and never for NAME-restart"
printf '[Path]\nPathModified=/srv/hello/flags/restart.flag\n[Install]\nWantedBy=multi-user.target\n' \
	> /etc/systemd/system/hello-restart.path
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' \
	> /etc/systemd/system/hello-restart.service
printf '[Socket]\nListenStream=/run/hello.sock\n[Install]\nWantedBy=sockets.target\n' \
	> /etc/systemd/system/hello.socket
systemctl daemon-reload
expect 0 deployctl enable hello
assert_contains "$err" "enable hello.socket"
assert_contains "$err" "systemctl disable --now hello-restart.path"
assert_equal "$(systemctl is-enabled hello.socket)" enabled
for unit in hello-restart.path hello-restart.service; do
	assert_equal "$(systemctl is-enabled $unit || true)" disabled "$unit"
done
systemctl disable hello.socket 2> /dev/null
rm /etc/systemd/system/hello-restart.* /etc/systemd/system/hello.socket

note "enable --now starts, reads a changed unit again, and says so once"
systemctl stop hello.service
sed -i 's/^Description=.*/Description=another/' /lib/systemd/system/hello.service
touch -d '+1 hour' /lib/systemd/system/hello.service
expect 0 deployctl enable hello --now
assert_contains "$err" "systemctl daemon-reload"
assert_contains "$err" "start hello.service: is inactive"
assert_equal "$(systemctl show -P Description hello.service)" another
expect 0 deployctl enable hello --now
assert_equal "$out" "enable hello: nothing to change"
expect 0 deployctl copy-files hello
systemctl daemon-reload

note "a unit that lies in etc_dir is linked, unless others can write it"
systemctl disable --now hello.service 2> /dev/null
mv /lib/systemd/system/hello.service /srv/hello/etc/
chown deploy /srv/hello/etc/hello.service
systemctl daemon-reload
expect 6 deployctl enable hello
assert_contains "$err" "can be written by others than root"
chown root /srv/hello/etc/hello.service
expect 0 deployctl enable hello --now
assert_equal "$(readlink /etc/systemd/system/hello.service)" /srv/hello/etc/hello.service
assert_equal "$(systemctl is-active hello.service)" active
expect 0 deployctl enable hello
assert_equal "$out" "enable hello: nothing to change"
systemctl disable --now hello.service 2> /dev/null
rm -f /srv/hello/etc/hello.service /etc/systemd/system/hello.service
systemctl daemon-reload
expect 5 deployctl enable hello
assert_contains "$err" "there is no unit hello.service"
expect 0 deployctl copy-files hello
expect 0 deployctl enable hello --now
serves 2

note "others than root still ask deployd"
expect 0 as deploy deployctl restart hello
expect 4 as deploy deployctl enable hello --now

note "what is in force, with the line it comes from"
expect 0 as eve deployctl show hello --config
assert_contains "$(grep '^deploy_user' <<< "$out")" "# /etc/deployd/apps.d/hello.conf:2"
assert_contains "$(grep '^keep' <<< "$out")" "# default"
mkdir /etc/deployd/apps.d/hello.conf.d
printf '[release]\nkeep = 7\n' > /etc/deployd/apps.d/hello.conf.d/10-keep.conf
expect 0 as eve deployctl show hello --config --json
assert_equal "$(jq -c '.options[] | select(.name == "keep") | [.value, .file, .line]' <<< "$out")" \
	'["7","/etc/deployd/apps.d/hello.conf.d/10-keep.conf",2]'
assert_equal "$(jq -c '.options[] | select(.name == "dirs") | .value' <<< "$out")" \
	'["configuration","state"]'
assert_equal "$(jq -r '.copy_files[0].dst' <<< "$out")" /etc/hello/environment

note "bug 12: clean-target takes what is the app's, and no unit of another"
for other in hello-other hello2; do
	printf '[Service]\nExecStart=/bin/true\n' > "/lib/systemd/system/$other.service"
done
echo kept > /var/lib/hello/data
echo kept > /srv/hello/etc/by-hand
before=$(snapshot)
expect 2 deployctl clean-target hello
assert_contains "$err" "clean-target hello --yes"
assert_equal "$(snapshot)" "$before" "what is there without --yes"
expect 0 deployctl clean-target hello --yes
for path in /lib/systemd/system/hello.service /etc/hello /srv/hello/etc/one.txt; do
	[ ! -e $path ] || fail "$path is still there"
done
[ -e /lib/systemd/system/hello-other.service ] || fail "another service's unit is gone"
[ -e /lib/systemd/system/hello2.service ] || fail "another service's unit is gone"
assert_equal "$(cat /var/lib/hello/data /srv/hello/etc/by-hand | sort -u)" kept
[ -x "$release/bin/hello" ] || fail "a release is gone"
assert_contains "$err" "/var/lib/hello is not empty: left"
expect 0 deployctl clean-target hello --yes
assert_equal "$out" "clean-target hello: nothing to change"

note "bug 9: users and groups of the environment stand in, the group as itself"
export APP_USER=runner APP_GROUP=runners DEPLOY_USER=shipper
expect 0 deployctl init hello
assert_equal "$(id -gn runner)" runners
assert_contains " $(id -nG shipper) " " runners "
assert_equal "$(owner /srv/hello)" "root:runners 750"
assert_equal "$(owner /srv/hello/flags)" "shipper:runners 755"
assert_equal "$(owner /etc/hello/environment)" "shipper:runners 640"
! getent group runner > /dev/null || fail "a group of the user's name was made"
unset APP_USER APP_GROUP DEPLOY_USER
expect 0 deployctl init hello
assert_equal "$(owner /etc/hello/environment)" "deploy:hello 640"

note "remove-app leaves what is not the app's"
expect 2 deployctl remove-app hello
serves 2
expect 0 deployctl remove-app hello --yes
assert_contains "$err" "/etc/deployd/apps.d/hello.conf"
[ ! -e /srv/hello/releases ] || fail "releases are still there"
[ ! -e /var/lib/deployd/hello ] || fail "deployd's state is still there"
assert_equal "$(cat /var/lib/hello/data)" kept
[ -e /lib/systemd/system/hello-other.service ] || fail "another service's unit is gone"
id hello > /dev/null

note "DESTDIR: nothing outside, and no trace of it inside"
rm -rf /var/lib/hello /etc/deployd/apps.d/hello.conf.d /lib/systemd/system/hello-*.service
before=$(snapshot)
stage=/root/stage
mkdir $stage
export DESTDIR=$stage
expect 0 deployctl init hello
expect 0 deployctl init hello
assert_equal "$out" "init hello: nothing to change" "a staged tree, the second time"
expect 2 deployctl enable hello --now
unset DESTDIR
assert_equal "$(snapshot)" "$before" "what is there after staging"
[ ! -e $stage/etc/passwd ] || fail "a staged tree has accounts"
[ ! -e $stage/lib ] || fail "a staged tree has a directory where the target has a link"
[ ! -e $stage/run ] || fail "a staged tree has /run"

note "bug 10: DESTDIR is in no file and no link"
grep -r -e $stage $stage && fail "DESTDIR is in a file"
[ -z "$(find $stage -type l -lname "*$stage*")" ] || fail "DESTDIR is in a link"
[ -L $stage/etc/systemd/system/multi-user.target.wants/hello.service ] || fail "not enabled"
tar -C $stage -czf /root/stage.tar.gz .

note "unpacked on another root, where its users have other numbers, it works"
target=/root/target
mkdir -p $target
# A root of its own: the host's programs, its own accounts and configuration.
mkdir -p $target/{usr,etc,var/lib,srv,run,proc,dev,tmp,home,root}
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$(mktemp -d -p /run),workdir=$(mktemp -d -p /run)" \
	$target/usr
for link in bin sbin lib lib64; do ln -s usr/$link $target/$link; done
mount -t proc proc $target/proc
mount --bind /dev $target/dev
printf 'root:x:0:0:root:/root:/bin/bash\nsomeone:x:%s:%s::/:/bin/sh\n' "$(id -u hello)" \
	"$(id -u hello)" > $target/etc/passwd
printf 'root:x:0:\nsomeone:x:%s:\n' "$(id -g hello)" > $target/etc/group
printf 'root:*:19000::::::\n' > $target/etc/shadow
chmod 640 $target/etc/shadow
cp /etc/nsswitch.conf $target/etc/
mkdir -p $target/etc/deployd/apps.d
cp /etc/deployd/apps.d/hello.conf $target/etc/deployd/apps.d/
cp -r "$project" $target/root/project
tar -C $target -xzf /root/stage.tar.gz
[ -L $target/lib ] || fail "unpacking replaced /lib"
inside() { chroot $target "$@"; }
assert_equal "$(inside stat -c %U /etc/systemd/system/multi-user.target.wants/hello.service)" root
inside systemd-sysusers
inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/deployd-hello.conf
assert_equal "$(inside stat -c '%U:%G %a' /srv/hello)" "root:hello 750"
assert_equal "$(inside stat -c '%U:%G %a' /srv/hello/flags)" "deploy:hello 755"
[ "$(inside id -u hello)" != "$(id -u hello)" ] || fail "the target has the same numbers"
expect 0 inside sh -c 'cd /root/project && deployctl create-users hello && deployctl create-dirs && deployctl copy-files'
assert_equal "$(inside stat -c '%U:%G %a' /etc/hello/environment)" "deploy:hello 640"
assert_equal "$(inside cat /srv/hello/etc/one.txt)" one
expect 0 inside deployctl set-perms hello
assert_equal "$out" "set-perms hello: nothing to change"
assert_contains "$(inside readlink -f /etc/systemd/system/multi-user.target.wants/hello.service)" \
	/systemd/system/hello.service

note "DESTDIR with accounts of its own gets them, with its own numbers"
image=/root/image
mkdir -p $image/etc
printf 'root:x:0:0:root:/root:/bin/bash\n' > $image/etc/passwd
printf 'root:x:0:\n' > $image/etc/group
passwd=$(cat /etc/passwd /etc/group)
export DESTDIR=$image
expect 0 deployctl init hello
expect 0 deployctl init hello
assert_equal "$out" "init hello: nothing to change" "an image, the second time"
unset DESTDIR
assert_equal "$(cat /etc/passwd /etc/group)" "$passwd" "the host's accounts"
uid=$(sed -n 's/^hello:x:\([0-9]*\):.*/\1/p' $image/etc/passwd)
gid=$(sed -n 's/^hello:x:\([0-9]*\):.*/\1/p' $image/etc/group)
assert_equal "$(stat -c '%u:%g' $image/var/lib/hello)" "$uid:$gid"
assert_contains "$(grep ^hello: $image/etc/group)" deploy
assert_contains "$(grep ^deployd: $image/etc/group)" deploy

note "a user stages without being root; owners come later"
cp -r "$project" /home/eve/project
chown -R eve: /home/eve/project
as eve mkdir /home/eve/stage
expect 0 as eve env DESTDIR=/home/eve/stage sh -c \
	'cd /home/eve/project && deployctl create-dirs hello && deployctl copy-files hello'
assert_equal "$(owner /home/eve/stage/srv/hello)" "eve:eve 750"
assert_equal "$(owner /home/eve/stage/etc/hello/environment)" "eve:eve 640"
