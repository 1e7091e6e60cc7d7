/*
 * What a unit's next start depends on, from its properties. One whose type is not the
 * known one, of a later systemd, is passed over: what is not known is not examined.
 */
#include "bus/unit_start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/unit_properties.h"
#include "bus/unit_request.h"
#include "deploy/cleanup.h"

#define QUERY_TIMEOUT_MSEC 5000
#define HIDDEN_MAX	   256		  /* as preflight/options.h has it */
#define EXEC_COMMAND_EX	   "sasasttttuii" /* org.freedesktop.systemd1(5) */

#define TRY(call)                                                                      \
	do {                                                                           \
		int try_r = (call);                                                    \
                                                                                       \
		if (try_r < 0)                                                         \
			return try_r;                                                  \
	} while (0)

struct reading {
	struct preflight_unit unit;
	bool reload;
	size_t n_hidden, n_groups, n_made;
	char **made; /* directories that systemd makes before the start; owned */
};

static int append(char ***list, size_t *n, const char *text)
{
	char **longer = reallocarray(*list, *n + 2, sizeof(*longer));

	if (!longer)
		return -ENOMEM;
	*list = longer;
	longer[*n] = strdup(text);
	if (!longer[*n])
		return -ENOMEM;
	longer[++*n] = NULL;
	return 0;
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void unit_start_deinit(struct preflight_unit *unit)
{
	for (size_t i = 0; i < unit->n_paths; i++)
		free(unit->paths[i].path);
	free(unit->paths);
	free(unit->user);
	free(unit->group);
	free_list(unit->groups);
	free_list(unit->hidden);
	memset(unit, 0, sizeof(*unit));
}

static void reading_deinit(struct reading *reading)
{
	unit_start_deinit(&reading->unit);
	free_list(reading->made);
}

static int add_hidden(struct reading *reading, const char *path)
{
	path += *path == '-';
	path += *path == '+';
	if (path[0] != '/' || path[1] == '\0')
		return 0;
	if (reading->n_hidden == HIDDEN_MAX) {
		reading->unit.why_not = "too many mounts of its own";
		return 0;
	}
	return append(&reading->unit.hidden, &reading->n_hidden, path);
}

static int add_path(struct reading *reading, enum preflight_use use,
		    const char *setting, const char *path)
{
	struct preflight_unit *unit = &reading->unit;
	struct preflight_path *added;

	/* A name alone is looked for in directories, a pattern at the start. */
	if (path[0] != '/' || unit->n_paths == PREFLIGHT_PATHS_MAX)
		return 0;
	if (!unit->paths)
		unit->paths = calloc(PREFLIGHT_PATHS_MAX, sizeof(*unit->paths));
	if (!unit->paths)
		return -ENOMEM;
	added = &unit->paths[unit->n_paths];
	*added = (struct preflight_path){
		.use = use, .setting = setting, .path = strdup(path)};
	if (!added->path)
		return -ENOMEM;
	unit->n_paths++;
	return 0;
}

/* --- the properties ----------------------------------------------------------------
 */

struct property {
	const char *name, *signature;
	int (*take)(struct reading *reading, const struct property *property,
		    sd_bus_message *value);
	const char *text; /* for take */
	size_t offset;	  /* for take, in struct reading */
};

static int take_text(struct reading *reading, const struct property *property,
		     sd_bus_message *value)
{
	char **slot = (char **)((char *)reading + property->offset);
	const char *text;

	TRY(sd_bus_message_read(value, "s", &text));
	if (*slot || text[0] == '\0')
		return 0;
	*slot = strdup(text);
	return *slot ? 0 : -ENOMEM;
}

static int take_load_state(struct reading *reading, const struct property *property,
			   sd_bus_message *value)
{
	struct preflight_unit *unit = &reading->unit;
	const char *text;

	(void)property;
	TRY(sd_bus_message_read(value, "s", &text));
	(void)snprintf(unit->load_state, sizeof(unit->load_state), "%s", text);
	return 0;
}

static int take_reload(struct reading *reading, const struct property *property,
		       sd_bus_message *value)
{
	int truth;

	(void)property;
	TRY(sd_bus_message_read(value, "b", &truth));
	reading->unit.need_daemon_reload = truth;
	return 0;
}

/* Where it is set, nothing can be examined from outside. */
static int take_obstacle(struct reading *reading, const struct property *property,
			 sd_bus_message *value)
{
	const char *text = "";
	int truth = 0, more = 0;

	switch (property->signature[0]) {
	case 's':
		TRY(sd_bus_message_read(value, "s", &text));
		break;
	case 'b':
		TRY(sd_bus_message_read(value, "b", &truth));
		break;
	default:
		TRY(sd_bus_message_enter_container(value, 'a',
						   property->signature + 1));
		more = sd_bus_message_at_end(value, 0) == 0;
		while (sd_bus_message_at_end(value, 0) == 0)
			TRY(sd_bus_message_skip(value, property->signature + 1));
		TRY(sd_bus_message_exit_container(value));
	}
	if ((text[0] != '\0' && strcmp(text, "/") != 0) || truth || more)
		reading->unit.why_not = property->text;
	return 0;
}

static int take_groups(struct reading *reading, const struct property *property,
		       sd_bus_message *value)
{
	const char *text;
	int r;

	(void)property;
	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	while ((r = sd_bus_message_read(value, "s", &text)) > 0)
		TRY(append(&reading->unit.groups, &reading->n_groups, text));
	return r < 0 ? r : sd_bus_message_exit_container(value);
}

/* Paths at which it sees something else. */
static int take_hidden(struct reading *reading, const struct property *property,
		       sd_bus_message *value)
{
	const char *text;
	int r;

	(void)property;
	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	while ((r = sd_bus_message_read(value, "s", &text)) > 0)
		TRY(add_hidden(reading, text));
	return r < 0 ? r : sd_bus_message_exit_container(value);
}

/* Structures whose first or second text is such a path. */
static int take_mounts(struct reading *reading, const struct property *property,
		       sd_bus_message *value)
{
	const char *inner = property->signature + 1; /* "(ssbt)" */
	char fields[32];
	const char *first, *path;

	(void)snprintf(fields, sizeof(fields), "%.*s", (int)strlen(inner) - 2,
		       inner + 1);
	TRY(sd_bus_message_enter_container(value, 'a', inner));
	while (sd_bus_message_at_end(value, 0) == 0) {
		TRY(sd_bus_message_enter_container(value, 'r', fields));
		TRY(sd_bus_message_read(value, "ss", &first, &path));
		TRY(add_hidden(reading,
			       strcmp(property->text, "first") == 0 ? first : path));
		if (fields[2] != '\0')
			TRY(sd_bus_message_skip(value, fields + 2));
		TRY(sd_bus_message_exit_container(value));
	}
	return sd_bus_message_exit_container(value);
}

static int take_private_tmp(struct reading *reading, const struct property *property,
			    sd_bus_message *value)
{
	int truth;

	(void)property;
	TRY(sd_bus_message_read(value, "b", &truth));
	if (!truth)
		return 0;
	TRY(add_hidden(reading, "/tmp"));
	return add_hidden(reading, "/var/tmp");
}

static int take_protect_home(struct reading *reading, const struct property *property,
			     sd_bus_message *value)
{
	const char *text;

	(void)property;
	TRY(sd_bus_message_read(value, "s", &text));
	if (strcmp(text, "no") == 0 || strcmp(text, "read-only") == 0)
		return 0;
	TRY(add_hidden(reading, "/home"));
	TRY(add_hidden(reading, "/root"));
	return add_hidden(reading, "/run/user");
}

static int take_exec_paths(struct reading *reading, const struct property *property,
			   sd_bus_message *value)
{
	(void)property;
	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	reading->unit.exec_paths |= sd_bus_message_at_end(value, 0) == 0;
	while (sd_bus_message_at_end(value, 0) == 0)
		TRY(sd_bus_message_skip(value, "s"));
	return sd_bus_message_exit_container(value);
}

static bool is_service(const char *unit)
{
	const char *dot = strrchr(unit, '.');

	return dot && strcmp(dot, ".service") == 0;
}

static int take_dependencies(struct reading *reading, const struct property *property,
			     sd_bus_message *value)
{
	const char *text;
	int r;

	(void)property;
	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	while ((r = sd_bus_message_read(value, "s", &text)) > 0)
		reading->unit.pulls_in_services |= is_service(text);
	return r < 0 ? r : sd_bus_message_exit_container(value);
}

/* RuntimeDirectory= and the like, below the directory that text names. */
static int take_made(struct reading *reading, const struct property *property,
		     sd_bus_message *value)
{
	const char *text;
	char path[4096];
	int r;

	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	while ((r = sd_bus_message_read(value, "s", &text)) > 0) {
		(void)snprintf(path, sizeof(path), "%s/%s", property->text, text);
		TRY(append(&reading->made, &reading->n_made, path));
	}
	return r < 0 ? r : sd_bus_message_exit_container(value);
}

/* '!': it need not exist; '~': the user's home. */
static int take_working_directory(struct reading *reading,
				  const struct property *property,
				  sd_bus_message *value)
{
	const char *text;

	(void)property;
	TRY(sd_bus_message_read(value, "s", &text));
	return add_path(reading, PREFLIGHT_USE_DIRECTORY, "WorkingDirectory", text);
}

static int take_environment_files(struct reading *reading,
				  const struct property *property,
				  sd_bus_message *value)
{
	const char *path;
	int optional, r;

	(void)property;
	TRY(sd_bus_message_enter_container(value, 'a', "(sb)"));
	while ((r = sd_bus_message_read(value, "(sb)", &path, &optional)) > 0)
		if (!optional && !strpbrk(path, "*?["))
			TRY(add_path(reading, PREFLIGHT_USE_FILE, "EnvironmentFile",
				     path));
	return r < 0 ? r : sd_bus_message_exit_container(value);
}

static int read_command(struct reading *reading, const char *setting,
			sd_bus_message *value)
{
	bool privileged = false, may_fail = false;
	const char *path, *flag;
	int r;

	TRY(sd_bus_message_read(value, "s", &path));
	TRY(sd_bus_message_skip(value, "as"));
	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	while ((r = sd_bus_message_read(value, "s", &flag)) > 0) {
		may_fail |= strcmp(flag, "ignore-failure") == 0;
		privileged |= strcmp(flag, "privileged") == 0 ||
			      strcmp(flag, "no-setuid") == 0 ||
			      strcmp(flag, "ambient") == 0;
	}
	TRY(r);
	TRY(sd_bus_message_exit_container(value));
	TRY(sd_bus_message_skip(value, "ttttuii"));
	if (may_fail)
		return 0;
	return add_path(reading,
			privileged ? PREFLIGHT_USE_ROOT : PREFLIGHT_USE_COMMAND,
			setting, path);
}

static int take_commands(struct reading *reading, const struct property *property,
			 sd_bus_message *value)
{
	if (strcmp(property->text, "ExecReload") == 0 && !reading->reload)
		return sd_bus_message_skip(value, property->signature);
	TRY(sd_bus_message_enter_container(value, 'a', "(" EXEC_COMMAND_EX ")"));
	while (sd_bus_message_at_end(value, 0) == 0) {
		TRY(sd_bus_message_enter_container(value, 'r', EXEC_COMMAND_EX));
		TRY(read_command(reading, property->text, value));
		TRY(sd_bus_message_exit_container(value));
	}
	return sd_bus_message_exit_container(value);
}

#define COMMANDS(name)                                                                 \
	{                                                                              \
		name "Ex", "a(" EXEC_COMMAND_EX ")", take_commands, .text = (name)     \
	}
#define OBSTACLE(name, signature)                                                      \
	{                                                                              \
		name, signature, take_obstacle, .text = (name "=")                     \
	}
#define TEXT(name, member)                                                             \
	{                                                                              \
		name, "s", take_text, .offset = offsetof(struct reading, unit.member)  \
	}

static const struct property properties[] = {
	{"BindPaths", "a(ssbt)", take_mounts, .text = "second"},
	{"BindReadOnlyPaths", "a(ssbt)", take_mounts, .text = "second"},
	{"BindsTo", "as", take_dependencies, .text = NULL},
	{"CacheDirectory", "as", take_made, .text = "/var/cache"},
	{"ConfigurationDirectory", "as", take_made, .text = "/etc"},
	OBSTACLE("DynamicUser", "b"),
	{"EnvironmentFiles", "a(sb)", take_environment_files, .text = NULL},
	COMMANDS("ExecCondition"),
	{"ExecPaths", "as", take_exec_paths, .text = NULL},
	COMMANDS("ExecReload"),
	COMMANDS("ExecStart"),
	COMMANDS("ExecStartPost"),
	COMMANDS("ExecStartPre"),
	OBSTACLE("ExtensionDirectories", "as"),
	OBSTACLE("ExtensionImages", "a(sba(ss))"),
	TEXT("Group", group),
	{"InaccessiblePaths", "as", take_hidden, .text = NULL},
	{"LoadState", "s", take_load_state, .text = NULL},
	{"LogsDirectory", "as", take_made, .text = "/var/log"},
	{"MountImages", "a(ssba(ss))", take_mounts, .text = "second"},
	{"NeedDaemonReload", "b", take_reload, .text = NULL},
	{"PrivateTmp", "b", take_private_tmp, .text = NULL},
	{"ProtectHome", "s", take_protect_home, .text = NULL},
	{"Requires", "as", take_dependencies, .text = NULL},
	OBSTACLE("RootDirectory", "s"),
	OBSTACLE("RootImage", "s"),
	{"RuntimeDirectory", "as", take_made, .text = "/run"},
	{"StateDirectory", "as", take_made, .text = "/var/lib"},
	{"SupplementaryGroups", "as", take_groups, .text = NULL},
	{"TemporaryFileSystem", "a(ss)", take_mounts, .text = "first"},
	TEXT("User", user),
	{"Wants", "as", take_dependencies, .text = NULL},
	{"WorkingDirectory", "s", take_working_directory, .text = NULL},
};

static int take(const char *name, sd_bus_message *value, void *userdata)
{
	struct reading *reading = userdata;
	const struct property *property = NULL;
	const char *signature;

	for (size_t i = 0; i < sizeof(properties) / sizeof(*properties); i++)
		if (strcmp(name, properties[i].name) == 0)
			property = &properties[i];
	if (!property)
		return sd_bus_message_skip(value, "v");
	TRY(sd_bus_message_peek_type(value, NULL, &signature));
	if (strcmp(signature, property->signature) != 0)
		return sd_bus_message_skip(value, "v");
	TRY(sd_bus_message_enter_container(value, 'v', property->signature));
	TRY(property->take(reading, property, value));
	return sd_bus_message_exit_container(value);
}

static bool is_at_or_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/');
}

/* systemd makes them, before it goes to the working directory. */
static bool is_made(const struct reading *reading, const char *path)
{
	for (size_t i = 0; i < reading->n_made; i++)
		if (is_at_or_below(path, reading->made[i]))
			return true;
	return false;
}

static void leave_out_made(struct reading *reading)
{
	struct preflight_unit *unit = &reading->unit;
	size_t kept = 0;

	for (size_t i = 0; i < unit->n_paths; i++) {
		if (unit->paths[i].use == PREFLIGHT_USE_DIRECTORY &&
		    is_made(reading, unit->paths[i].path))
			free(unit->paths[i].path);
		else
			unit->paths[kept++] = unit->paths[i];
	}
	unit->n_paths = kept;
}

/* --- the question ------------------------------------------------------------------
 */

struct unit_start_query {
	struct unit_request request; /* first */
	struct reading reading;
	int error;
	void (*done)(void *userdata, int error, struct preflight_unit *unit);
	void *userdata;
};

static struct unit_start_query *query_of(struct unit_request *request)
{
	return (struct unit_start_query *)request; /* the first member */
}

static void query_end(struct unit_request *request)
{
	struct unit_start_query *query = query_of(request);

	if (!request->forgotten)
		query->done(query->userdata, query->error, &query->reading.unit);
	reading_deinit(&query->reading);
	free(query);
}

static void query_fail(struct unit_request *request, int error)
{
	query_of(request)->error = error;
	unit_request_end(request);
}

static void query_lost(struct unit_request *request)
{
	query_fail(request, -ENOTCONN);
}

static void query_late(struct unit_request *request)
{
	query_fail(request, -ETIMEDOUT);
}

static const struct unit_request_type query_type = {
	.on_lost = query_lost,
	.on_deadline = query_late,
	.on_closing = query_lost,
	.end = query_end,
};

static int on_values(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_request *request = userdata;
	struct unit_start_query *query = query_of(request);
	int r;

	(void)ret;
	r = unit_properties_each(reply, take, &query->reading);
	if (r >= 0)
		leave_out_made(&query->reading);
	query->error = r < 0 ? r : 0;
	unit_request_end(request);
	return 0;
}

struct unit_start_query *
unit_start_query(struct units *units, const struct unit_start_options *options,
		 void (*done)(void *userdata, int error, struct preflight_unit *unit),
		 void *userdata)
{
	struct unit_start_query *query = calloc(1, sizeof(*query));
	int r;

	if (!query)
		return NULL;
	query->done = done;
	query->userdata = userdata;
	query->reading.reload = options->reload;
	unit_request_init(&query->request, &query_type, units, QUERY_TIMEOUT_MSEC);
	r = unit_properties_call(&query->request, options->unit, on_values);
	if (r < 0)
		query_fail(&query->request, r);
	return query;
}

void unit_start_query_cancel(struct unit_start_query *query)
{
	if (query)
		unit_request_forget(&query->request);
}
