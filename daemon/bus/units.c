/*
 * The connection to systemd's manager: made in the background, greeted, made again when
 * it breaks. It owns the bus and the list of requests; what a request wants is its own
 * business (unit_job.c, unit_query.c, unit_log.c). Nothing here waits: no synchronous
 * call, and the bus is only driven by busloop.
 */
#include "bus/units.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "bus/unit_request.h"

#define SYSTEM_BUS	 "unix:path=/run/dbus/system_bus_socket"
#define BACKOFF_MSEC_MIN 100
#define BACKOFF_MSEC_MAX 10000

#define DBUS_NAME "org.freedesktop.DBus"

static void connect_bus(struct units *units);
static void subscribe(struct units *units);

/* --- requests ------------------------------------------------------------------- */

static void maybe_free(struct units *units)
{
	void (*on_closed)(void *userdata) = units->on_closed;
	void *userdata = units->closed_userdata;

	if (!units->closing || units->requests || units->bus || !units->retry_closed)
		return;
	free(units->address);
	free(units);
	if (on_closed)
		on_closed(userdata);
}

static void on_request_closed(uv_handle_t *handle)
{
	struct unit_request *request = handle->data;
	struct units *units = request->units;
	struct unit_request **p = &units->requests;

	while (*p != request)
		p = &(*p)->next;
	*p = request->next;
	request->type->end(request);
	maybe_free(units);
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
	request->call = sd_bus_slot_unref(request->call);
	uv_close((uv_handle_t *)&request->deadline, on_request_closed);
}

void unit_request_forget(struct unit_request *request)
{
	request->forgotten = true;
	unit_request_end(request);
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

int unit_request_call(struct unit_request *request, sd_bus_message *message,
		      sd_bus_message_handler_t on_reply)
{
	int r;

	request->call = sd_bus_slot_unref(request->call);
	request->reader = NULL;
	r = sd_bus_call_async(request->units->bus, &request->call, message, on_reply,
			      request, UINT64_MAX);
	sd_bus_message_unref(message);
	return r < 0 ? r : 0;
}

void units_send(struct units *units, sd_bus_message *message)
{
	(void)sd_bus_message_set_expect_reply(message, 0);
	(void)sd_bus_send(units->bus, message, NULL);
	sd_bus_message_unref(message);
}

void units_reset_failed(struct units *units, const char *unit)
{
	sd_bus_message *message;

	if (!units->ready || units_new_call(units, "ResetFailedUnit", &message) < 0)
		return;
	if (sd_bus_message_append(message, "s", unit) < 0)
		sd_bus_message_unref(message);
	else
		units_send(units, message);
}

void units_start_later(struct units *units, const char *unit)
{
	sd_bus_message *message;

	if (!units->ready || units_new_call(units, "StartUnit", &message) < 0)
		return;
	if (sd_bus_message_append(message, "ss", unit, "replace") < 0)
		sd_bus_message_unref(message);
	else
		units_send(units, message);
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

/* --- what the connection tells the requests ------------------------------------- */

/*
 * A request that ends while it is being told stays on the list until its timer is
 * closed, and none can be added: that makes these loops safe.
 */
static void tell_ready(struct units *units)
{
	for (struct unit_request *r = units->requests; r; r = r->next)
		if (!unit_request_ended(r) && r->type->on_ready)
			r->type->on_ready(r);
}

static void tell_lost(struct units *units)
{
	for (struct unit_request *r = units->requests; r; r = r->next) {
		if (unit_request_ended(r))
			continue;
		r->call = sd_bus_slot_unref(r->call);
		if (r->type->on_lost)
			r->type->on_lost(r);
	}
}

static void set_ready(struct units *units)
{
	units->ready = true;
	units->backoff_ms = BACKOFF_MSEC_MIN;
	if (units->told_lost)
		journal_log(LOG_NOTICE, "connected to systemd again");
	units->told_lost = false;
	tell_ready(units);
	if (units->on_connected)
		units->on_connected(units->userdata);
}

static void set_lost(struct units *units)
{
	bool was_ready = units->ready;

	units->ready = false;
	units->owner[0] = '\0';
	units->handshake = sd_bus_slot_unref(units->handshake);
	/* A new manager may count its jobs anew. */
	memset(units->jobs, 0, sizeof(units->jobs));
	if (was_ready)
		tell_lost(units);
}

static void log_lost(struct units *units, int error)
{
	if (units->told_lost || units->closing)
		return;
	units->told_lost = true;
	journal_event(JOURNAL_BUS_LOST, LOG_WARNING, NULL,
		      "no connection to systemd over the bus: %s; connecting again",
		      strerror(-error));
}

/* The connection is of no use any more; another one after a while. */
static void drop(struct units *units, int error)
{
	log_lost(units, error);
	set_lost(units);
	busloop_close(&units->busloop);
}

/* --- signals -------------------------------------------------------------------- */

/*
 * Everybody may send us a signal that names any object; only the sender's unique name,
 * which the bus sets, tells whether it is systemd's.
 */
static bool is_from_manager(const struct units *units, sd_bus_message *message)
{
	const char *sender = sd_bus_message_get_sender(message);

	if (units->address)
		return true;
	return sender && strcmp(sender, units->owner) == 0;
}

const char *units_removed_job(const struct units *units, const char *path)
{
	for (size_t i = 0; i < UNITS_JOBS_MAX; i++)
		if (strcmp(units->jobs[i].path, path) == 0)
			return units->jobs[i].result;
	return NULL;
}

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct units *units = userdata;
	struct removed_job *job;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (!is_from_manager(units, message) ||
	    sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	job = &units->jobs[units->next_job++ % UNITS_JOBS_MAX];
	(void)snprintf(job->path, sizeof(job->path), "%s", path);
	(void)snprintf(job->result, sizeof(job->result), "%s", result);
	for (struct unit_request *r = units->requests; r; r = r->next)
		if (!unit_request_ended(r) && r->type->on_job_removed)
			r->type->on_job_removed(r, path, result);
	return 0;
}

static int on_unit_removed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct units *units = userdata;
	const char *unit, *path;

	(void)error;
	if (!is_from_manager(units, message) ||
	    sd_bus_message_read(message, "so", &unit, &path) < 0)
		return 0;
	for (struct unit_request *r = units->requests; r; r = r->next)
		if (!unit_request_ended(r) && r->type->on_unit_removed)
			r->type->on_unit_removed(r, unit);
	return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata,
			    sd_bus_error *error)
{
	struct units *units = userdata;
	const char *sender = sd_bus_message_get_sender(message);
	const char *name, *old_owner, *new_owner;

	(void)error;
	if (!sender || strcmp(sender, DBUS_NAME) != 0 ||
	    sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner) < 0 ||
	    strcmp(name, UNITS_DESTINATION) != 0)
		return 0;
	if (new_owner[0] != '\0')
		units_resync(units);
	else
		set_lost(units);
	return 0;
}

/* --- greeting ------------------------------------------------------------------- */

/*
 * The matches are asked for first and the bus answers in order: once the manager has
 * answered Subscribe, no JobRemoved can be missed. A match that is refused ends the
 * connection (the default of sd_bus_match_signal_async(3)).
 */
static int install_matches(struct units *units)
{
	bool direct = units->address != NULL;
	const char *sender = direct ? NULL : UNITS_DESTINATION;
	int r;

	r = sd_bus_match_signal_async(units->bus, NULL, sender, UNITS_PATH,
				      UNITS_MANAGER, "JobRemoved", on_job_removed, NULL,
				      units);
	if (r >= 0)
		r = sd_bus_match_signal_async(units->bus, NULL, sender, UNITS_PATH,
					      UNITS_MANAGER, "UnitRemoved",
					      on_unit_removed, NULL, units);
	if (r >= 0 && !direct)
		r = sd_bus_add_match_async(
			units->bus, NULL,
			"type='signal',sender='" DBUS_NAME "',path='/org/freedesktop/"
			"DBus',interface='" DBUS_NAME "',member='NameOwnerChanged',"
			"arg0='" UNITS_DESTINATION "'",
			on_owner_changed, NULL, units);
	return r;
}

static int on_subscribed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct units *units = userdata;
	const sd_bus_error *refusal = sd_bus_message_get_error(message);

	(void)error;
	units->handshake = sd_bus_slot_unref(units->handshake);
	if (refusal && units_is_break(refusal)) {
		/* It went away while it was being greeted: its next owner is greeted.
		 */
		drop(units, -ECONNRESET);
		return 0;
	}
	/* AlreadySubscribed is as good; other refusals would come with every call. */
	set_ready(units);
	return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct units *units = userdata;
	const char *owner;

	(void)error;
	units->handshake = sd_bus_slot_unref(units->handshake);
	/* systemd is not on the bus yet: NameOwnerChanged will tell. */
	if (sd_bus_message_is_method_error(message, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return 0;
	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "s", &owner) < 0) {
		drop(units, -ECONNREFUSED);
		return 0;
	}
	(void)snprintf(units->owner, sizeof(units->owner), "%s", owner);
	subscribe(units);
	return 0;
}

static void subscribe(struct units *units)
{
	int r = sd_bus_call_method_async(units->bus, &units->handshake,
					 UNITS_DESTINATION, UNITS_PATH, UNITS_MANAGER,
					 "Subscribe", on_subscribed, units, NULL);

	if (r < 0)
		drop(units, r);
}

static void greet(struct units *units)
{
	int r;

	if (units->address) {
		subscribe(units);
		return;
	}
	r = sd_bus_call_method_async(units->bus, &units->handshake, DBUS_NAME,
				     "/org/freedesktop/DBus", DBUS_NAME, "GetNameOwner",
				     on_owner, units, "s", UNITS_DESTINATION);
	if (r < 0)
		drop(units, r);
}

void units_resync(struct units *units)
{
	set_lost(units);
	if (units->bus && !units->closing)
		greet(units);
}

/* --- connecting ----------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
	connect_bus(timer->data);
}

static void retry_later(struct units *units)
{
	if (units->closing)
		return;
	uv_update_time(units->loop);
	(void)uv_timer_start(&units->retry, on_retry, units->backoff_ms, 0);
	units->backoff_ms *= 2;
	if (units->backoff_ms > BACKOFF_MSEC_MAX)
		units->backoff_ms = BACKOFF_MSEC_MAX;
}

static void on_bus_lost(struct busloop *busloop, int error)
{
	drop(busloop->userdata, error);
}

static void on_bus_closed(struct busloop *busloop)
{
	struct units *units = busloop->userdata;

	units->bus = sd_bus_close_unref(units->bus);
	retry_later(units);
	maybe_free(units);
}

/* Only starts: what the bus has to say to it is read by the loop. */
static int open_bus(const struct units *units, sd_bus **ret_bus)
{
	const char *set = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	sd_bus *bus;
	int r;

	r = sd_bus_new(&bus);
	if (r < 0)
		return r;
	/* A peer of the tests is no bus. */
	r = sd_bus_set_bus_client(bus, !units->address);
	if (r >= 0)
		r = sd_bus_set_address(bus, units->address ? units->address
					    : set	   ? set
							   : SYSTEM_BUS);
	/*
	 * Anybody may send a signal to our unique name, with fds in it, and closing
	 * those could hang (SECURITY.md): the bus does not deliver such a message to a
	 * connection that takes no fds.
	 */
	if (r >= 0)
		r = sd_bus_negotiate_fds(bus, false);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret_bus = bus;
	return 0;
}

static void connect_bus(struct units *units)
{
	int r = open_bus(units, &units->bus);

	if (r < 0) {
		log_lost(units, r);
		retry_later(units);
		return;
	}
	r = busloop_start(&units->busloop, units->loop, units->bus);
	if (r < 0) {
		log_lost(units, r);
		units->bus = sd_bus_close_unref(units->bus);
		retry_later(units);
		return;
	}
	r = install_matches(units);
	if (r < 0)
		drop(units, r);
	else
		greet(units);
}

int units_new(uv_loop_t *loop, const char *address,
	      void (*on_connected)(void *userdata), void *userdata,
	      struct units **ret_units)
{
	struct units *units = calloc(1, sizeof(*units));

	if (!units)
		return -ENOMEM;
	if (address && !(units->address = strdup(address))) {
		free(units);
		return -ENOMEM;
	}
	units->loop = loop;
	units->on_connected = on_connected;
	units->userdata = userdata;
	units->backoff_ms = BACKOFF_MSEC_MIN;
	units->busloop.userdata = units;
	units->busloop.on_lost = on_bus_lost;
	units->busloop.on_closed = on_bus_closed;
	(void)uv_timer_init(loop, &units->retry);
	units->retry.data = units;
	connect_bus(units);
	*ret_units = units;
	return 0;
}

bool units_connected(const struct units *units)
{
	return units->ready;
}

static void on_retry_closed(uv_handle_t *handle)
{
	struct units *units = handle->data;

	units->retry_closed = true;
	maybe_free(units);
}

void units_close(struct units *units, void (*on_closed)(void *userdata), void *userdata)
{
	assert(!units->closing);
	units->closing = true;
	units->on_closed = on_closed;
	units->closed_userdata = userdata;
	for (struct unit_request *r = units->requests; r; r = r->next)
		if (!unit_request_ended(r))
			r->type->on_closing(r);
	units->ready = false;
	units->handshake = sd_bus_slot_unref(units->handshake);
	uv_close((uv_handle_t *)&units->retry, on_retry_closed);
	if (units->bus)
		busloop_close(&units->busloop);
}
