/* All properties of a unit, and the signals about them. */
#include "bus/unit_values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/unit_request.h"
#include "deploy/cleanup.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

int unit_values_call(struct unit_request *request, const char *unit,
		     sd_bus_message_handler_t on_reply)
{
	cleanup_free char *path = NULL;
	sd_bus_message *message;
	int r;

	r = sd_bus_path_encode(UNITS_PATH "/unit", unit, &path);
	if (r < 0)
		return r;
	r = units_new_call_at(request->units, path, PROPERTIES, "GetAll", &message);
	if (r < 0)
		return r;
	/* Of all interfaces. */
	r = sd_bus_message_append(message, "s", "");
	if (r < 0) {
		sd_bus_message_unref(message);
		return r;
	}
	return unit_request_call(request, message, on_reply);
}

int unit_values_each(sd_bus_message *reply,
		     int (*take)(const char *name, sd_bus_message *value,
				 void *userdata),
		     void *userdata)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	const char *name;
	int r;

	if (error)
		return units_is_break(error) ? -ENOTCONN
					     : -sd_bus_error_get_errno(error);
	r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0) {
		r = sd_bus_message_enter_container(reply, 'e', "sv");
		if (r == 0)
			return sd_bus_message_exit_container(reply);
		if (r >= 0)
			r = sd_bus_message_read(reply, "s", &name);
		if (r >= 0)
			r = take(name, reply, userdata);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r;
}

int unit_values_text(sd_bus_message *value, char *ret_text, size_t size)
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

int unit_values_watch(struct units *units, const char *unit,
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
		units->bus, ret_slot, units->address ? NULL : UNITS_DESTINATION, path,
		PROPERTIES, "PropertiesChanged", handler, on_installed, userdata);
}

bool unit_values_is_signal(const struct units *units, sd_bus_message *message)
{
	const char *sender = sd_bus_message_get_sender(message);

	return units->address || (sender && strcmp(sender, units->owner) == 0);
}
