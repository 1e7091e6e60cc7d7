#include "bus/unit_properties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"

#define PROPERTIES	   "org.freedesktop.DBus.Properties"
#define QUERY_TIMEOUT_MSEC 5000
#define EXEC_COMMAND	   "(sasbttttuii)" /* org.freedesktop.systemd1(5) */

/* --- all of them ------------------------------------------------------------------ */

int unit_properties_call(struct unit_request *request, const char *unit,
			 sd_bus_message_handler_t on_reply)
{
	cleanup_free char *path = NULL;
	sd_bus_message *message;
	int r;

	/* systemd loads a unit whose object is read, and says so of a missing one. */
	r = sd_bus_path_encode(UNITS_PATH "/unit", unit, &path);
	if (r < 0)
		return r;
	r = units_new_call_at(request->units, path, PROPERTIES, "GetAll", &message);
	if (r < 0)
		return r;
	/* Of all interfaces, so that what is read is of one moment. */
	r = sd_bus_message_append(message, "s", "");
	if (r < 0) {
		sd_bus_message_unref(message);
		return r;
	}
	return unit_request_call(request, message, on_reply);
}

static int each(sd_bus_message *message, unit_property_fn take, void *userdata)
{
	const char *name;
	int r = sd_bus_message_enter_container(message, 'a', "{sv}");

	while (r >= 0) {
		r = sd_bus_message_enter_container(message, 'e', "sv");
		if (r == 0)
			return sd_bus_message_exit_container(message);
		if (r >= 0)
			r = sd_bus_message_read(message, "s", &name);
		if (r >= 0)
			r = take(name, message, userdata);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r;
}

int unit_properties_each(sd_bus_message *reply, unit_property_fn take, void *userdata)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	if (error)
		return units_is_break(error) ? -ENOTCONN
					     : -sd_bus_error_get_errno(error);
	return each(reply, take, userdata);
}

int unit_properties_each_changed(sd_bus_message *signal, unit_property_fn take,
				 void *userdata)
{
	int r = sd_bus_message_skip(signal, "s"); /* the interface */

	return r < 0 ? r : each(signal, take, userdata);
}

int unit_properties_text(sd_bus_message *value, char *ret_text, size_t size)
{
	const char *text;
	int r = sd_bus_message_read(value, "v", "s", &text);

	if (r < 0)
		return r;
	if (strlen(text) >= size)
		return -ENOBUFS;
	(void)snprintf(ret_text, size, "%s", text);
	return 0;
}

int unit_properties_match(struct units *units, const char *unit,
			  sd_bus_message_handler_t handler,
			  sd_bus_message_handler_t on_installed, void *userdata,
			  sd_bus_slot **ret_slot)
{
	cleanup_free char *path = NULL;
	int r = sd_bus_path_encode(UNITS_PATH "/unit", unit, &path);

	if (r < 0)
		return r;
	if (!units->ready)
		return -ENOTCONN;
	return sd_bus_match_signal_async(
		units->bus, ret_slot, units->direct ? NULL : UNITS_DESTINATION, path,
		PROPERTIES, "PropertiesChanged", handler, on_installed, userdata);
}

/* --- those that are kept ---------------------------------------------------------- */

/* A property that is kept, and where. */
struct property {
	const char *name;
	char type;
	size_t offset;
	size_t size;
};

#define PROPERTY(name_, type_, member_)                                                \
	{                                                                              \
		name_, type_, offsetof(struct unit_properties, member_),               \
			sizeof(((struct unit_properties *)0)->member_)                 \
	}

static const struct property properties[] = {
	PROPERTY("ActiveEnterTimestamp", 't', state.active_enter_usec),
	PROPERTY("ActiveEnterTimestampMonotonic", 't', state.active_enter_mono_usec),
	PROPERTY("ActiveExitTimestampMonotonic", 't', state.active_exit_mono_usec),
	PROPERTY("ActiveState", 's', state.active_state),
	PROPERTY("ConditionResult", 'b', condition_result),
	PROPERTY("ExecMainCode", 'i', state.exec_main_code),
	PROPERTY("ExecMainPID", 'u', state.exec_main_pid),
	PROPERTY("ExecMainStatus", 'i', state.exec_main_status),
	PROPERTY("InactiveEnterTimestampMonotonic", 't', inactive_enter_mono_usec),
	PROPERTY("InactiveExitTimestampMonotonic", 't', inactive_exit_mono_usec),
	PROPERTY("KillMode", 's', state.kill_mode),
	PROPERTY("LoadState", 's', state.load_state),
	PROPERTY("MainPID", 'u', state.main_pid),
	PROPERTY("MemoryMax", 't', state.memory_max),
	PROPERTY("NRestarts", 'u', state.n_restarts),
	PROPERTY("NeedDaemonReload", 'b', state.need_daemon_reload),
	PROPERTY("RemainAfterExit", 'b', remain_after_exit),
	PROPERTY("Result", 's', state.result),
	PROPERTY("SendSIGKILL", 'b', state.send_sigkill),
	PROPERTY("SubState", 's', state.sub_state),
	PROPERTY("TimeoutStopUSec", 't', timeout_stop_usec),
	PROPERTY("Type", 's', service_type),
	PROPERTY("UnitFileState", 's', state.unit_file_state),
	PROPERTY("WorkingDirectory", 's', state.working_dir),
};

static int read_value(sd_bus_message *message, const struct property *property,
		      struct unit_properties *ret)
{
	char type[2] = {property->type, '\0'};
	void *at = (char *)ret + property->offset;
	const char *text;
	int truth, r;

	switch (property->type) {
	case 's':
		r = sd_bus_message_read(message, "v", type, &text);
		if (r >= 0)
			(void)snprintf(at, property->size, "%s", text);
		return r;
	case 'b':
		r = sd_bus_message_read(message, "v", type, &truth);
		if (r >= 0)
			*(bool *)at = truth;
		return r;
	default:
		return sd_bus_message_read(message, "v", type, at);
	}
}

/* The job that is pending, "/" when none is. */
static int read_job(sd_bus_message *message, struct unit_properties *ret)
{
	const char *path;
	uint32_t id;
	int r;

	r = sd_bus_message_read(message, "v", "(uo)", &id, &path);
	if (r >= 0 && id != 0)
		(void)snprintf(ret->job, sizeof(ret->job), "%s", path);
	return r;
}

static int count_commands(sd_bus_message *message, struct unit_properties *ret)
{
	int r = sd_bus_message_enter_container(message, 'v', "a" EXEC_COMMAND);

	if (r >= 0)
		r = sd_bus_message_enter_container(message, 'a', EXEC_COMMAND);
	while (r >= 0 && sd_bus_message_at_end(message, 0) == 0) {
		r = sd_bus_message_skip(message, EXEC_COMMAND);
		ret->n_stop_commands++;
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_triggers(sd_bus_message *message, struct unit_properties *ret)
{
	int r = sd_bus_message_enter_container(message, 'v', "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(message, 'a', "s");
	while (r >= 0 && sd_bus_message_at_end(message, 0) == 0) {
		r = sd_bus_message_skip(message, "s");
		ret->state.may_rest = true;
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_invocation(sd_bus_message *message, struct unit_properties *ret)
{
	const unsigned char *bytes = NULL;
	size_t n = 0;
	int r = sd_bus_message_enter_container(message, 'v', "ay");

	if (r >= 0)
		r = sd_bus_message_read_array(message, 'y', (const void **)&bytes, &n);
	for (size_t i = 0; r >= 0 && n == 16 && i < n; i++)
		(void)snprintf(ret->state.invocation_id + 2 * i, 3, "%02x", bytes[i]);
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int take_property(const char *name, sd_bus_message *value, void *userdata)
{
	struct unit_properties *ret = userdata;

	if (strcmp(name, "Job") == 0)
		return read_job(value, ret);
	if (strcmp(name, "InvocationID") == 0)
		return read_invocation(value, ret);
	if (strcmp(name, "TriggeredBy") == 0)
		return read_triggers(value, ret);
	if (strcmp(name, "ExecStop") == 0 || strcmp(name, "ExecStopPost") == 0)
		return count_commands(value, ret);
	/* Cut short it would be the path of another one. */
	if (strcmp(name, "ControlGroup") == 0)
		return unit_properties_text(value, ret->state.control_group,
					    sizeof(ret->state.control_group));
	for (size_t i = 0; i < sizeof(properties) / sizeof(*properties); i++)
		if (strcmp(name, properties[i].name) == 0)
			return read_value(value, &properties[i], ret);
	return sd_bus_message_skip(value, "v");
}

/* --- a reading, for a request ---------------------------------------------------- */

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_request *request = userdata;
	struct unit_reader *reader = request->reader;
	int r;

	(void)ret;
	unit_request_drop_call(request);
	r = unit_properties_each(reply, take_property, &reader->properties);
	if (strcmp(reader->properties.service_type, "oneshot") == 0)
		reader->properties.state.may_rest = true;
	reader->done(reader, r < 0 ? r : 0);
	return 0;
}

int unit_reader_start(struct unit_reader *reader, struct unit_request *request,
		      const char *unit,
		      void (*done)(struct unit_reader *reader, int error))
{
	int r;

	memset(&reader->properties, 0, sizeof(reader->properties));
	reader->request = request;
	reader->done = done;
	r = unit_properties_call(request, unit, on_properties);
	request->reader = reader;
	return r;
}

/* --- the question of others ------------------------------------------------------ */

struct unit_query {
	struct unit_request request;
	struct unit_reader reader;
	int error;
	unit_state_fn done;
	void *userdata;
};

static struct unit_query *query_of(struct unit_request *request)
{
	return (struct unit_query *)request; /* the first member */
}

static void query_end(struct unit_request *request)
{
	struct unit_query *query = query_of(request);

	if (!request->forgotten)
		query->done(query->userdata, query->error,
			    &query->reader.properties.state);
	free(query);
}

static void query_fail(struct unit_request *request, int error)
{
	struct unit_query *query = query_of(request);

	memset(&query->reader.properties, 0, sizeof(query->reader.properties));
	query->error = error;
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

static const struct unit_request_type patient_query_type = {
	.patient = true,
	.on_lost = query_lost,
	.on_deadline = query_late,
	.on_closing = query_lost,
	.end = query_end,
};

static void on_query_read(struct unit_reader *reader, int error)
{
	if (error < 0)
		query_fail(reader->request, error);
	else
		unit_request_end(reader->request);
}

static struct unit_query *start_query(struct units *units, const char *unit,
				      const struct unit_request_type *type,
				      unit_state_fn done, void *userdata)
{
	struct unit_query *query = calloc(1, sizeof(*query));
	int r;

	if (!query)
		return NULL;
	query->done = done;
	query->userdata = userdata;
	unit_request_init(&query->request, type, units, QUERY_TIMEOUT_MSEC);
	r = unit_reader_start(&query->reader, &query->request, unit, on_query_read);
	if (r < 0)
		query_fail(&query->request, r);
	return query;
}

struct unit_query *units_query(struct units *units, const char *unit,
			       unit_state_fn done, void *userdata)
{
	return start_query(units, unit, &query_type, done, userdata);
}

struct unit_query *units_query_patiently(struct units *units, const char *unit,
					 unit_state_fn done, void *userdata)
{
	return start_query(units, unit, &patient_query_type, done, userdata);
}

void unit_query_cancel(struct unit_query *query)
{
	if (query)
		unit_request_forget(&query->request);
}
