#!/bin/bash
# What the installation leaves behind: units, users, directories, and how exposed it is.
# fresh boot: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"

note "the units are clean and as locked up as promised"
systemd-analyze verify --man=no /lib/systemd/system/deployd.service \
	/lib/systemd/system/deployd.socket
systemd-analyze security --offline=true --threshold=16 \
	/lib/systemd/system/deployd.service > /dev/null

note "clients' sessions have a unit of their own, for which deployd's does not wait"
systemd-analyze verify --man=no /lib/systemd/system/deployd-sessions.service \
	/lib/systemd/system/deployd-sessions.socket
assert_equal "$(systemctl is-active deployd-sessions.socket)" active
assert_equal "$(stat -c '%a %U:%G' /run/deployd/sessions)" "600 root:root"
assert_equal "$(stat -c %a /usr/libexec/deployd/deployd-session)" 711
assert_equal "$(stat -c %a /usr/libexec/deployd/deployd-sessions)" 711
systemctl start deployd-sessions.service
systemd-analyze security --threshold=16 deployd-sessions.service > /dev/null
for property in Requires Requisite BindsTo PartOf; do
	assert_lacks "$(systemctl show -P "$property" deployd.service)" sessions
done

note "deployd runs, with the five capabilities"
assert_equal "$(systemctl is-active deployd.service deployd.socket | sort -u)" active
pid=$(systemctl show -P MainPID deployd.service)
assert_equal "$(sed -n 's/^CapBnd:\t*//p' "/proc/$pid/status")" 00000000000400e1
assert_equal "$(sed -n 's/^NoNewPrivs:\t*//p' "/proc/$pid/status")" 1
systemd-analyze security --threshold=16 deployd.service > /dev/null

note "who may connect"
assert_equal "$(stat -c '%a %U:%G' /run/deployd/io.deployd)" "660 root:deployd"
assert_equal "$(stat -c '%a %U:%G' /run/deployd)" "755 root:root"
assert_equal "$(readlink /run/varlink/registry/io.deployd)" /run/deployd/io.deployd
assert_equal "$(stat -c '%a %U' /var/lib/deployd)" "700 root"

note "a stop of the service leaves the socket, and a client starts it again"
systemctl stop deployd.service 2> /dev/null
assert_equal "$(systemctl is-active deployd.socket)" active
expect 0 deployctl list
assert_equal "$(systemctl is-active deployd.service)" active

note "the version"
version=$(sed -n 's/^project(deployd VERSION \([0-9.]*\).*/\1/p' "$repo/CMakeLists.txt")
expect 0 deployctl --version
assert_equal "$out" "deployctl $version"
expect 0 /usr/sbin/deployd --version
assert_equal "$out" "deployd $version"

note "the configuration that comes along, and the examples"
expect 0 /usr/sbin/deployd --check
useradd --system hello
useradd deploy
install -m 0644 /usr/share/doc/deployd/examples/hello.app.conf \
	/etc/deployd/apps.d/hello.conf
install -m 0644 /usr/share/doc/deployd/examples/hello.policy.conf \
	/etc/deployd/policy.d/hello.conf
expect 0 /usr/sbin/deployd --check
expect 0 systemctl reload deployd
sed -i 's/^#\([a-z_]* = \)/\1/' /etc/deployd/deployd.conf
expect 0 /usr/sbin/deployd --check

note "the man pages are where man looks"
for page in deployctl.1 deployctl-setup.8 deployd.8 deployd.conf.5 deployd.app.5 \
	deployd.policy.5 deployd.archive.7; do
	find /usr/share/man -name "$page*" | grep -q . || fail "no $page"
done

note "the catalog explains our messages"
expect 0 deployctl list
journalctl --update-catalog
mapfile -t ids < <(sed -n 's/^-- //p' "$repo/units/deployd.catalog")
[ "${#ids[@]}" -ge 5 ] || fail "the catalog has ${#ids[@]} entries"
for id in "${ids[@]}"; do
	expect 0 journalctl --list-catalog "$id"
	assert_contains "$out" deployd
done
