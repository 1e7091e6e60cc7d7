#!/bin/bash
# The measuring itself, inside the machine; see run.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly rounds=$1

# A disk of its own: the root of the machine is in memory.
mount_disk() {
	local number loop
	[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
	for number in {0..31}; do
		[ -e "/dev/loop$number" ] || mknod "/dev/loop$number" b 7 "$number"
	done
	dd if=/dev/zero of=/var/tmp/bench.img bs=4M count=512 status=none
	mkfs.ext4 -q -F /var/tmp/bench.img
	loop=$(losetup --find --show /var/tmp/bench.img) || skip "no loop device"
	mount "$loop" /srv
	chmod 0755 /srv
	trap 'umount -l /srv; losetup -d '"$loop" EXIT
}

# archive NAME FILES BYTES: many files of pseudo-random text, as compressible as code
archive() {
	python3 - "$1" "$2" "$3" <<-'EOP'
		import io, random, sys, tarfile
		name, files, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		words = [w * 3 for w in "alpha beta gamma delta module function end return".split()]
		chance = random.Random(7)
		with tarfile.open(name, "w:gz", compresslevel=6) as tar:
		    for i in range(files):
		        body = " ".join(chance.choices(words, k=size // 20)) + str(chance.random())
		        body = body.encode()[:size]
		        info = tarfile.TarInfo(f"lib/app-{i % 40}/ebin/file{i}.beam")
		        info.size, info.mode = len(body), 0o644
		        tar.addfile(info, io.BytesIO(body))
	EOP
	chown deploy: "$1"
}

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# timed COMMAND...: adds the microseconds to $samples
timed() {
	local began
	began=$(now_us)
	"$@" > /dev/null 2>&1
	samples+=("$(($(now_us) - began))")
}

by_tar() {
	mkdir -p /srv/peer
	tar -xzf "$1" -C /srv/peer
	sync -f /srv/peer
}

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# compare NAME ARCHIVE: unpack, check, own and make durable, against tar and sync
compare() {
	local name=$1 file=$2 round ours=() peer=() ratios=() samples
	for ((round = 0; round <= rounds; round++)); do
		rm -rf /srv/peer
		sync
		samples=()
		timed by_tar "$file"
		timed ctl stage hello "$file"
		[ "$round" -gt 0 ] || continue
		peer+=("${samples[0]}")
		ours+=("${samples[1]}")
		ratios+=("$((samples[1] * 1000 / samples[0]))")
		ctl deploy hello hello-1.tar.gz > /dev/null 2>&1 # prunes
	done
	printf '%-14s tar+sync %6d ms   stage %6d ms   ratio %d.%03d (median of %d)\n' "$name" \
		"$(($(median "${peer[@]}") / 1000))" "$(($(median "${ours[@]}") / 1000))" \
		"$(($(median "${ratios[@]}") / 1000))" "$(($(median "${ratios[@]}") % 1000))" "$rounds"
}

# What an operator waits for beyond that, on the smallest of apps.
overhead() {
	local round samples=() restarts=()
	for ((round = 0; round <= rounds * 3; round++)); do
		timed ctl deploy hello "hello-$((round % 2 + 1)).tar.gz"
	done
	local deploys=("${samples[@]:1}")
	samples=()
	for ((round = 0; round <= rounds * 3; round++)); do timed systemctl restart hello; done
	restarts=("${samples[@]:1}")
	printf '%-14s systemctl restart %4d ms   deploy %4d ms (median of %d)\n' "hello" \
		"$(($(median "${restarts[@]}") / 1000))" "$(($(median "${deploys[@]}") / 1000))" \
		"$((rounds * 3))"
}

mount_disk
setup_hello '[release]' 'keep = 2' 'max_ratio = 1000'
mkdir -p /etc/systemd/system/hello.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n' > /etc/systemd/system/hello.service.d/limit.conf
systemctl daemon-reload
systemctl restart deployd
expect 0 ctl deploy hello hello-1.tar.gz
archive small.tar.gz 6000 4000
archive large.tar.gz 60 2500000
compare "6000 x 4 kB" small.tar.gz
compare "60 x 2.5 MB" large.tar.gz
cp "$archives/hello_ex-1.tar.gz" . && chmod 0644 hello_ex-1.tar.gz
compare "mix release" hello_ex-1.tar.gz
overhead
