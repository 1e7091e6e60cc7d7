#!/bin/bash
# Hostile archives are refused with exit 10 and the reason; the old release still serves.
# fresh boot: yes
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'max_entries = 5000' 'max_release_bytes = 512M' 'keep = 100'
expect 0 ctl deploy hello hello-1.tar.gz
id=$(current_id)
python3 "$repo/tests/archives/make_hostile.py" /tmp/archives
chmod -R a+rX /tmp/archives

echo untouched > /srv/victim
outside() { find /srv /etc /var/lib/deployd -newer /srv/victim -not -path '/var/lib/deployd/*/history*' \
	-not -path '*/.staging' -not -path '/var/lib/deployd/*' -not -path '/srv/hello/releases*' ; }

count=0
for archive in /tmp/archives/hostile/*; do
	[ -f "$archive" ] || continue
	expect 10 ctl deploy hello "$archive"
	[ -n "$err" ] || fail "no reason for $archive"
	printf '   %-36s %s\n' "$(basename "$archive")" "$(tail -n 1 <<< "$err")"
	assert_equal "$(current_id)" "$id"
	assert_equal "$(ls /srv/hello/releases)" "$id"
	[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "$archive left something in .staging"
	count=$((count + 1))
done
[ "$count" -ge 20 ] || fail "only $count hostile archives"
assert_equal "$(outside)" ""
serves 1

note "good ones of every kind are taken"
for archive in /tmp/archives/good/*; do
	[ -f "$archive" ] || continue
	expect 0 ctl stage hello "$archive"
done
for kind in tar tar.gz tar.xz tar.zst tar.bz2; do
	pack_hello "kind.$kind" "$kind"
	expect 0 ctl deploy hello "kind.$kind"
	serves "$kind"
done
