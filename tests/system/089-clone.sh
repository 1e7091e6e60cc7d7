#!/bin/bash
# A check of type exec runs in a copy of the app's unit, with all of its sandbox:
# tests/health/test_clone.c compares the copies, the rest is the installed daemon.
# build: dev
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly live_build=${DEPLOYD_TEST_LIVE:-$repo/build/dev}

add_user hello --system --groups games
mkdir -p /srv/clone/{rw,ro,exec,noexec,bound} /var/lib/clone
echo 'FROM_FILE=file' > /etc/clone.env
echo secret > /etc/clone.credential

clone_units=()
unit() { # NAME LINES...
	local name=clone-$1
	shift
	printf '%s\n' '[Service]' 'ExecStart=/bin/sleep infinity' "$@" \
		> "/run/systemd/system/$name.service"
	clone_units+=("$name.service")
}
unit plain 'User=hello'
# shellcheck disable=SC2016
unit user 'User=hello' 'Group=hello' 'SupplementaryGroups=games' 'UMask=0037' \
	'WorkingDirectory=-/nonexistent' 'Environment=A=b "C=d e" "P=100%%" "Q=\"$HOME\\n"' \
	'EnvironmentFile=-/etc/missing' 'EnvironmentFile=/etc/clone.env' \
	'PassEnvironment=LANG' 'UnsetEnvironment=XYZ' 'ExecSearchPath=/bin:/usr/bin' \
	'LoadCredential=one:/etc/clone.credential' 'SetCredential=two:a b%%c' \
	'PAMName=other' 'KeyringMode=shared' 'Personality=x86-64' 'IgnoreSIGPIPE=no' \
	'LogNamespace=clone'
unit files 'User=hello' 'ProtectSystem=strict' 'ProtectHome=tmpfs' 'PrivateTmp=yes' \
	'PrivateDevices=yes' 'PrivateMounts=yes' 'ProtectControlGroups=yes' \
	'ProtectProc=invisible' 'ProcSubset=pid' 'ReadWritePaths=-/srv/clone/rw /srv/clone/ro' \
	'ReadOnlyPaths=/srv/clone/ro -/missing' 'InaccessiblePaths=/etc/clone.env' \
	'NoExecPaths=/srv/clone/noexec' 'ExecPaths=/srv/clone/exec' \
	'BindPaths=/srv/clone/rw:/srv/clone/bound -/missing:/srv/clone/exec:norbind' \
	'BindReadOnlyPaths=/etc/hosts:/srv/clone/hosts' \
	'TemporaryFileSystem=/var/cache:ro,size=1M' 'MountFlags=slave' 'MountAPIVFS=yes' \
	'StateDirectory=clone clone/deep' 'StateDirectoryMode=0750' 'CacheDirectory=clone' \
	'LogsDirectory=clone' 'ConfigurationDirectory=clone' \
	'RuntimeDirectory=clone-files clone-more/deep' 'RuntimeDirectoryMode=0711'
unit root 'User=hello' 'RootDirectory=/' 'RuntimeDirectory=clone-root' \
	'BindReadOnlyPaths=/usr'
unit rights 'User=hello' 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_KILL' \
	'AmbientCapabilities=CAP_NET_BIND_SERVICE' 'SecureBits=noroot-locked' \
	'NoNewPrivileges=yes' 'LockPersonality=yes' 'MemoryDenyWriteExecute=yes' \
	'ProtectClock=yes' 'ProtectHostname=yes' 'ProtectKernelLogs=yes' \
	'ProtectKernelModules=yes' 'ProtectKernelTunables=yes' 'RestrictRealtime=yes' \
	'RestrictSUIDSGID=yes' 'RestrictNamespaces=user pid' \
	'SystemCallArchitectures=native x86' 'SystemCallErrorNumber=EACCES' \
	'SystemCallFilter=@system-service seccomp:ENOSYS' 'SystemCallFilter=~@privileged' \
	'SystemCallLog=mount' 'RestrictAddressFamilies=AF_UNIX AF_INET' \
	'DevicePolicy=strict' 'DeviceAllow=/dev/null rw' 'DeviceAllow=char-pts' \
	'AppArmorProfile=-none-such'
unit denied 'User=hello' 'SystemCallFilter=~@mount reboot:EPERM' \
	'RestrictAddressFamilies=~AF_PACKET' 'RestrictNamespaces=~user' 'PrivateUsers=yes'
unit nothing 'User=hello' 'RestrictAddressFamilies=none' 'RestrictNamespaces=yes' \
	'CapabilityBoundingSet='
unit net 'User=hello' 'PrivateNetwork=yes' 'PrivateIPC=yes' 'IPAccounting=yes' \
	'IPAddressAllow=127.0.0.0/8 ::1' 'IPAddressDeny=any' 'SocketBindAllow=tcp:8000-8010' \
	'SocketBindDeny=any'
unit limits 'User=hello' 'LimitNOFILE=700:800' 'LimitCORE=0' 'LimitAS=2G' 'LimitNPROC=99' \
	'LimitCPU=60' 'LimitRTTIME=1s:2s' 'MemoryMin=1M' 'MemoryLow=2M' 'MemoryHigh=90M' \
	'MemoryMax=100M' 'MemorySwapMax=0' 'TasksMax=17' 'CPUWeight=50' \
	'StartupCPUWeight=60' 'CPUQuota=50%' 'CPUQuotaPeriodSec=20ms' 'IOWeight=30' \
	'IOReadBandwidthMax=/ 10M' 'IOWriteIOPSMax=/ 100' 'IODeviceWeight=/ 77' \
	'AllowedCPUs=0' 'CPUAffinity=0' 'Nice=5' 'OOMScoreAdjust=300' \
	'CPUSchedulingPolicy=batch' 'CPUSchedulingResetOnFork=yes' 'IOSchedulingClass=idle' \
	'IOSchedulingPriority=7' 'CoredumpFilter=private-anonymous' 'TimerSlackNSec=70us' \
	'ManagedOOMSwap=kill' 'ManagedOOMMemoryPressure=kill' \
	'ManagedOOMMemoryPressureLimit=70%' 'ManagedOOMPreference=avoid' \
	'DisableControllers=io' 'Slice=clone-limits.slice' 'IOAccounting=yes' \
	'CPUAccounting=no'
marker="ExecStartPre=/bin/sh -c 'echo service > \"\$RUNTIME_DIRECTORY/marker\"'"
unit dynamic 'DynamicUser=yes' "$marker" 'RuntimeDirectory=clone-dynamic' 'StateDirectory=clone-dynamic'
unit kept 'DynamicUser=yes' "$marker" 'RuntimeDirectory=clone-kept' 'RuntimeDirectoryPreserve=restart'
# What is not on this machine: the copy cannot be executed either, and has it all the same.
unit missing 'User=hello' 'RootImage=/missing.img' 'RootImageOptions=root:ro' \
	'RootVerity=/missing.verity' "RootHash=$(printf '%064d' 7)" \
	'RootHashSignature=base64:AAAA' 'MountImages=/missing.img:/mnt:root:ro' \
	'ExtensionImages=-/missing.raw' 'ExtensionDirectories=-/missing' \
	'NetworkNamespacePath=/run/netns/missing' 'IPCNamespacePath=/run/ipcns/missing' \
	'SELinuxContext=missing' 'SmackProcessLabel=-missing' 'RestrictFileSystems=~ext4 tmpfs' \
	'RestrictNetworkInterfaces=~lo' 'IPIngressFilterPath=/sys/fs/bpf/missing' \
	'BPFProgram=egress:/sys/fs/bpf/missing' 'NUMAPolicy=bind' 'NUMAMask=0' \
	'LoadCredentialEncrypted=three:/missing' 'StartupAllowedCPUs=0' 'AllowedMemoryNodes=0' \
	'CPUShares=500' 'StartupCPUShares=600' 'BlockIOWeight=500' 'MemoryLimit=1G'
# An allow-list that was emptied allows nothing, which no transient unit can be told.
printf '%s\n' '[Service]' 'ExecStart=/bin/sleep infinity' 'User=hello' \
	'SystemCallFilter=read' 'SystemCallFilter=~read @default' \
	> /run/systemd/system/clone-none.service
systemctl daemon-reload
systemctl start clone-dynamic clone-kept
CLONE_UNITS="${clone_units[*]}"
export CLONE_UNITS
expect 0 "$live_build/tests/health/test_clone"
echo "$out$err"
for name in dynamic kept; do
	assert_equal "$(cat /run/clone-$name/marker /run/clone-$name/check)" $'service\nx'
	systemctl stop clone-$name
	[ ! -e /run/clone-$name/marker ] || fail "/run/clone-$name outlives its service"
done

note "a check tries what the service may not do"
readonly drop_in=/etc/systemd/system/hello.service.d
mkdir -p /srv/clone/open
chmod 0777 /srv/clone/open
echo readable > /etc/clone.readable
setup_hello
mkdir -p $drop_in
strict=('[Service]' 'ProtectSystem=strict' 'PrivateTmp=yes' 'PrivateNetwork=yes'
	'InaccessiblePaths=/etc/clone.readable' 'SystemCallFilter=~@chown'
	'SystemCallErrorNumber=EPERM' 'CapabilityBoundingSet=CAP_KILL' 'LockPersonality=yes'
	'RestrictNamespaces=yes' 'RuntimeDirectory=hello-run' 'StateDirectory=hello-state'
	'CacheDirectory=hello-cache'
	'LimitFSIZE=4096' 'LimitNOFILE=99' 'MemoryMax=64M' 'MemorySwapMax=0' 'TasksMax=20'
	'NoExecPaths=/var/lib/hello-state' 'DevicePolicy=closed'
	"ExecStartPre=/bin/sh -c 'echo service > /tmp/marker; echo service > /run/hello-run/marker'"
	"ExecStartPre=/bin/sh -c 'echo service > /var/cache/hello-cache/marker'"
	"ExecStartPost=/bin/sh -c 'chmod 0700 /var/lib/hello-state'")
printf '%s\n' "${strict[@]}" > $drop_in/strict.conf
systemctl daemon-reload
cat > /usr/local/bin/hello-check <<'EOT'
#!/bin/bash
failed=0
bad() { echo "NOT STOPPED: $*"; failed=1; }
must() { echo "DOES NOT WORK: $*"; failed=1; }
: 2> /dev/null > /srv/clone/open/file && bad 'writing outside'
cat /etc/clone.readable > /dev/null 2>&1 && bad 'an inaccessible file'
touch /tmp/mine; chown "$(id -u)" /tmp/mine 2> /dev/null && bad 'chown(2)'
setarch "$(uname -m)" --addr-no-randomize true 2> /dev/null && bad 'personality(2)'
unshare --user true 2> /dev/null && bad 'a user namespace'
(exec 3<> /dev/tcp/127.0.0.1/8099) 2> /dev/null && bad "the machine's network"
head -c 8192 /dev/zero 2> /dev/null > /tmp/large && bad 'a large file'
cp /bin/true "$STATE_DIRECTORY/true"; "$STATE_DIRECTORY/true" 2> /dev/null && bad 'exec'
[ "$(ulimit -n)" = 99 ] || bad 'LimitNOFILE'
grep -q '^CapBnd:.*0000000000000020$' /proc/self/status || bad 'the bounding set'
grep -q '^Seccomp:.*2' /proc/self/status || bad 'seccomp'
group=/sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)
if [ -e "$group/pids.max" ]; then
	[ "$(< "$group/pids.max")" = 20 ] || bad 'TasksMax'
fi
if [ -e "$group/memory.max" ]; then
	tail /dev/zero > /dev/null 2>&1 && bad 'MemoryMax'
fi
[ "$(cat /tmp/marker)" = service ] || must "the service's /tmp"
[ "$RUNTIME_DIRECTORY" = /run/hello-run ] || must "RUNTIME_DIRECTORY is $RUNTIME_DIRECTORY"
[ "$(cat "$RUNTIME_DIRECTORY/marker")" = service ] || must 'the RuntimeDirectory'
echo check > "$RUNTIME_DIRECTORY/check" || must 'writing into the RuntimeDirectory'
(exec 3<> /dev/tcp/127.0.0.1/8080) || must "the service's network"
echo check > "$STATE_DIRECTORY/check" || must 'writing into the StateDirectory'
[ "$(cat "$CACHE_DIRECTORY/marker")" = service ] || must 'the CacheDirectory'
exit $failed
EOT
chmod 0755 /usr/local/bin/hello-check
systemd-run --quiet --unit=outside --property=Type=exec \
	python3 -m http.server --bind 127.0.0.1 8099
timeout "$WAIT_SEC" bash -c 'until (exec 3<> /dev/tcp/127.0.0.1/8099) 2> /dev/null; do :; done'
app_file hello hello '[health]' 'min_healthy_sec = 0' 'bake_sec = 0' 'healthy_deadline_sec = 20' \
	'[health_check self]' 'type = exec' 'command = /usr/local/bin/hello-check' \
	'timeout_sec = 10'
expect 0 systemctl reload deployd
expect 0 ctl deploy hello hello-1.tar.gz
[ -e /srv/clone/open/file ] && fail "it wrote outside"
assert_equal "$(cat /run/hello-run/marker)" service
assert_equal "$(cat /run/hello-run/check)" check
assert_equal "$(stat -c %U /run/hello-run)" hello
assert_equal "$(stat -c '%U %a' /var/lib/hello-state)" 'hello 700' 'what the service made of it'
assert_equal "$(cat /var/lib/hello-state/check)" check
assert_equal "$(systemctl list-units --all --plain --no-legend 'deployd-check-*')" ""

note "a unit that cannot be copied is named at load, and no release is switched to"
printf '%s\n' '[Service]' 'SystemCallFilter=' 'SystemCallFilter=read' \
	'SystemCallFilter=~read @default' > $drop_in/zz.conf
systemctl daemon-reload
from=$(journal_cursor)
expect 0 deployctl reload
assert_contains "$out$err" 'hello.conf'
assert_contains "$out$err" 'SystemCallFilter='
wait_journal "$from" 'health_check self. cannot run.*SystemCallFilter=' -u deployd
release=$(current_id)
main_pid=$(systemctl show -P MainPID hello)
expect 1 ctl deploy hello hello-2.tar.gz
assert_contains "$err" 'SystemCallFilter='
assert_contains "$err" 'nothing was changed'
assert_equal "$(current_id)" "$release"
assert_equal "$(systemctl show -P MainPID hello)" "$main_pid"
from=$(journal_cursor)
systemctl restart deployd
wait_journal "$from" 'health_check self. cannot run.*SystemCallFilter=' -u deployd

note "with the setting gone it goes on"
rm $drop_in/zz.conf
systemctl daemon-reload
expect 0 ctl deploy hello hello-2.tar.gz
expect 0 deployctl reload
assert_lacks "$out$err" SystemCallFilter=

note "DynamicUser=: the copy is the same user"
printf '%s\n' '[Service]' 'DynamicUser=yes' > $drop_in/dynamic.conf
systemctl daemon-reload
expect 0 ctl restart hello
expect 0 ctl deploy --force hello hello-1.tar.gz
assert_equal "$(cat /run/hello-run/check)" check
