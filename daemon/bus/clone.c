/*
 * Copies a unit's properties into those of a transient one. A property that is read in
 * a different form than it is set in is converted; if that is impossible, it is refused
 * by name.
 */
#include "bus/clone.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "bus/clone_table.h"
#include "bus/unit_properties.h"
#include "bus/unit_request.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"

/* Other copies of the unit also share its namespaces, and systemd lists both sides. */
#define OWN_UNITS "deployd-"

#define TRY(call)                                                                      \
	do {                                                                           \
		int try_r = (call);                                                    \
                                                                                       \
		if (try_r < 0)                                                         \
			return try_r;                                                  \
	} while (0)

#define QUERY_TIMEOUT_MSEC 5000

#define N_DIRECTORIES 5

static const struct directories {
	const char *name, *symlinks, *variable, *prefix;
	bool can_be_private; /* below prefix/private, with DynamicUser= */
} directories[N_DIRECTORIES] = {
	{"RuntimeDirectory", "RuntimeDirectorySymlink", "RUNTIME_DIRECTORY", "/run",
	 true},
	{"StateDirectory", "StateDirectorySymlink", "STATE_DIRECTORY", "/var/lib",
	 true},
	{"CacheDirectory", "CacheDirectorySymlink", "CACHE_DIRECTORY", "/var/cache",
	 true},
	{"LogsDirectory", "LogsDirectorySymlink", "LOGS_DIRECTORY", "/var/log", true},
	{"ConfigurationDirectory", "ConfigurationDirectorySymlink",
	 "CONFIGURATION_DIRECTORY", "/etc", false},
};

struct cloning {
	sd_bus_message *message;
	const char *unit;
	const struct release_path *paths; /* NULL = none */
	char load_state[32];
	char preserve[32];
	bool has_user, dynamic_user;
	char **directories[N_DIRECTORIES]; /* owned */
	struct errinfo *ei;
};

static int refuse(const struct cloning *cloning, const char *name, const char *why)
{
	char shown[128];

	return errinfo_refuse(
		cloning->ei, RESULT_FAILED,
		"cannot run a command in a copy of %s: %s= %s; take it "
		"out of the unit, or use health checks of type http or tcp",
		cloning->unit, names_escape(name, shown, sizeof(shown)), why);
}

/* --- facts that are needed before anything is copied -------------------------------
 */

static int take_fact(const char *name, sd_bus_message *value, void *userdata)
{
	struct cloning *cloning = userdata;
	const char *text;
	int truth;

	if (strcmp(name, "LoadState") == 0)
		return unit_properties_text(value, cloning->load_state,
					    sizeof(cloning->load_state));
	if (strcmp(name, "RuntimeDirectoryPreserve") == 0)
		return unit_properties_text(value, cloning->preserve,
					    sizeof(cloning->preserve));
	if (strcmp(name, "User") == 0) {
		TRY(sd_bus_message_read(value, "v", "s", &text));
		cloning->has_user = text[0] != '\0';
		return 0;
	}
	if (strcmp(name, "DynamicUser") == 0) {
		TRY(sd_bus_message_read(value, "v", "b", &truth));
		cloning->dynamic_user = truth;
		return 0;
	}
	for (size_t i = 0; i < N_DIRECTORIES; i++) {
		if (strcmp(name, directories[i].name) != 0)
			continue;
		TRY(sd_bus_message_enter_container(value, 'v', "as"));
		TRY(sd_bus_message_read_strv(value, &cloning->directories[i]));
		return sd_bus_message_exit_container(value);
	}
	return sd_bus_message_skip(value, "v");
}

/* --- RuntimeDirectory, StateDirectory and the like ----------------------------------
 */

/*
 * A copy with these settings would reset the directories' mode and owner when it
 * starts, whatever the service has made of them, and delete a RuntimeDirectory when it
 * ends. So the copy only says where they are, and mounts them as systemd itself does.
 *
 * With DynamicUser= they are below /var/lib/private and the like, where only systemd
 * lets the user in: then the copy has the same settings as the unit. /run/private has
 * only directories that outlive the service, and a copy that also preserves them
 * deletes nothing.
 */
static bool is_private(const struct cloning *cloning, const struct directories *kind)
{
	if (!cloning->dynamic_user || !kind->can_be_private)
		return false;
	return strcmp(kind->name, "RuntimeDirectory") != 0 ||
	       strcmp(cloning->preserve, "no") != 0;
}

static bool is_private_by_name(const struct cloning *cloning, const char *name)
{
	for (size_t i = 0; i < N_DIRECTORIES; i++)
		if (strcmp(name, directories[i].name) == 0 ||
		    strcmp(name, directories[i].symlinks) == 0)
			return is_private(cloning, &directories[i]);
	return false;
}

static int append_variable(const struct cloning *cloning,
			   const struct directories *kind, char **names)
{
	cleanup_free char *text = NULL;

	for (char **p = names; *p; p++) {
		char *longer;

		if (asprintf(&longer, "%s%s%s/%s", text ? text : kind->variable,
			     text ? ":" : "=", kind->prefix, *p) < 0)
			return -ENOMEM;
		free(text);
		text = longer;
	}
	return sd_bus_message_append(cloning->message, "(sv)", "Environment", "as", 1,
				     text);
}

/* Writable, and visible even where its surroundings are not. */
static int append_mounts(const struct cloning *cloning, const struct directories *kind,
			 char **names)
{
	sd_bus_message *message = cloning->message;

	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", "BindPaths"));
	TRY(sd_bus_message_open_container(message, 'v', "a(ssbt)"));
	TRY(sd_bus_message_open_container(message, 'a', "(ssbt)"));
	for (char **p = names; *p; p++) {
		char path[PATH_MAX];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", kind->prefix, *p) >=
		    sizeof(path))
			return -ENAMETOOLONG;
		/* It may not exist: the service may have ended. */
		TRY(sd_bus_message_append(message, "(ssbt)", path, path, true,
					  (uint64_t)MS_REC));
	}
	for (int i = 0; i < 3; i++)
		TRY(sd_bus_message_close_container(message));
	return 0;
}

/* Before the unit's own: Environment= may override these, as in the service. */
static int append_directories(const struct cloning *cloning)
{
	for (size_t i = 0; i < N_DIRECTORIES; i++) {
		char **names = cloning->directories[i];

		if (!names || !names[0] || is_private(cloning, &directories[i]))
			continue;
		TRY(append_variable(cloning, &directories[i], names));
		TRY(append_mounts(cloning, &directories[i], names));
	}
	return 0;
}

/* --- the kinds ---------------------------------------------------------------------
 */

static int append_string(const struct cloning *cloning, const char *text)
{
	cleanup_free char *rewritten = NULL;

	if (!cloning->paths)
		return sd_bus_message_append(cloning->message, "s", text);
	rewritten = release_path_rewrite(cloning->paths, text);
	if (!rewritten)
		return -ENOMEM;
	return sd_bus_message_append(cloning->message, "s", rewritten);
}

/* What sd_bus_message_copy() does, with every string rewritten. */
static int append_rewritten(const struct cloning *cloning, sd_bus_message *value)
{
	sd_bus_message *message = cloning->message;
	const char *contents, *text;
	char kind;
	int r;

	if (!cloning->paths)
		return sd_bus_message_copy(message, value, true);
	while ((r = sd_bus_message_peek_type(value, &kind, &contents)) > 0) {
		if (contents) {
			TRY(sd_bus_message_enter_container(value, kind, contents));
			TRY(sd_bus_message_open_container(message, kind, contents));
			TRY(append_rewritten(cloning, value));
			TRY(sd_bus_message_close_container(message));
			TRY(sd_bus_message_exit_container(value));
		} else if (kind == 's') {
			TRY(sd_bus_message_read(value, "s", &text));
			TRY(append_string(cloning, text));
		} else {
			TRY(sd_bus_message_copy(message, value, false));
		}
	}
	return r;
}

static int append_value(const struct cloning *cloning, const char *name,
			const char *type, sd_bus_message *value)
{
	sd_bus_message *message = cloning->message;

	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", name));
	TRY(sd_bus_message_open_container(message, 'v', type));
	TRY(append_rewritten(cloning, value));
	TRY(sd_bus_message_close_container(message));
	return sd_bus_message_close_container(message);
}

static int append_number(const struct cloning *cloning, const char *name,
			 const struct clone_property *property, sd_bus_message *value)
{
	union {
		int32_t i;
		uint64_t t;
	} number = {.t = 0};
	const bool is_int = property->type[0] == 'i';

	TRY(sd_bus_message_read_basic(value, property->type[0], &number));
	if ((is_int ? number.i : (int64_t)number.t) == property->unset)
		return 0;
	if (is_int)
		return sd_bus_message_append(cloning->message, "(sv)", name, "i",
					     number.i);
	return sd_bus_message_append(cloning->message, "(sv)", name, "t", number.t);
}

static int append_text_value(const struct cloning *cloning, const char *name,
			     const char *text)
{
	sd_bus_message *message = cloning->message;

	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", name));
	TRY(sd_bus_message_open_container(message, 'v', "s"));
	TRY(append_string(cloning, text));
	TRY(sd_bus_message_close_container(message));
	return sd_bus_message_close_container(message);
}

/* "" means the default, and is not a value that can be set. */
static int append_text(const struct cloning *cloning, const char *name,
		       sd_bus_message *value)
{
	const char *text;

	TRY(sd_bus_message_read(value, "s", &text));
	return text[0] == '\0' ? 0 : append_text_value(cloning, name, text);
}

/* A new unit has an empty list anyway. */
static int append_list(const struct cloning *cloning, const char *name,
		       const char *type, sd_bus_message *value)
{
	sd_bus_message *message = cloning->message;

	TRY(sd_bus_message_enter_container(value, 'a', type + 1));
	if (sd_bus_message_at_end(value, false) == 0) {
		TRY(sd_bus_message_open_container(message, 'r', "sv"));
		TRY(sd_bus_message_append(message, "s", name));
		TRY(sd_bus_message_open_container(message, 'v', type));
		TRY(sd_bus_message_open_container(message, 'a', type + 1));
		TRY(append_rewritten(cloning, value));
		for (int i = 0; i < 3; i++)
			TRY(sd_bus_message_close_container(message));
	}
	return sd_bus_message_exit_container(value);
}

static int append_as_is(const struct cloning *cloning, const char *name,
			const struct clone_property *property, sd_bus_message *value)
{
	const char *type = property->type;

	if (property->has_unset)
		return append_number(cloning, name, property, value);
	if (strcmp(type, "s") == 0)
		return append_text(cloning, name, value);
	if (type[0] != 'a')
		return append_value(cloning, name, type, value);
	return append_list(cloning, name, type, value);
}

static int append_working(const struct cloning *cloning, const char *name,
			  sd_bus_message *value)
{
	char optional[PATH_MAX + 1];
	const char *text;

	TRY(sd_bus_message_read(value, "s", &text));
	if (text[0] == '\0')
		return 0;
	if (text[0] != '!')
		return append_text_value(cloning, name, text);
	if ((size_t)snprintf(optional, sizeof(optional), "-%s", text + 1) >=
	    sizeof(optional))
		return -ENAMETOOLONG;
	return append_text_value(cloning, name, optional);
}

static int append_label(const struct cloning *cloning, const char *name,
			sd_bus_message *value)
{
	const char *label;
	int ignored;

	TRY(sd_bus_message_read(value, "(bs)", &ignored, &label));
	if (label[0] == '\0')
		return 0;
	/* Its '-' cannot be set: if the label is refused, the copy fails. */
	if (strcmp(name, "SELinuxContext") == 0)
		return sd_bus_message_append(cloning->message, "(sv)", name, "s",
					     label);
	return sd_bus_message_append(cloning->message, "(sv)", name, "(bs)", ignored,
				     label);
}

static void free_strv(char **strv)
{
	for (size_t i = 0; strv && strv[i]; i++)
		free(strv[i]);
	free(strv);
}

static int append_names(const struct cloning *cloning, const char *name, bool allow,
			char **names)
{
	sd_bus_message *message = cloning->message;

	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", name));
	TRY(sd_bus_message_open_container(message, 'v', "(bas)"));
	TRY(sd_bus_message_open_container(message, 'r', "bas"));
	TRY(sd_bus_message_append(message, "b", allow));
	TRY(sd_bus_message_append_strv(message, names));
	for (int i = 0; i < 3; i++)
		TRY(sd_bus_message_close_container(message));
	return 0;
}

/*
 * An empty allow-list allows nothing in the unit, but setting it in a new one would
 * mean no list at all; an empty one of address families is read as "none". A systemd
 * without BPF drops every file system from its list and enforces nothing; a systemd
 * with BPF does not start a service that may open no file.
 */
static int append_filter(const struct cloning *cloning, const char *name,
			 sd_bus_message *value)
{
	char **names = NULL;
	int allow, r;

	TRY(sd_bus_message_enter_container(value, 'r', "bas"));
	TRY(sd_bus_message_read(value, "b", &allow));
	TRY(sd_bus_message_read_strv(value, &names));
	r = sd_bus_message_exit_container(value);
	if (r >= 0 && names && names[0])
		r = append_names(cloning, name, allow, names);
	else if (r >= 0 && allow && strcmp(name, "RestrictAddressFamilies") == 0)
		r = append_names(cloning, name, true, NULL);
	else if (r >= 0 && allow && strcmp(name, "RestrictFileSystems") != 0)
		r = refuse(cloning, name, "allows nothing at all");
	free_strv(names);
	return r;
}

/* /tmp, the network and the like are shared with the service, and with its peers. */
static int append_namespaces(const struct cloning *cloning, const char *name,
			     sd_bus_message *value)
{
	sd_bus_message *message = cloning->message;
	const char *other;
	int r;

	TRY(sd_bus_message_open_container(message, 'r', "sv"));
	TRY(sd_bus_message_append(message, "s", name));
	TRY(sd_bus_message_open_container(message, 'v', "as"));
	TRY(sd_bus_message_open_container(message, 'a', "s"));
	TRY(sd_bus_message_append(message, "s", cloning->unit));
	TRY(sd_bus_message_enter_container(value, 'a', "s"));
	while ((r = sd_bus_message_read(value, "s", &other)) > 0)
		if (strncmp(other, OWN_UNITS, strlen(OWN_UNITS)) != 0)
			TRY(sd_bus_message_append(message, "s", other));
	TRY(r);
	TRY(sd_bus_message_exit_container(value));
	for (int i = 0; i < 3; i++)
		TRY(sd_bus_message_close_container(message));
	return 0;
}

static int append_property(const struct cloning *cloning, const char *name,
			   const struct clone_property *property, sd_bus_message *value)
{
	switch (property->kind) {
	case CLONE_AS_IS:
		return append_as_is(cloning, name, property, value);
	case CLONE_LABEL:
		return append_label(cloning, name, value);
	case CLONE_FILTER:
		return append_filter(cloning, name, value);
	case CLONE_WORKING:
		return append_working(cloning, name, value);
	case CLONE_NAMESPACES:
		return append_namespaces(cloning, name, value);
	case CLONE_DIRECTORY:
	case CLONE_SYMLINK:
		if (is_private_by_name(cloning, name))
			return append_as_is(cloning, name, property, value);
		break;
	case CLONE_PRESERVE:
		if (is_private(cloning, &directories[0]))
			TRY(sd_bus_message_append(cloning->message, "(sv)", name, "s",
						  "yes"));
		break;
	case CLONE_LEAVE:
		break;
	}
	return sd_bus_message_skip(value, property->type);
}

/* --- what is not known -------------------------------------------------------------
 */

static bool is_off(const char *text)
{
	static const char *const off[] = {"",	     "no",	"none", "auto",
					  "default", "inherit", "all",	"off"};

	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++)
		if (strcmp(text, off[i]) == 0)
			return true;
	return false;
}

/* Reads the values to the end of the container: is any of them set? */
static int read_is_set(sd_bus_message *value, bool *set)
{
	const char *contents;
	char kind;
	int r;

	while ((r = sd_bus_message_peek_type(value, &kind, &contents)) > 0) {
		union {
			int truth;
			const char *text;
			uint64_t number;
		} basic = {.number = 0};

		if (contents) {
			TRY(sd_bus_message_enter_container(value, kind, contents));
			if (kind == 'a' && sd_bus_message_at_end(value, false) == 0)
				*set = true;
			TRY(read_is_set(value, set));
			TRY(sd_bus_message_exit_container(value));
			continue;
		}
		TRY(sd_bus_message_read_basic(value, kind, &basic));
		if ((kind == 'b' && basic.truth) ||
		    (kind == 's' && !is_off(basic.text)))
			*set = true;
	}
	return r;
}

/*
 * A property of a systemd that is newer than the table. A number may be a limit or a
 * counter, and nobody can tell which; anything else that is set may belong to the
 * sandbox.
 */
static int take_unknown(const struct cloning *cloning, const char *name,
			sd_bus_message *value)
{
	bool set = false;

	TRY(read_is_set(value, &set));
	if (set)
		return refuse(cloning, name, "is not known to this version of deployd");
	return 0;
}

static int take_property(const char *name, sd_bus_message *value, void *userdata)
{
	struct cloning *cloning = userdata;
	const struct clone_property *property = clone_table_find(name);
	const char *type;
	char kind;

	if (property && property->kind == CLONE_LEAVE)
		return sd_bus_message_skip(value, "v");
	TRY(sd_bus_message_peek_type(value, &kind, &type));
	if (kind != 'v')
		return -EBADMSG;
	if (property && strcmp(type, property->type) != 0)
		return refuse(cloning, name, "has a form that deployd does not know");
	TRY(sd_bus_message_enter_container(value, 'v', type));
	if (property)
		TRY(append_property(cloning, name, property, value));
	else
		TRY(take_unknown(cloning, name, value));
	return sd_bus_message_exit_container(value);
}

/* --- a copy ------------------------------------------------------------------------
 */

static int append(struct cloning *cloning, sd_bus_message *reply)
{
	const char *state = cloning->load_state;

	TRY(unit_properties_each(reply, take_fact, cloning));
	if (strcmp(state, "loaded") != 0) {
		(void)errinfo_refuse(
			cloning->ei, RESULT_FAILED,
			"cannot run a command for %s: systemd reports it as %s",
			cloning->unit, state[0] ? state : "unknown");
		return -ENOENT;
	}
	TRY(append_directories(cloning));
	TRY(sd_bus_message_rewind(reply, true));
	return unit_properties_each(reply, take_property, cloning);
}

int clone_append(sd_bus_message *message, sd_bus_message *reply, const char *unit,
		 const struct release_path *paths, bool *ret_has_user,
		 struct errinfo *ei)
{
	struct cloning cloning = {
		.message = message, .unit = unit, .paths = paths, .ei = ei};
	int r = append(&cloning, reply);

	for (size_t i = 0; i < N_DIRECTORIES; i++)
		free_strv(cloning.directories[i]);
	*ret_has_user = cloning.has_user;
	/* A broken connection is not a failure yet, and has no message. */
	if (r < 0 && r != -ENOTCONN && ei->what[0] == '\0')
		return errinfo_set(ei, r, "cannot read the properties of %s", unit);
	return r;
}

/* --- whether a unit can be copied: makes the copy, and drops it --------------------
 */

struct clone_query {
	struct unit_request request; /* first */
	char unit[UNIT_NAME_MAX + 1];
	struct errinfo error;
	void (*done)(void *userdata, const struct errinfo *error);
	void *userdata;
};

static struct clone_query *query_of(struct unit_request *request)
{
	return (struct clone_query *)request; /* the first member */
}

static void query_end(struct unit_request *request)
{
	struct clone_query *query = query_of(request);

	query->done(query->userdata, &query->error);
	free(query);
}

static const struct unit_request_type query_type = {
	.on_lost = unit_request_end,
	.on_deadline = unit_request_end,
	.on_closing = unit_request_end,
	.end = query_end,
};

static int on_values(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_request *request = userdata;
	struct clone_query *query = query_of(request);
	sd_bus_message *message = NULL;
	bool has_user;
	int r;

	(void)ret;
	r = units_new_call(request->units, "StartTransientUnit", &message);
	if (r >= 0)
		r = sd_bus_message_append(message, "ss", query->unit, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = clone_append(message, reply, query->unit, NULL, &has_user,
				 &query->error);
	sd_bus_message_unref(message);
	if (r >= 0 || r == -ENOENT || query->error.what[0] == '\0')
		query->error = (struct errinfo){.result = RESULT_OK};
	unit_request_end(request);
	return 0;
}

struct clone_query *
clone_query(struct units *units, const char *unit,
	    void (*done)(void *userdata, const struct errinfo *error), void *userdata)
{
	struct clone_query *query = calloc(1, sizeof(*query));

	if (!query)
		return NULL;
	(void)snprintf(query->unit, sizeof(query->unit), "%s", unit);
	query->done = done;
	query->userdata = userdata;
	unit_request_init(&query->request, &query_type, units, QUERY_TIMEOUT_MSEC);
	if (unit_properties_call(&query->request, unit, on_values) < 0)
		unit_request_end(&query->request);
	return query;
}
