#!/bin/bash
# timeout: 300
# The set-up verbs in directories of a deploy user who wants to be root: what he keeps
# open, what he swaps, what he calls his files, what he puts behind an old name.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/mix_deploy-tree.sh"

setup_hello
cp "$repo/tests/apps/hello/hello.service" /usr/local/hello.service
chmod 644 /usr/local/hello.service
app=/etc/deployd/apps.d/hello.conf
cp "$app" /run/hello.conf

old_tree() {
	rm -rf "$mix_dir" /var/lib/deployd/hello
	mix_create_dirs > /dev/null
}

# Opens FILE for writing as deploy, and writes to it when told to.
hold() { # FILE
	rm -f /run/hold.*
	mkfifo -m 666 /run/hold.begin
	start /run/hold.out as deploy bash -c \
		'exec 9>> "$1"; echo held; read -r _ < /run/hold.begin; echo evil >&9' - "$1"
	timeout "$WAIT_SEC" bash -c 'until grep -qs held /run/hold.out; do :; done' ||
		fail "nothing is held"
}

write_held() {
	echo > /run/hold.begin
	ended
}

note "copy-files: a file that was prepared for it, and is still open for writing"
old_tree
cat /run/hello.conf - > "$app" <<-END
	[copy_file unit]
	src = /usr/local/hello.service
	dst = {etc_dir}/hello.service
	user = root
	group = root
	mode = 644
END
as deploy cp /usr/local/hello.service "$mix_dir/etc/hello.service"
hold "$mix_dir/etc/hello.service"
expect 0 deployctl create-dirs hello
expect 0 deployctl copy-files hello
write_held
assert_equal "$(stat -c '%U:%G %a' "$mix_dir/etc/hello.service")" "root:root 644"
assert_lacks "$(cat "$mix_dir/etc/hello.service")" evil
expect 0 deployctl copy-files hello
assert_equal "$out" "copy-files hello: nothing to change"

note "set-perms: a script that is still open for writing is not passed off as root's"
old_tree
hold "$mix_dir/bin/deploy-restart"
expect 1 deployctl set-perms hello
assert_contains "$err" "is open for writing in some process"
expect 1 deployctl set-perms hello
assert_contains "$err" "is open for writing in some process"
write_held
expect 0 deployctl set-perms hello

note "enable: a unit of root's in a directory of the deploy user is not linked"
old_tree
mv /usr/lib/systemd/system/hello.service /run/ 2> /dev/null || true
mv /etc/systemd/system/hello.service /run/ 2> /dev/null || true
cp /usr/local/hello.service "$mix_dir/etc/hello.service"
expect 1 deployctl enable hello
assert_contains "$err" "$mix_dir"
[ ! -e /etc/systemd/system/hello.service ] || fail "the unit is linked"
expect 0 deployctl create-dirs hello
expect 0 deployctl enable hello
rm /etc/systemd/system/hello.service
cp /run/hello.service /etc/systemd/system/
systemctl daemon-reload
cp /run/hello.conf "$app"

note "extract-release: not below a directory in which others can exchange what is unpacked"
old_tree
expect 1 deployctl extract-release hello "$archives/hello-1.tar.gz"
assert_contains "$err" "unsafe path: '$mix_dir'"
expect 0 deployctl create-dirs hello
expect 0 deployctl extract-release hello "$archives/hello-1.tar.gz"

note "extract-release: unpacks as deployd.conf says, and looks at what came as deployd does"
readonly unpack=/usr/libexec/deployd/deployd-unpack
mv "$unpack" "$unpack.real"
# What an unpacker that was taken over would leave: one plain file, and what is asked for.
cat > "$unpack" <<-'END'
	#!/bin/bash
	printf '%s\n' "$@" > /run/unpack-args
	for arg; do [[ $arg != --staging=* ]] || cd "${arg#*=}"; done
	echo x > plain
	chown other-unpack: plain
	. /run/unpack-does
	printf '{"type":"result","result":"ok","message":""}\n' >&3
END
chmod 755 "$unpack"
useradd --system other-unpack
mkdir -p /etc/deployd/deployd.conf.d
printf '[deployd]\nunpack_user = other-unpack\nunpack_memory_bytes = 777M\n' \
	> /etc/deployd/deployd.conf.d/unpack.conf
while IFS='|' read -r does words; do
	echo "$does" > /run/unpack-does
	expect 10 deployctl extract-release hello "$archives/hello-1.tar.gz"
	assert_contains "$err" "$words"
	[ ! -e /srv/hello/.extract ] || fail "it was left behind"
	[ ! -e /srv/hello/current/plain ] || fail "it went live"
done <<-'END'
	touch /srv/outside; chown other-unpack: /srv/outside; ln -f /srv/outside link|a file is also linked from outside
	python3 -c 'import os; os.setxattr("plain", "trusted.x", b"y")'|'plain' has extended attributes
	chmod u+s plain|'plain' has a setuid, setgid or sticky bit
	mkfifo p; chown other-unpack: p|'p' is neither file, directory nor link
	chown root plain|'plain' does not belong to the unpacker
	ln -s /etc/passwd l; chown -h other-unpack: l|'l' is a link
END
assert_contains "$(cat /run/unpack-args)" "--uid=$(id -u other-unpack)"
assert_contains "$(cat /run/unpack-args)" "--memory-bytes=$((777 << 20))"
echo true > /run/unpack-does
expect 0 deployctl extract-release hello "$archives/hello-1.tar.gz"
assert_equal "$(stat -c '%U:%G %a' /srv/hello/current/plain)" "root:hello 640"
mv "$unpack.real" "$unpack"
expect 0 deployctl extract-release hello "$archives/hello-1.tar.gz"
sed -i 's/other-unpack/nobody-there/' /etc/deployd/deployd.conf.d/unpack.conf
expect 1 deployctl extract-release hello "$archives/hello-1.tar.gz"
assert_contains "$err" "there is no user nobody-there"
echo 'unpack_memory_bytes = 1' >> /etc/deployd/deployd.conf.d/unpack.conf
expect 6 deployctl extract-release hello "$archives/hello-1.tar.gz"
assert_contains "$err" "unpack.conf:"
rm /etc/deployd/deployd.conf.d/unpack.conf

note "an old name is of its own app: no other app's file behind it, in no spelling"
expect 0 deployctl link-scripts hello --yes
cat > /run/evil.conf <<-END
	[copy_file evil]
	src = /usr/local/hello.service
	dst = /etc/evil
	user = root
	group = root
END
for option in "--app-file /run/evil.conf" --app-file=/run/evil.conf --app=/run/evil.conf; do
	# shellcheck disable=SC2086
	expect 2 "$mix_dir/bin/deploy-copy-files" $option
	[ ! -e /etc/evil ] || fail "copied by another app's file"
done

note "a hook of root's in scripts_dir: a bundle that a user left above it is none"
expect 0 deployctl generate hello --to /run/generated
cp "$(find /run/generated -name deploy-copy-files | head -n 1)" "$mix_dir/bin/hook-copy"
mv "$mix_dir/bin/hook-copy" "$mix_dir/bin/deploy-copy-files"
mkdir "$mix_dir/apps.d"
touch "$mix_dir/appspec.yml"
cat /run/hello.conf /run/evil.conf > "$mix_dir/apps.d/hello.conf"
chown -R deploy: "$mix_dir"/{apps.d,appspec.yml}
expect 0 "$mix_dir/bin/deploy-copy-files"
[ ! -e /etc/evil ] || fail "copied by a bundle of the deploy user's"
rm -r "$mix_dir"/{apps.d,appspec.yml}

note "what a pattern finds: a name of two lines does not get into the manifest"
mkdir /run/project
cd /run/project
echo x > $'a.txt\nb.txt'
cat /run/hello.conf - > "$app" <<-END
	[copy_file texts]
	src = *.txt
	dst = {etc_dir}
END
expect 1 deployctl copy-files hello
assert_contains "$err" 'a.txt\x0ab.txt'
rm -- *
echo x > c.txt
expect 0 deployctl copy-files hello
expect 0 deployctl clean-target hello --dry-run

note "links in the project of another: what root can read does not get out"
echo secret > /root/secret
chmod 600 /root/secret
mkdir -p /run/project/{_build/prod,bin}
chown -R deploy: /run/project/_build /run/project/bin
as deploy ln -s /root/secret bin/own
as deploy cp "$archives/hello-1.tar.gz" _build/prod/hello-1.0.0.tar.gz
expect 1 deployctl stage-files hello
[ ! -e files/bin/own ] || fail "a secret was staged: $(stat -c %a files/bin/own)"
as deploy rm bin/own
expect 0 deployctl stage-files hello
rm -rf files
mkdir /usr/local/target
as deploy ln -s /usr/local/target _build/files
expect 6 deployctl stage-files hello --to _build/files
assert_contains "$err" "is a link that others than root can change"
assert_equal "$(ls -A /usr/local/target)" ""
as deploy ln -s /root/secret _build/x.txt
cat /run/hello.conf - > "$app" <<-END
	[copy_file texts]
	src = _build/*.txt
	dst = {etc_dir}
END
expect 1 deployctl copy-files hello
[ ! -e "$mix_dir/etc/x.txt" ] || fail "a secret was copied"
