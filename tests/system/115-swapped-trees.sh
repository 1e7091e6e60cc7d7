#!/bin/bash
# timeout: 600
# Root's verbs in trees whose owner exchanges directories, files and links with links to
# what is root's, all the time: nothing outside changes its owner, mode or content, nothing
# is removed there, and nothing that only root can read gets out.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/mix_deploy-tree.sh"

# 1,000 exchanges for each of 14 attacks; with tests/run --long more than 100,000 in all.
swaps=$((1000 * ${DEPLOYD_TEST_SCALE:-1} * (${DEPLOYD_TEST_SCALE:-1} > 1 ? 8 : 5) / 5))
seed=${DEPLOYD_TEST_SEED:-$RANDOM}
echo "seed $seed"
readonly victim=/root/victim swapper=$build/tests/attacks/swapper swaps
[ -x "$swapper" ] || skip "no $swapper"

setup_hello
cp "$repo/tests/apps/hello/hello.service" /usr/local/hello.service
app=/etc/deployd/apps.d/hello.conf
cp "$app" /run/hello.conf
chmod 755 /root # what keeps the links from being followed is not this

# It has what the tree has, so that whatever goes astray finds something to change.
mkdir -p "$victim"
cp -r --no-preserve=all /etc/skel "$victim/skel"
for dir in "" bin etc flags releases releases/20181114072116{,/bin,/etc} current current/bin \
	prod; do
	mkdir -p "$victim/$dir"
	echo secret > "$victim/$dir/hello"
	echo secret > "$victim/$dir/deploy-restart"
	echo secret > "$victim/$dir/environment"
	echo secret > "$victim/$dir/hello-1.0.0.tar.gz"
done
chmod -R u=rwX,go= "$victim"/*

around() {
	find "$victim" -printf '%p %U:%G %m %y %s %C@ %l\n' | sort
	find /etc /usr/local -path /etc/deployd -prune -o -path /etc/systemd -prune -o \
		-type f -printf '%p %U:%G %m %s %T@\n' | sort
	stat -c '%n %U:%G %a' / /root /srv /etc /usr/local /home/deploy
}

old_tree() {
	rm -rf "$mix_dir" /var/lib/deployd/hello
	mix_create_dirs > /dev/null
	mix_release "$archives/hello-1.tar.gz" 20181114072116
	mix_release "$archives/hello-2.tar.gz" 20181115080000
}

# attack VERB PREPARE NAMES -- COMMAND...: NAMES in the tree are deploy's. Each is exchanged
# with a link to the same place below the victim, which waits outside of the tree.
attack() {
	local verb=$1 prepare=$2 names=() pairs=() total=0 rounds=0 well=0 name before
	shift 2
	while [ "$1" != -- ]; do
		names+=("$1")
		shift
	done
	shift
	before=$(around)
	while [ "$total" -lt "$swaps" ]; do
		rounds=$((rounds + 1))
		"$prepare"
		pairs=()
		rm -rf "${tree%/*}/links"
		install -d -o deploy "${tree%/*}/links"
		for name in "${names[@]}"; do
			as deploy ln -s "$victim/${name#"$tree"/}" "${tree%/*}/links/${#pairs[@]}"
			pairs+=("$name" "${tree%/*}/links/${#pairs[@]}")
		done
		rm -f /run/swapper.out
		runuser -u deploy -- "$swapper" $((seed + rounds)) "${pairs[@]}" > /run/swapper.out &
		local client=$!
		timeout "$WAIT_SEC" bash -c 'until grep -qs swapping /run/swapper.out; do :; done' ||
			fail "nothing is swapped"
		if "$@" > /run/verb.out 2>&1 < /dev/null; then well=$((well + 1)); fi
		pkill -TERM -P "$client" -x swapper || true
		ended
		total=$((total + $(sed -n 's/ swaps$//p' /run/swapper.out)))
		[ "$rounds" -lt 20000 ] || fail "$verb: only $total swaps in $rounds rounds"
		[ "$(around)" = "$before" ] ||
			fail "$verb, round $rounds: $(diff <(echo "$before") <(around) | sed -n 1,20p)
$(cat /run/verb.out)"
		out=$(find "$mix_dir" /run/project -type f -exec grep -lx secret {} + 2> /dev/null) || true
		[ -z "$out" ] || fail "$verb, round $rounds: a secret got out: $out"
	done
	echo "   $verb: $total swaps in $rounds rounds, $well of them ended well"
	[ "$well" -gt 0 ] || fail "$verb is refused each time, which attacks nothing: $(cat /run/verb.out)"
}

tree=$mix_dir
releases=$mix_dir/releases
in_tree=("$mix_dir/bin" "$mix_dir/etc" "$mix_dir/flags" "$releases" "$mix_dir/bin/deploy-restart"
	"$mix_dir/etc/environment" "$releases/20181114072116" "$releases/20181114072116/bin"
	"$releases/20181114072116/bin/hello")

mkdir -p /run/project
systemctl stop deployd.socket deployd.service

note "the attack works: a script that goes by names is caught"
# shellcheck disable=SC2016
if (attack naive old_tree "${in_tree[@]}" -- bash -c 'for i in {1..50}; do
	chown root:hello "$0"/etc/* "$0"/bin/*; chmod 640 "$0"/etc/* "$0"/bin/*; done' "$mix_dir") \
	> /run/naive.out 2>&1; then
	fail "nobody was hurt: $(cat /run/naive.out)"
fi
assert_contains "$(cat /run/naive.out)" "FAILED: naive, round"
chown -R root: "$victim"
chmod -R u=rwX,go= "$victim"/*

note "adopt"
attack adopt old_tree "${in_tree[@]}" -- deployctl adopt hello --yes
note "set-perms"
attack set-perms old_tree "${in_tree[@]}" -- deployctl set-perms hello
note "... and below directories that are root's already"
inner_tree() {
	old_tree
	deployctl create-dirs hello > /dev/null 2>&1
	chown -R deploy:hello "$releases"/*
}
in_release=("$releases/20181114072116/bin" "$releases/20181114072116/bin/hello"
	"$releases/20181114072116/etc")
attack "adopt, below" inner_tree "${in_release[@]}" -- deployctl adopt hello --yes
attack "set-perms, below" inner_tree "${in_release[@]}" -- deployctl set-perms hello
attack "remove-app, below" inner_tree "${in_release[@]}" -- deployctl remove-app hello --yes
note "create-dirs"
attack create-dirs old_tree "${in_tree[@]}" -- deployctl create-dirs hello

note "copy-files"
cat /run/hello.conf - > "$app" <<-END
	[copy_file unit]
	src = /usr/local/hello.service
	dst = {etc_dir}/hello.service
	user = root
	group = root
	mode = 644
END
attack copy-files old_tree "${in_tree[@]}" -- deployctl copy-files hello

note "clean-target"
made_tree() {
	rm -rf "$mix_dir" /var/lib/deployd/hello
	deployctl create-dirs hello > /dev/null 2>&1
	deployctl copy-files hello > /dev/null 2>&1
	chown -R deploy:hello "$mix_dir"
}
attack clean-target made_tree "$mix_dir/bin" "$mix_dir/etc" "$mix_dir/flags" \
	"$mix_dir/releases" -- deployctl clean-target hello --yes

note "remove-app"
attack remove-app old_tree "${in_tree[@]}" -- deployctl remove-app hello --yes

note "extract-release"
codedeploy_tree() {
	rm -rf "$mix_dir" /var/lib/deployd/hello
	deployctl create-dirs hello > /dev/null 2>&1
	mix_extract_release "$archives/hello-1.tar.gz"
}
attack extract-release codedeploy_tree "$mix_dir/current/bin" "$mix_dir/current/bin/hello" \
	"$mix_dir/current/etc" -- deployctl extract-release hello "$archives/hello-2.tar.gz"

note "stage-files"
cp /run/hello.conf "$app"
tree=/run/project
project() {
	rm -rf /run/project
	mkdir -p /run/project/_build
	cd /run/project
	chown -R deploy: /run/project/_build
	as deploy mkdir _build/prod
	mkdir bin
	chown deploy: bin
	as deploy cp "$archives/hello-1.tar.gz" _build/prod/hello-1.0.0.tar.gz
	as deploy cp /bin/true bin/deploy-restart
}
attack stage-files project /run/project/_build/prod /run/project/bin/deploy-restart -- \
	deployctl stage-files hello

note "hook"
tree=/run/project/files
bundle() {
	project
	deployctl stage-files hello _build/prod/hello-1.0.0.tar.gz > /run/staged 2>&1 ||
		fail "no bundle: $(cat /run/staged)"
	printf '#!/usr/bin/env -S deployctl hook\n' > files/bin/hook
	chmod 755 files/bin/hook
	chown -R deploy: files
}
in_bundle=("$tree/bin" "$tree/apps.d" "$tree/apps.d/hello.conf" "$tree/hello.tar.gz"
	"$tree/bin/deploy-restart")
rm -rf "$mix_dir" /var/lib/deployd/hello
expect 0 deployctl create-dirs hello
systemctl start deployd.socket deployd.service
for event in BeforeInstall AfterInstall; do
	attack "hook $event" bundle "${in_bundle[@]}" -- \
		env "LIFECYCLE_EVENT=$event" deployctl hook "$tree/bin/hook"
done
