#!/bin/bash
# Hostile archives are refused with exit 10 and the reason; the old release still serves.
# fresh boot: yes
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'max_entries = 2000' 'max_ratio = 100' 'max_depth = 64' \
	'max_file_bytes = 1G' 'max_release_bytes = 4G' 'keep = 100'
expect 0 ctl deploy hello hello-1.tar.gz
id=$(current_id)
python3 "$repo/tests/archives/make_hostile.py" /tmp/archives
chmod -R a+rX /tmp/archives
grown() { find / -xdev -newer /tmp/archives/expect.tsv -type f -not -path '/proc/*' \
	-not -path '/sys/*' -not -path '/run/*' -not -path '/tmp/*' -not -path '/var/log/*' \
	-not -path '/var/lib/deployd/hello/*' -not -path '/var/tmp/*' \
	-not -path "$repo/*" -not -path '/root/.cache/*'; } # others may be at work there

note "hostile ones"
count=0
while IFS=$'\t' read -r archive words; do
	[[ $archive = hostile/* ]] || continue
	expect 10 ctl deploy hello "/tmp/archives/$archive"
	printf '   %-36s %s\n' "${archive#*/}" "$(tail -n 1 <<< "$err")"
	assert_contains "$err" "$words"
	assert_equal "$(current_id)" "$id"
	assert_equal "$(ls /srv/hello/releases)" "$id"
	[ -z "$(ls -A /srv/hello/releases/.staging)" ] ||
		fail "$archive left something in .staging"
	count=$((count + 1))
done < /tmp/archives/expect.tsv
[ "$count" -ge 20 ] || fail "only $count hostile archives"
assert_equal "$(grown)" "" "files outside"
serves 1
expect 0 ctl history hello --json
assert_equal "$(jq -r '.[0] | .kind, .result' <<< "$out" | paste -sd ' ')" \
	"deploy rejected"

note "good ones"
while IFS=$'\t' read -r archive files; do
	[[ $archive = good/* ]] || continue
	expect 0 ctl stage hello "/tmp/archives/$archive"
	case $archive in
	good/xattrs*) assert_contains "$out" "warning: capabilities, ACLs and extended" ;;
	good/apple-double*) assert_contains "$out" "warning: files ._* of macOS were left out" ;;
	*) [[ $out != *warning* ]] || fail "$archive: $out" ;;
	esac
	release=$(ls /srv/hello/releases | tail -n 1)
	assert_equal "$(find "/srv/hello/releases/$release" -type f | wc -l)" "$files" "$archive"
done < /tmp/archives/expect.tsv
journal=$(journalctl -u deployd -o cat -p warning)
assert_contains "$journal" "AmbientCapabilities="
assert_contains "$journal" "files ._* of macOS were left out"

note "what was packed for this machine and leads elsewhere"
mkdir -p /tmp/venv/bin && ln -s /opt/python/bin/python3 /tmp/venv/bin/python3
tar -C /tmp/venv -cf /tmp/venv.tar bin
install -D -m 755 /bin/true /tmp/venv/bin/hello && tar -C /tmp/venv -rf /tmp/venv.tar bin/hello
expect 10 ctl stage hello /tmp/venv.tar
assert_contains "$err" "not below one of link_targets"
sed -i '/^\[release\]/a link_targets = /usr /opt/python' /etc/deployd/apps.d/hello.conf
systemctl reload deployd
expect 0 ctl stage hello /tmp/venv.tar
assert_equal "$(readlink "/srv/hello/releases/$(ls /srv/hello/releases | tail -n 1)/bin/python3")" \
	/opt/python/bin/python3
for kind in tar tar.gz tar.xz tar.zst tar.bz2; do
	pack_hello "kind.$kind" "$kind"
	expect 0 ctl deploy hello "kind.$kind"
	serves "$kind"
done
