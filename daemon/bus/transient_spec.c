/*
 * What a transient unit is made of: a fixed list of properties, never one that a client
 * or an app's file names. The unit that is cloned has to be there: without it the
 * command would run as root.
 */
#include "bus/transient_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/clone.h"
#include "bus/unit_properties.h"
#include "bus/unit_request.h"

#define SLICE "deployd-run.slice"

#define STOP_TIMEOUT_USEC (5 * UINT64_C(1000000)) /* from SIGTERM to SIGKILL */

/*
 * systemd writes a line for each start and each end, which a check that is repeated
 * would fill the journal with; "Failed to start" is one of level err. What a command
 * writes to the journal itself has the highest level that passes.
 */
#define LOG_LEVEL	3 /* err */
#define LOG_LEVEL_QUIET 2 /* crit: where nothing of a command goes to the journal */

/* For programs of ours. */
#define HARDENED_MEMORY_MAX (256 * UINT64_C(1048576))
#define HARDENED_TASKS_MAX  UINT64_C(32)

#define TRY(call)                                                                      \
	do {                                                                           \
		int try_r = (call);                                                    \
                                                                                       \
		if (try_r < 0)                                                         \
			return try_r;                                                  \
	} while (0)

/* --- the options, kept ------------------------------------------------------------ */

static int copy_text(const char *text, char **ret_text)
{
	if (!text)
		return 0;
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

static int copy_word(const char *text, const struct release_path *paths,
		     char **ret_text)
{
	if (!paths)
		return copy_text(text, ret_text);
	*ret_text = release_path_rewrite(paths, text);
	return *ret_text ? 0 : -ENOMEM;
}

static int copy_argv(const char *const *argv, const struct release_path *paths,
		     char ***ret_argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	if (n > TRANSIENT_ARGS_MAX)
		return -E2BIG;
	*ret_argv = calloc(n + 1, sizeof(**ret_argv));
	if (!*ret_argv)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		TRY(copy_word(argv[i], paths, &(*ret_argv)[i]));
	return 0;
}

static int copy(struct transient_spec *spec, const struct transient_options *options)
{
	const char *const one_group[] = {options->extra_group, NULL};
	const struct release_path release = {options->current_dir,
					     options->release_dir};
	const struct release_path *paths = options->release_dir ? &release : NULL;

	TRY(copy_text(options->description, &spec->description));
	TRY(copy_text(options->clone_of, &spec->clone_of));
	if (paths) {
		TRY(copy_text(paths->current, &spec->current_dir));
		TRY(copy_text(paths->release, &spec->release_dir));
	}
	TRY(copy_text(options->user, &spec->user));
	TRY(copy_text(options->group, &spec->group));
	TRY(copy_argv(options->extra_groups ? options->extra_groups : one_group, NULL,
		      &spec->extra_groups));
	TRY(copy_text(options->network_of, &spec->network_of));
	TRY(copy_argv(options->argv, paths, &spec->argv));
	if (options->argv_before)
		TRY(copy_argv(options->argv_before, paths, &spec->argv_before));
	TRY(copy_text(options->stdout_path, &spec->stdout_path));
	return copy_text(options->stderr_path, &spec->stderr_path);
}

int transient_spec_init(struct transient_spec *spec,
			const struct transient_options *options, struct errinfo *ei)
{
	static unsigned int counter;
	int n, r;

	memset(spec, 0, sizeof(*spec));
	spec->harden = options->harden;
	spec->sees_homes = options->sees_homes;
	spec->ambient = options->ambient;
	spec->file_bytes_max = options->file_bytes_max;
	spec->timeout_ms = options->timeout_ms;
	spec->endless = options->endless;

	/* The pid: one that an earlier deployd process started may still run. */
	n = snprintf(spec->unit, sizeof(spec->unit), "%s-%d-%u.service", options->name,
		     (int)getpid(), counter++);
	if (n < 0 || (size_t)n >= sizeof(spec->unit) || !names_unit_valid(spec->unit))
		return errinfo_set(ei, EINVAL, "cannot name a unit");
	if (!options->argv[0] || options->argv[0][0] != '/')
		return errinfo_set(ei, EINVAL, "a command needs an absolute path");
	if (!options->clone_of && !options->user)
		return errinfo_set(ei, EINVAL, "a command needs a user");
	r = copy(spec, options);
	if (r < 0)
		return errinfo_set(ei, r, "cannot prepare %s", spec->unit);
	return 0;
}

static void free_argv(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}

void transient_spec_deinit(struct transient_spec *spec)
{
	free_argv(spec->argv);
	free_argv(spec->argv_before);
	free(spec->description);
	free(spec->clone_of);
	free(spec->current_dir);
	free(spec->release_dir);
	free(spec->user);
	free(spec->group);
	free_argv(spec->extra_groups);
	free(spec->network_of);
	free(spec->stdout_path);
	free(spec->stderr_path);
	memset(spec, 0, sizeof(*spec));
}

/* --- what is read of other units ---------------------------------------------------
 */

struct network_reading {
	struct transient_network *network;
	char load_state[32];
};

static int take_network(const char *name, sd_bus_message *value, void *userdata)
{
	struct network_reading *reading = userdata;
	int truth;

	if (strcmp(name, "LoadState") == 0)
		return unit_properties_text(value, reading->load_state,
					    sizeof(reading->load_state));
	if (strcmp(name, "NetworkNamespacePath") == 0)
		return unit_properties_text(value, reading->network->path,
					    sizeof(reading->network->path));
	if (strcmp(name, "PrivateNetwork") != 0)
		return sd_bus_message_skip(value, "v");
	TRY(sd_bus_message_read(value, "v", "b", &truth));
	reading->network->private_network = truth;
	return 0;
}

static int not_loaded(const char *unit, const char *load_state, struct errinfo *ei)
{
	return errinfo_refuse(ei, RESULT_FAILED,
			      "cannot run a command for %s: systemd reports it as %s",
			      unit, load_state[0] ? load_state : "unknown");
}

/* A break is no failure yet, and has no words. */
static int not_read(const char *unit, int error, struct errinfo *ei)
{
	if (error == -ENOTCONN)
		return error;
	return errinfo_set(ei, error, "cannot read the properties of %s", unit);
}

int transient_spec_read_network(const struct transient_spec *spec,
				sd_bus_message *reply,
				struct transient_network *ret_network,
				struct errinfo *ei)
{
	struct network_reading reading = {.network = ret_network};
	int r;

	memset(ret_network, 0, sizeof(*ret_network));
	r = unit_properties_each(reply, take_network, &reading);
	if (r < 0)
		return not_read(spec->network_of, r, ei);
	if (strcmp(reading.load_state, "loaded") != 0)
		return not_loaded(spec->network_of, reading.load_state, ei);
	return 0;
}

/* --- the properties -----------------------------------------------------------------
 */

static int add_groups(sd_bus_message *message, char **groups)
{
	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", "SupplementaryGroups"));
	TRY(sd_bus_message_open_container(message, 'v', "as"));
	TRY(sd_bus_message_append_strv(message, groups));
	TRY(sd_bus_message_close_container(message));
	return sd_bus_message_close_container(message);
}

static int add_identity(const struct transient_spec *spec, sd_bus_message *message,
			sd_bus_message *clone, struct errinfo *ei)
{
	const struct release_path paths = {spec->current_dir, spec->release_dir};
	bool has_user = false;

	if (clone)
		TRY(clone_append(message, clone, spec->clone_of,
				 spec->release_dir ? &paths : NULL, &has_user, ei));
	if (has_user)
		return 0;
	if (!spec->user)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "a command for %s would run as root: set User= "
				      "in its unit",
				      spec->clone_of);
	TRY(sd_bus_message_append(message, "(sv)", "User", "s", spec->user));
	if (spec->group)
		TRY(sd_bus_message_append(message, "(sv)", "Group", "s", spec->group));
	return spec->extra_groups[0] ? add_groups(message, spec->extra_groups) : 0;
}

/*
 * A word of ExecStart= that stands for the text. It is not ExecStartEx with
 * no-env-expand: that is written to the unit's file by a name that systemd 252 does not
 * read back, and after a daemon-reload the unit is one with a bad setting, which can be
 * neither referenced nor released.
 */
static int add_word(sd_bus_message *message, const char *text)
{
	char *escaped, *out;
	size_t length;
	int r;

	length = strlen(text);
	for (const char *p = text; *p; p++)
		length += *p == '$';
	r = sd_bus_message_append_string_space(message, length, &escaped);
	if (r < 0)
		return r;
	out = escaped;
	for (const char *p = text; *p; p++) {
		if (*p == '$')
			*out++ = '$';
		*out++ = *p;
	}
	return 0;
}

static int add_command(sd_bus_message *message, const char *property, char **argv,
		       bool may_fail)
{
	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", property));
	TRY(sd_bus_message_open_container(message, 'v', "a(sasb)"));
	TRY(sd_bus_message_open_container(message, 'a', "(sasb)"));
	TRY(sd_bus_message_open_container(message, 'r', "sasb"));
	TRY(sd_bus_message_append(message, "s", argv[0]));
	TRY(sd_bus_message_open_container(message, 'a', "s"));
	for (size_t i = 0; argv[i]; i++)
		TRY(add_word(message, argv[i]));
	TRY(sd_bus_message_close_container(message));
	TRY(sd_bus_message_append(message, "b", may_fail));
	for (int i = 0; i < 4; i++)
		TRY(sd_bus_message_close_container(message));
	return 0;
}

static int add_commands(const struct transient_spec *spec, sd_bus_message *message)
{
	if (spec->argv_before)
		TRY(add_command(message, "ExecStartPre", spec->argv_before, true));
	return add_command(message, "ExecStart", spec->argv, false);
}

static int add_life(const struct transient_spec *spec, sd_bus_message *message)
{
	uint64_t usec = spec->timeout_ms * 1000;
	int level = spec->harden || spec->stderr_path ? LOG_LEVEL_QUIET : LOG_LEVEL;

	/* A copy is where the unit is, within the limits of its slice. */
	if (!spec->clone_of)
		TRY(sd_bus_message_append(message, "(sv)", "Slice", "s", SLICE));
	if (spec->file_bytes_max > 0)
		TRY(sd_bus_message_append(message, "(sv)", "LimitFSIZE", "t",
					  spec->file_bytes_max));
	/* Type=exec: that it cannot be executed is a failure of the start. */
	return sd_bus_message_append(
		message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
		spec->description ? spec->description : spec->unit, "CollectMode", "s",
		"inactive-or-failed", "AddRef", "b", 1, "Type", "s", "exec", "KillMode",
		"s", "control-group", "TimeoutStartUSec", "t", usec, "RuntimeMaxUSec",
		"t", spec->endless ? UINT64_MAX : usec, "TimeoutStopUSec", "t",
		STOP_TIMEOUT_USEC, "LogLevelMax", "i", level, "SyslogLevel", "i",
		level);
}

static int add_stdio(const struct transient_spec *spec, sd_bus_message *message)
{
	const struct {
		const char *file, *path, *setting, *otherwise;
	} stdio[] = {
		{"StandardOutputFile", spec->stdout_path, "StandardOutput", "null"},
		{"StandardErrorFile", spec->stderr_path, "StandardError", "journal"},
	};

	TRY(sd_bus_message_append(message, "(sv)", "StandardInput", "s", "null"));
	for (size_t i = 0; i < sizeof(stdio) / sizeof(*stdio); i++) {
		if (stdio[i].path)
			TRY(sd_bus_message_append(message, "(sv)", stdio[i].file, "s",
						  stdio[i].path));
		else
			TRY(sd_bus_message_append(message, "(sv)", stdio[i].setting,
						  "s", stdio[i].otherwise));
	}
	return 0;
}

static int add_network(const struct transient_spec *spec, sd_bus_message *message,
		       const struct transient_network *network)
{
	if (!network)
		return 0;
	if (network->path[0] != '\0')
		return sd_bus_message_append(message, "(sv)", "NetworkNamespacePath",
					     "s", network->path);
	if (!network->private_network)
		return 0;
	return sd_bus_message_append(message, "(sv)(sv)", "PrivateNetwork", "b", 1,
				     "JoinsNamespaceOf", "as", 1, spec->network_of);
}

static int add_protection(const struct transient_spec *spec, sd_bus_message *message)
{
	TRY(sd_bus_message_append(
		message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "CapabilityBoundingSet",
		"t", spec->ambient, "AmbientCapabilities", "t", spec->ambient,
		"NoNewPrivileges", "b", 1, "ProtectSystem", "s", "strict",
		"ProtectHome", "s", spec->sees_homes ? "read-only" : "yes",
		"ProtectControlGroups", "b", 1, "ProtectKernelTunables", "b", 1,
		"KeyringMode", "s", "private"));
	TRY(sd_bus_message_append(message, "(sv)(sv)(sv)(sv)(sv)", "RestrictNamespaces",
				  "t", UINT64_C(0), "RestrictSUIDSGID", "b", 1,
				  "RestrictRealtime", "b", 1, "LockPersonality", "b", 1,
				  "MemoryDenyWriteExecute", "b", 1));
	TRY(sd_bus_message_append(message, "(sv)(sv)(sv)(sv)", "MemoryMax", "t",
				  HARDENED_MEMORY_MAX, "TasksMax", "t",
				  HARDENED_TASKS_MAX, "LimitCORE", "t", UINT64_C(0),
				  "UMask", "u", UINT32_C(0077)));
	/* seccomp: the programs lock themselves in further. */
	TRY(sd_bus_message_append(message, "(sv)(sv)(sv)", "SystemCallArchitectures",
				  "as", 1, "native", "SystemCallFilter", "(bas)", 1, 2,
				  "@system-service", "seccomp", "SystemCallErrorNumber",
				  "i", EPERM));
	if (!spec->network_of)
		return sd_bus_message_append(message, "(sv)(sv)", "PrivateNetwork", "b",
					     1, "RestrictAddressFamilies", "(bas)", 1,
					     1, "AF_UNIX");
	/* AF_NETLINK: what getaddrinfo() asks for the machine's own addresses. */
	return sd_bus_message_append(message, "(sv)", "RestrictAddressFamilies",
				     "(bas)", 1, 4, "AF_UNIX", "AF_INET", "AF_INET6",
				     "AF_NETLINK");
}

static int add_properties(const struct transient_spec *spec, sd_bus_message *message,
			  sd_bus_message *clone,
			  const struct transient_network *network, struct errinfo *ei)
{
	TRY(sd_bus_message_append(message, "ss", spec->unit, "fail"));
	TRY(sd_bus_message_open_container(message, 'a', "(sv)"));
	TRY(add_life(spec, message));
	TRY(add_identity(spec, message, clone, ei));
	TRY(add_stdio(spec, message));
	TRY(add_network(spec, message, network));
	if (spec->harden)
		TRY(add_protection(spec, message));
	TRY(add_commands(spec, message));
	TRY(sd_bus_message_close_container(message));
	return sd_bus_message_append(message, "a(sa(sv))", 0); /* no other units */
}

int transient_spec_fill(const struct transient_spec *spec, sd_bus_message *message,
			sd_bus_message *clone, const struct transient_network *network,
			struct errinfo *ei)
{
	int r = add_properties(spec, message, clone, network, ei);

	if (r < 0 && r != -ENOTCONN && ei->what[0] == '\0')
		return errinfo_set(ei, r, "cannot ask systemd to start %s", spec->unit);
	return r;
}
