#include "bus/unit_request.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static void on_request_closed(uv_handle_t *handle)
{
	struct unit_request *request = handle->data;
	struct units *units = request->units;
	struct unit_request **p = &units->requests;

	while (*p != request)
		p = &(*p)->next;
	*p = request->next;
	request->type->end(request);
	units->on_request_ended(units);
}

static void on_request_deadline(uv_timer_t *timer)
{
	struct unit_request *request = timer->data;

	request->type->on_deadline(request);
}

void unit_request_init(struct unit_request *request,
		       const struct unit_request_type *type, struct units *units,
		       uint64_t timeout_ms)
{
	request->type = type;
	request->units = units;
	request->next = units->requests;
	units->requests = request;
	(void)uv_timer_init(units->loop, &request->deadline);
	request->deadline.data = request;
	if (timeout_ms > 0)
		unit_request_set_deadline(request, timeout_ms);
}

void unit_request_set_deadline(struct unit_request *request, uint64_t timeout_ms)
{
	uv_update_time(request->units->loop);
	(void)uv_timer_start(&request->deadline, on_request_deadline, timeout_ms, 0);
}

bool unit_request_ended(const struct unit_request *request)
{
	return uv_is_closing((const uv_handle_t *)&request->deadline);
}

void unit_request_end(struct unit_request *request)
{
	if (unit_request_ended(request))
		return;
	unit_request_drop_call(request);
	uv_close((uv_handle_t *)&request->deadline, on_request_closed);
}

void unit_request_forget(struct unit_request *request)
{
	request->forgotten = true;
	unit_request_end(request);
}

static int send_call(struct unit_request *request, sd_bus_message *message)
{
	struct units *units = request->units;
	int r = sd_bus_call_async(units->bus, &request->call, message,
				  request->on_reply, request, UINT64_MAX);

	if (r < 0)
		return r;
	units->n_calls++;
	return 0;
}

static void send_waiting(struct units *units)
{
	while (units->ready && units->waiting && units->n_calls < UNITS_CALLS_MAX) {
		struct unit_request *request = units->waiting;

		/* Else it is tried again when the next call has ended. */
		if (send_call(request, request->message) < 0)
			return;
		request->message = sd_bus_message_unref(request->message);
		units->waiting = request->next_waiting;
	}
}

static void leave_line(struct unit_request *request)
{
	struct unit_request **p = &request->units->waiting;

	while (*p != request)
		p = &(*p)->next_waiting;
	*p = request->next_waiting;
	request->message = sd_bus_message_unref(request->message);
}

/* In the order of arrival, but those who only want to know come after the others. */
static void join_line(struct unit_request *request, sd_bus_message *message)
{
	struct unit_request **p = &request->units->waiting;

	while (*p && (request->type->patient || !(*p)->type->patient))
		p = &(*p)->next_waiting;
	request->message = message;
	request->next_waiting = *p;
	*p = request;
}

void unit_request_drop_call(struct unit_request *request)
{
	if (request->message)
		leave_line(request);
	if (!request->call)
		return;
	request->call = sd_bus_slot_unref(request->call);
	request->units->n_calls--;
	send_waiting(request->units);
}

int unit_request_call(struct unit_request *request, sd_bus_message *message,
		      sd_bus_message_handler_t on_reply)
{
	struct units *units = request->units;
	int r;

	unit_request_drop_call(request);
	request->reader = NULL;
	request->on_reply = on_reply;
	if (units->waiting || units->n_calls >= UNITS_CALLS_MAX) {
		join_line(request, message);
		return 0;
	}
	r = send_call(request, message);
	sd_bus_message_unref(message);
	return r;
}

int units_new_call_at(struct units *units, const char *path, const char *interface,
		      const char *member, sd_bus_message **ret_message)
{
	sd_bus_message *message;
	int r;

	if (!units->ready)
		return -ENOTCONN;
	r = sd_bus_message_new_method_call(units->bus, &message, UNITS_DESTINATION,
					   path, interface, member);
	if (r < 0)
		return r;
	/* While systemd re-executes, the bus would try to start another one. */
	(void)sd_bus_message_set_auto_start(message, 0);
	*ret_message = message;
	return 0;
}

int units_new_call(struct units *units, const char *member,
		   sd_bus_message **ret_message)
{
	return units_new_call_at(units, UNITS_PATH, UNITS_MANAGER, member, ret_message);
}

void units_send(struct units *units, const char *member, const char *types, ...)
{
	sd_bus_message *message;
	va_list ap;
	int r;

	if (units_new_call(units, member, &message) < 0)
		return;
	va_start(ap, types);
	r = sd_bus_message_appendv(message, types, ap);
	va_end(ap);
	if (r >= 0) {
		(void)sd_bus_message_set_expect_reply(message, 0);
		(void)sd_bus_send(units->bus, message, NULL);
	}
	sd_bus_message_unref(message);
}

bool units_is_break(const sd_bus_error *error)
{
	static const char *const names[] = {
		SD_BUS_ERROR_NO_REPLY,	SD_BUS_ERROR_DISCONNECTED,
		SD_BUS_ERROR_NO_SERVER, SD_BUS_ERROR_SERVICE_UNKNOWN,
		SD_BUS_ERROR_TIMEOUT,	SD_BUS_ERROR_NAME_HAS_NO_OWNER,
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (sd_bus_error_has_name(error, names[i]))
			return true;
	return false;
}

bool units_is_from_manager(const struct units *units, sd_bus_message *message)
{
	const char *sender = sd_bus_message_get_sender(message);

	return units->direct || (sender && strcmp(sender, units->owner) == 0);
}

const char *units_removed_job(const struct units *units, const char *path)
{
	for (size_t i = 0; i < UNITS_JOBS_MAX; i++)
		if (strcmp(units->jobs[i].path, path) == 0)
			return units->jobs[i].result;
	return NULL;
}
