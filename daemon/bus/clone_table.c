/*
 * The allow-list, in groups of properties that are treated the same way; each group has
 * their names in one string.
 */
#include "bus/clone_table.h"

#include <stddef.h>
#include <string.h>

struct group {
	struct clone_property property;
	const char *names; /* with one blank between them */
};

#define COPIED(kind_, type_, names_)                                                   \
	{                                                                              \
		{.kind = (kind_), .type = (type_)}, names_                             \
	}
#define COPIED_UNLESS(value_, type_, names_)                                           \
	{                                                                              \
		{.kind = CLONE_AS_IS,                                                  \
		 .type = (type_),                                                      \
		 .has_unset = true,                                                    \
		 .unset = (value_)},                                                   \
			names_                                                         \
	}
#define LEFT_OUT(why_, names_)                                                         \
	{                                                                              \
		{.kind = CLONE_LEAVE, .why = (why_)}, names_                           \
	}

static const struct group groups[] = {
	/* Who it is, and its surroundings. */
	COPIED(CLONE_AS_IS, "s",
	       "User Group PAMName Personality KeyringMode Slice LogNamespace"),
	COPIED(CLONE_AS_IS, "b",
	       "DynamicUser SetLoginEnvironment NoNewPrivileges IgnoreSIGPIPE"),
	COPIED(CLONE_AS_IS, "u", "UMask"),
	COPIED(CLONE_AS_IS, "as",
	       "SupplementaryGroups Environment PassEnvironment UnsetEnvironment "
	       "ExecSearchPath ImportCredential"),
	COPIED(CLONE_AS_IS, "a(sb)", "EnvironmentFiles"),
	COPIED(CLONE_AS_IS, "a(ss)",
	       "LoadCredential LoadCredentialEncrypted ImportCredentialEx"),
	COPIED(CLONE_AS_IS, "a(say)", "SetCredential SetCredentialEncrypted"),
	COPIED(CLONE_WORKING, "s", "WorkingDirectory"),

	/* What it sees of the file system. */
	COPIED(CLONE_AS_IS, "s",
	       "RootDirectory RootImage RootHashPath RootHashSignaturePath RootVerity "
	       "RootImagePolicy MountImagePolicy ExtensionImagePolicy ProtectSystem "
	       "ProtectHome ProtectProc ProcSubset"),
	COPIED(CLONE_AS_IS, "b",
	       "RootEphemeral MountAPIVFS PrivateMounts PrivateTmp PrivateDevices "
	       "ProtectControlGroups"),
	COPIED(CLONE_AS_IS, "s", "PrivateTmpEx ProtectControlGroupsEx"),
	COPIED(CLONE_AS_IS, "ay", "RootHash RootHashSignature"),
	COPIED(CLONE_AS_IS, "as",
	       "ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths "
	       "ExtensionDirectories"),
	COPIED(CLONE_AS_IS, "a(ss)", "RootImageOptions TemporaryFileSystem"),
	COPIED(CLONE_AS_IS, "a(ssbt)", "BindPaths BindReadOnlyPaths"),
	COPIED(CLONE_AS_IS, "a(ssba(ss))", "MountImages"),
	COPIED(CLONE_AS_IS, "a(sba(ss))", "ExtensionImages"),
	COPIED_UNLESS(0, "t", "MountFlags"),

	/* Its directories, see clone.c. */
	COPIED(CLONE_DIRECTORY, "as",
	       "RuntimeDirectory StateDirectory CacheDirectory LogsDirectory "
	       "ConfigurationDirectory"),
	COPIED(CLONE_SYMLINK, "a(sst)",
	       "StateDirectorySymlink CacheDirectorySymlink LogsDirectorySymlink"),
	COPIED(CLONE_AS_IS, "u",
	       "RuntimeDirectoryMode StateDirectoryMode CacheDirectoryMode "
	       "LogsDirectoryMode ConfigurationDirectoryMode"),
	COPIED(CLONE_PRESERVE, "s", "RuntimeDirectoryPreserve"),

	/* What it may do. */
	COPIED(CLONE_AS_IS, "b",
	       "LockPersonality MemoryDenyWriteExecute PrivateUsers ProtectClock "
	       "ProtectHostname ProtectKernelLogs ProtectKernelModules "
	       "ProtectKernelTunables RestrictRealtime RestrictSUIDSGID"),
	COPIED(CLONE_AS_IS, "s", "PrivateUsersEx PrivatePIDs"),
	COPIED(CLONE_AS_IS, "(ss)", "ProtectHostnameEx"),
	COPIED(CLONE_AS_IS, "t",
	       "CapabilityBoundingSet AmbientCapabilities RestrictNamespaces"),
	COPIED(CLONE_AS_IS, "i", "SecureBits SystemCallErrorNumber"),
	COPIED(CLONE_AS_IS, "as", "SystemCallArchitectures"),
	COPIED(CLONE_FILTER, "(bas)",
	       "SystemCallFilter SystemCallLog RestrictAddressFamilies "
	       "RestrictFileSystems RestrictNetworkInterfaces"),
	COPIED(CLONE_LABEL, "(bs)", "SELinuxContext AppArmorProfile SmackProcessLabel"),
	COPIED(CLONE_AS_IS, "s", "DevicePolicy"),
	COPIED(CLONE_AS_IS, "a(ss)", "DeviceAllow BPFProgram"),

	/* Its network. */
	COPIED(CLONE_AS_IS, "b", "PrivateNetwork PrivateIPC IPAccounting"),
	COPIED(CLONE_AS_IS, "s", "NetworkNamespacePath IPCNamespacePath"),
	COPIED(CLONE_AS_IS, "a(iayu)", "IPAddressAllow IPAddressDeny"),
	COPIED(CLONE_AS_IS, "as", "IPIngressFilterPath IPEgressFilterPath"),
	COPIED(CLONE_AS_IS, "a(iiqq)", "SocketBindAllow SocketBindDeny"),
	COPIED(CLONE_AS_IS, "a(iiss)", "NFTSet"),
	COPIED(CLONE_NAMESPACES, "as", "JoinsNamespaceOf"),

	/* Its limits. */
	COPIED(CLONE_AS_IS, "t",
	       "LimitCPU LimitCPUSoft LimitFSIZE LimitFSIZESoft LimitDATA "
	       "LimitDATASoft LimitSTACK LimitSTACKSoft LimitCORE LimitCORESoft "
	       "LimitRSS LimitRSSSoft LimitNOFILE LimitNOFILESoft LimitAS LimitASSoft "
	       "LimitNPROC LimitNPROCSoft LimitMEMLOCK LimitMEMLOCKSoft LimitLOCKS "
	       "LimitLOCKSSoft LimitSIGPENDING LimitSIGPENDINGSoft LimitMSGQUEUE "
	       "LimitMSGQUEUESoft LimitNICE LimitNICESoft LimitRTPRIO "
	       "LimitRTPRIOSoft LimitRTTIME LimitRTTIMESoft"),
	COPIED(CLONE_AS_IS, "b",
	       "CPUAccounting MemoryAccounting TasksAccounting IOAccounting "
	       "BlockIOAccounting MemoryKSM MemoryZSwapWriteback"),
	COPIED(CLONE_AS_IS, "t",
	       "MemoryMin MemoryLow MemoryHigh MemoryMax MemorySwapMax "
	       "DefaultMemoryLow DefaultMemoryMin TasksMax CoredumpFilter "
	       "TimerSlackNSec"),
	COPIED_UNLESS(-1, "t",
		      "MemoryLimit MemoryZSwapMax DefaultStartupMemoryLow "
		      "StartupMemoryLow StartupMemoryHigh StartupMemoryMax "
		      "StartupMemorySwapMax StartupMemoryZSwapMax CPUWeight "
		      "StartupCPUWeight CPUShares StartupCPUShares "
		      "CPUQuotaPerSecUSec CPUQuotaPeriodUSec IOWeight "
		      "StartupIOWeight BlockIOWeight StartupBlockIOWeight "
		      "ManagedOOMMemoryPressureDurationUSec"),
	COPIED(CLONE_AS_IS, "ay",
	       "AllowedCPUs StartupAllowedCPUs AllowedMemoryNodes "
	       "StartupAllowedMemoryNodes CPUAffinity NUMAMask"),
	COPIED(CLONE_AS_IS, "a(st)",
	       "IODeviceWeight IOReadBandwidthMax IOWriteBandwidthMax IOReadIOPSMax "
	       "IOWriteIOPSMax IODeviceLatencyTargetUSec BlockIODeviceWeight "
	       "BlockIOReadBandwidth BlockIOWriteBandwidth"),
	COPIED(CLONE_AS_IS, "as", "DisableControllers"),
	COPIED(CLONE_AS_IS, "b", "CPUAffinityFromNUMA CPUSchedulingResetOnFork"),
	COPIED(CLONE_AS_IS, "i", "Nice OOMScoreAdjust"),
	/* Written, these would be set even where the unit has none. */
	COPIED_UNLESS(0, "i", "CPUSchedulingPolicy CPUSchedulingPriority"),
	COPIED_UNLESS(2, "i", "IOSchedulingClass"),
	COPIED_UNLESS(4, "i", "IOSchedulingPriority"),
	COPIED_UNLESS(-1, "i", "NUMAPolicy"),
	COPIED(CLONE_AS_IS, "s",
	       "ManagedOOMSwap ManagedOOMMemoryPressure ManagedOOMPreference"),
	COPIED(CLONE_AS_IS, "u", "ManagedOOMMemoryPressureLimit"),

	LEFT_OUT("the service's symlinks to it are there",
		 "RuntimeDirectorySymlink ConfigurationDirectorySymlink"),
	LEFT_OUT("the quota is on the directory, whoever opens it",
		 "StateDirectoryAccounting CacheDirectoryAccounting "
		 "LogsDirectoryAccounting StateDirectoryQuota CacheDirectoryQuota "
		 "LogsDirectoryQuota StateDirectoryQuotaUsage CacheDirectoryQuotaUsage "
		 "LogsDirectoryQuotaUsage"),
	LEFT_OUT("gives, and takes nothing: a command needs no control groups or "
		 "namespaces of its own",
		 "Delegate DelegateControllers DelegateSubgroup DelegateNamespaces "
		 "CoredumpReceive"),
	LEFT_OUT("would end what others of the user share; DynamicUser= implies it, "
		 "and then it waits for the last of them",
		 "RemoveIPC"),
	LEFT_OUT("the command decides what runs, when and for how long",
		 "Type ExitType ExecCondition ExecConditionEx ExecStartPre "
		 "ExecStartPreEx ExecStart ExecStartEx ExecStartPost ExecStartPostEx "
		 "ExecReload ExecReloadEx ExecReloadPost ExecReloadPostEx ExecStop "
		 "ExecStopEx ExecStopPost ExecStopPostEx Restart RestartMode "
		 "RestartUSec RestartSteps RestartMaxDelayUSec RestartForceExitStatus "
		 "RestartPreventExitStatus SuccessExitStatus RemainAfterExit "
		 "GuessMainPID PIDFile BusName RootDirectoryStartOnly "
		 "TimeoutStartUSec TimeoutStopUSec TimeoutAbortUSec TimeoutCleanUSec "
		 "TimeoutStartFailureMode TimeoutStopFailureMode RuntimeMaxUSec "
		 "RuntimeRandomizedExtraUSec WatchdogUSec WatchdogSignal OOMPolicy "
		 "KillMode KillSignal RestartKillSignal FinalKillSignal ReloadSignal "
		 "SendSIGHUP SendSIGKILL SurviveFinalKillSignal RefreshOnReload "
		 "CollectMode SameProcessGroup"),
	LEFT_OUT("the service's descriptors and messages to systemd are its own",
		 "NotifyAccess FileDescriptorStoreMax FileDescriptorStorePreserve "
		 "NonBlocking OpenFile ExtraFileDescriptorNames "
		 "USBFunctionDescriptors USBFunctionStrings MemoryPressureWatch "
		 "MemoryPressureThresholdUSec"),
	LEFT_OUT("the command has its own input, output and messages",
		 "StandardInput StandardOutput StandardError StandardInputData "
		 "StandardInputFileDescriptorName StandardOutputFileDescriptorName "
		 "StandardErrorFileDescriptorName TTYPath TTYReset TTYVHangup "
		 "TTYVTDisallocate TTYRows TTYColumns UtmpIdentifier UtmpMode "
		 "SyslogIdentifier SyslogFacility SyslogLevel SyslogLevelPrefix "
		 "SyslogPriority LogLevelMax LogExtraFields LogFilterPatterns "
		 "LogRateLimitIntervalUSec LogRateLimitBurst DebugInvocation"),
	LEFT_OUT("a name of the unit, or where it is read from",
		 "Id Names Following Description Documentation FragmentPath SourcePath "
		 "DropInPaths LoadState LoadError UnitFileState UnitFilePreset "
		 "NeedDaemonReload Transient Perpetual InvocationID "
		 "AccessSELinuxContext"),
	LEFT_OUT("dependencies concern the start of the service",
		 "Requires Requisite Wants BindsTo PartOf Upholds RequiredBy "
		 "RequisiteOf WantedBy BoundBy UpheldBy ConsistsOf Conflicts "
		 "ConflictedBy Before After OnFailure OnFailureOf OnSuccess "
		 "OnSuccessOf OnFailureJobMode OnSuccessJobMode Triggers TriggeredBy "
		 "PropagatesReloadTo ReloadPropagatedFrom PropagatesStopTo "
		 "StopPropagatedFrom SliceOf RequiresMountsFor WantsMountsFor "
		 "DefaultDependencies Conditions Asserts StopWhenUnneeded "
		 "RefuseManualStart RefuseManualStop AllowIsolate IgnoreOnIsolate "
		 "Refs"),
	LEFT_OUT("a command does not take part in the service's starts and ends",
		 "StartLimitIntervalUSec StartLimitBurst StartLimitAction "
		 "FailureAction FailureActionExitStatus SuccessAction "
		 "SuccessActionExitStatus RebootArgument JobTimeoutUSec "
		 "JobTimeoutAction JobTimeoutRebootArgument JobRunningTimeoutUSec"),
	LEFT_OUT("not a setting: the state of the service",
		 "ActiveState SubState FreezerState Job Markers ActivationDetails "
		 "CanStart CanStop CanReload CanIsolate CanClean CanFreeze "
		 "CanLiveMount ConditionResult ConditionTimestamp "
		 "ConditionTimestampMonotonic AssertResult AssertTimestamp "
		 "AssertTimestampMonotonic StateChangeTimestamp "
		 "StateChangeTimestampMonotonic InactiveExitTimestamp "
		 "InactiveExitTimestampMonotonic ActiveEnterTimestamp "
		 "ActiveEnterTimestampMonotonic ActiveExitTimestamp "
		 "ActiveExitTimestampMonotonic InactiveEnterTimestamp "
		 "InactiveEnterTimestampMonotonic Result ReloadResult CleanResult "
		 "LiveMountResult StatusText StatusErrno StatusBusError "
		 "StatusVarlinkError MainPID MainPIDId ControlPID ControlPIDId UID "
		 "GID NRestarts RestartUSecNext NFileDescriptorStore ControlGroup "
		 "ControlGroupId ExecMainPID ExecMainCode ExecMainStatus "
		 "ExecMainStartTimestamp ExecMainStartTimestampMonotonic "
		 "ExecMainExitTimestamp ExecMainExitTimestampMonotonic "
		 "ExecMainHandoffTimestamp ExecMainHandoffTimestampMonotonic "
		 "WatchdogTimestamp WatchdogTimestampMonotonic"),
	LEFT_OUT("not a setting: what the service has used",
		 "CPUUsageNSec MemoryCurrent MemoryPeak MemorySwapCurrent "
		 "MemorySwapPeak MemoryZSwapCurrent MemoryAvailable TasksCurrent "
		 "IPIngressBytes IPIngressPackets IPEgressBytes IPEgressPackets "
		 "IOReadBytes IOReadOperations IOWriteBytes IOWriteOperations "
		 "EffectiveCPUs EffectiveMemoryNodes EffectiveMemoryMax "
		 "EffectiveMemoryHigh EffectiveTasksMax OOMKills ManagedOOMKills"),
};

static bool has_word(const char *words, const char *word)
{
	const size_t length = strlen(word);

	for (const char *p = words; length > 0 && (p = strstr(p, word)); p += length)
		if ((p == words || p[-1] == ' ') &&
		    (p[length] == ' ' || p[length] == '\0'))
			return true;
	return false;
}

const struct clone_property *clone_table_find(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (has_word(groups[i].names, name))
			return &groups[i].property;
	return NULL;
}
