#!/bin/bash
# Retention: keep good releases, never losing the current one, the one before, or one in use.
# fresh boot: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'keep = 3' '[restart]' 'activate_method = none'

ids() { ctl releases hello --json | jq -r '.[].id' | paste -sd ' '; }
deployed=()
for version in 1 2 3 4 5 6; do
	pack_hello "kept-$version.tar.gz" "$version"
	expect 0 ctl deploy hello "kept-$version.tar.gz"
	deployed+=("$(current_id)")
done
assert_equal "$(ids)" "${deployed[5]} ${deployed[4]} ${deployed[3]}"
assert_equal "$(cd /srv/hello/releases && echo 2*)" \
	"${deployed[3]} ${deployed[4]} ${deployed[5]}"

note "the numbers in the ids only ever rise"
expect 0 ctl rollback hello
expect 0 ctl deploy hello hello-1.tar.gz
[[ $(current_id) > ${deployed[5]} ]] || fail "$(current_id) is not after ${deployed[5]}"
[ "${deployed[5]##*-}" -lt "$(current_id | sed 's/.*-//')" ] || fail "the number did not rise"

note "what a deploy says about what it replaced, thirty times"
first=$(date +%s%N)
for ((i = 0; i < 30; i++)); do
	previous=$(current_id)
	out=$(ctl deploy --json --redeploy hello hello-1.tar.gz 2> /dev/null | tail -n 1)
	assert_equal "$(jq -r .previous <<< "$out")" "$previous"
	assert_equal "$(jq -r .release <<< "$out")" "$(current_id)"
done
note "$((($(date +%s%N) - first) / 30000000)) ms a deploy"
expect 0 ctl history hello --json
[ "$(jq length <<< "$out")" -ge 30 ] || fail "history is short"
assert_equal "$(jq -r '[.[].time] | . == (sort | reverse)' <<< "$out")" true "newest first"
