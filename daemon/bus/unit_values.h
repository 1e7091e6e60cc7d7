#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

struct unit_request;
struct units;

/* Inside of the requests to systemd: all properties of a unit, of one moment. */

/*
 * Asks for them as the request's call; a unit that is not loaded is loaded by systemd
 * for that. Negative errno: nothing was sent.
 */
int unit_values_call(struct unit_request *request, const char *unit,
		     sd_bus_message_handler_t on_reply)
	__attribute__((warn_unused_result, nonnull));

/*
 * For on_reply: calls take for each property; take reads or skips the value, which is a
 * variant. -ENOTCONN for the error that a break ends in, other negative errno for any
 * other, also that of take.
 */
int unit_values_each(sd_bus_message *reply,
		     int (*take)(const char *name, sd_bus_message *value,
				 void *userdata),
		     void *userdata) __attribute__((warn_unused_result, nonnull(1, 2)));

/* Reads a string; -ENOBUFS when it is longer than the room for it. */
int unit_values_text(sd_bus_message *value, char *ret_text, size_t size)
	__attribute__((warn_unused_result, nonnull));

/*
 * Calls handler for PropertiesChanged of the unit until ret_slot is released; it has to
 * ask unit_values_is_signal() first. on_installed hears whether the bus agreed.
 */
int unit_values_watch(struct units *units, const char *unit,
		      sd_bus_message_handler_t handler,
		      sd_bus_message_handler_t on_installed, void *userdata,
		      sd_bus_slot **ret_slot)
	__attribute__((warn_unused_result, nonnull));

/* Anybody may send us a signal: is it systemd's? */
bool unit_values_is_signal(const struct units *units, sd_bus_message *message)
	__attribute__((nonnull));
