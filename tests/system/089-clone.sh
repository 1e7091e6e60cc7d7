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
unit dynamic 'DynamicUser=yes' 'RuntimeDirectory=clone-dynamic' 'StateDirectory=clone-dynamic'
unit kept 'DynamicUser=yes' 'RuntimeDirectory=clone-kept' 'RuntimeDirectoryPreserve=restart'
# An allow-list that was emptied allows nothing, which no transient unit can be told.
printf '%s\n' '[Service]' 'ExecStart=/bin/sleep infinity' 'User=hello' \
	'SystemCallFilter=read' 'SystemCallFilter=~read @default' \
	> /run/systemd/system/clone-none.service
systemctl daemon-reload
CLONE_UNITS="${clone_units[*]}"
export CLONE_UNITS
expect 0 "$live_build/tests/health/test_clone"
echo "$out$err"
