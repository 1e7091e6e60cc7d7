#!/bin/bash
# docs/from-mix_deploy.md, Staging: a tree that is made below DESTDIR on a machine where
# nothing is set up, packed, and unpacked on one that has never seen the app. Between the
# two is a reboot, and of the first only the archives are left.
# timeout: 200
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/walk.sh"

# As root would see it.
nothing_is_here() {
	local name path
	for name in app deploy; do
		! getent passwd $name > /dev/null || fail "there is a user $name"
	done
	for path in /srv/foo /etc/foo /var/lib/foo /etc/deployd/apps.d/foo.conf \
		/etc/deployd/policy.d/foo.conf /etc/systemd/system/foo.service; do
		[ ! -e $path ] || fail "there is $path"
	done
}

if [ "$MACHINE_BOOT" = 1 ]; then
	add_user builder
	walk_project builder
	for name in environment generate build; do
		walk_run builder ~builder/foo walk $name
	done
	walk_run builder ~builder/foo staged stage
	walk_run builder ~builder/foo staged stage # again, over what is there
	nothing_is_here
	note "bug 10: DESTDIR is in no file and no link"
	stage=/home/builder/tmp/deploy
	! grep -rl "$stage" $stage || fail "DESTDIR is in a file"
	[ -z "$(find $stage -lname "*$stage*")" ] || fail "DESTDIR is in a link"
	mkdir /root/kept
	cp ~builder/tmp/foo.tar.gz ~builder/foo/_build/prod/foo-1.0.0.tar.gz /root/kept
	userdel --remove builder 2> /dev/null
	exit 94
fi

nothing_is_here
walk_user admin
cp /root/kept/foo.tar.gz ~admin/
before=$(stat -c '%n %U:%G %a' / /etc /srv /usr /usr/lib /var /var/lib /etc/systemd/system)
walk_run admin ~admin staged unpack
assert_equal "$(stat -c '%n %U:%G %a' / /etc /srv /usr /usr/lib /var /var/lib /etc/systemd/system)" \
	"$before" "directories that were there"

note "owners, modes and groups are those of this machine"
assert_equal "$(stat -c '%U:%G %a' /srv/foo /srv/foo/releases | sort -u)" "root:app 750"
assert_equal "$(stat -c '%U:%G %a' /srv/foo/flags)" "deploy:app 755"
assert_equal "$(stat -c '%U:%G %a' /etc/foo)" "root:app 750"
assert_equal "$(stat -c '%U:%G %a' /etc/foo/environment)" "root:app 640"
assert_equal "$(stat -c '%U:%G %a' /etc/systemd/system/foo.service)" "root:root 644"
assert_contains " $(id -nG deploy) " " app "
assert_contains " $(id -nG deploy) " " deployd "
for verb in create-users create-dirs link-scripts set-perms enable; do
	expect 0 deployctl $verb foo
	assert_equal "$out" "$verb foo: nothing to change"
done

note "a served page"
install -o deploy /root/kept/foo-1.0.0.tar.gz ~deploy/
expect 0 as deploy deployctl deploy foo ~deploy/foo-1.0.0.tar.gz
walk_serves 1.0.0
[ "$(walk_names staged | paste -sd ' ')" = "stage unpack" ] || fail "a block was not run"
