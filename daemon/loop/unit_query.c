/* Reads what systemd knows of a unit. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "loop/unit_request.h"
#include "loop/units.h"

#define QUERY_TIMEOUT_MSEC 5000

/* A property that is kept, and where. */
struct property {
	const char *name;
	char type;
	size_t offset;
	size_t size;
};

#define PROPERTY(name_, type_, member_)                                                \
	{name_, type_, offsetof(struct unit_properties, member_),                      \
	 sizeof(((struct unit_properties *)0)->member_)}

static const struct property properties[] = {
	PROPERTY("ActiveEnterTimestamp", 't', state.active_enter_usec),
	PROPERTY("ActiveEnterTimestampMonotonic", 't', state.active_enter_mono_usec),
	PROPERTY("ActiveExitTimestampMonotonic", 't', state.active_exit_mono_usec),
	PROPERTY("ActiveState", 's', state.active_state),
	PROPERTY("ConditionResult", 'b', condition_result),
	PROPERTY("ExecMainCode", 'i', state.exec_main_code),
	PROPERTY("ExecMainStatus", 'i', state.exec_main_status),
	PROPERTY("InactiveExitTimestampMonotonic", 't', inactive_exit_mono_usec),
	PROPERTY("LoadState", 's', state.load_state),
	PROPERTY("MainPID", 'u', state.main_pid),
	PROPERTY("NRestarts", 'u', state.n_restarts),
	PROPERTY("NeedDaemonReload", 'b', state.need_daemon_reload),
	PROPERTY("RemainAfterExit", 'b', remain_after_exit),
	PROPERTY("Result", 's', state.result),
	PROPERTY("SubState", 's', state.sub_state),
	PROPERTY("Type", 's', service_type),
	PROPERTY("UnitFileState", 's', state.unit_file_state),
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

static int read_property(sd_bus_message *message, struct unit_properties *ret)
{
	const char *name;
	int r;

	r = sd_bus_message_read(message, "s", &name);
	if (r < 0)
		return r;
	if (strcmp(name, "Job") == 0)
		return read_job(message, ret);
	for (size_t i = 0; i < sizeof(properties) / sizeof(*properties); i++)
		if (strcmp(name, properties[i].name) == 0)
			return read_value(message, &properties[i], ret);
	return sd_bus_message_skip(message, "v");
}

static int read_all(sd_bus_message *message, struct unit_properties *ret)
{
	int r;

	r = sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0) {
		r = sd_bus_message_enter_container(message, 'e', "sv");
		if (r <= 0)
			return r;
		r = read_property(message, ret);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r;
}

static int get_all(struct unit_reader *reader, const char *interface,
		   sd_bus_message_handler_t on_reply);

static struct unit_reader *reader_of(struct unit_request *request);

static int take_reply(struct unit_reader *reader, sd_bus_message *message)
{
	const sd_bus_error *error = sd_bus_message_get_error(message);

	if (error)
		return units_is_break(error) ? -ENOTCONN : -sd_bus_error_get_errno(error);
	return read_all(message, &reader->properties);
}
