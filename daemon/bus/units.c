/*
 * The connection to systemd's manager: made in the background, greeted, made again when
 * it breaks. It owns the bus and tells the requests (unit_request.h) what becomes of
 * it; what a request wants is its own business. Nothing here waits: no synchronous
 * call, and the bus is only driven by busloop.
 */
#include "bus/units.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "bus/busloop.h"
#include "bus/unit_request.h"

#define SYSTEM_BUS	 "unix:path=/run/dbus/system_bus_socket"
#define BACKOFF_MSEC_MIN 100
#define BACKOFF_MSEC_MAX 10000

#define DBUS_NAME "org.freedesktop.DBus"

struct connection {
	struct units units; /* first: what requests and callers see */
	char *address;	    /* NULL = the system bus */
	struct busloop busloop;
	sd_bus_slot *handshake;
	uv_timer_t retry;
	bool retry_closed;
	uint64_t backoff_ms;
	bool told_lost; /* one entry in the journal for each break */
	void (*on_connected)(void *userdata);
	void *userdata;
	void (*on_closed)(void *userdata);
	void *closed_userdata;
};

static void connect_bus(struct connection *connection);
static void subscribe(struct connection *connection);
static void resync(struct connection *connection);

static struct connection *connection_of(struct units *units)
{
	return (struct connection *)units; /* the first member */
}

static void maybe_free(struct units *units)
{
	struct connection *connection = connection_of(units);
	void (*on_closed)(void *userdata) = connection->on_closed;
	void *userdata = connection->closed_userdata;

	if (!units->closing || units->requests || units->bus ||
	    !connection->retry_closed)
		return;
	free(connection->address);
	free(connection);
	if (on_closed)
		on_closed(userdata);
}

void units_reset_failed(struct units *units, const char *unit)
{
	units_send(units, "ResetFailedUnit", "s", unit);
}

void units_start_later(struct units *units, const char *unit)
{
	units_send(units, "StartUnit", "ss", unit, "replace");
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
		unit_request_drop_call(r);
		if (r->type->on_lost)
			r->type->on_lost(r);
	}
}

static void set_ready(struct connection *connection)
{
	connection->units.ready = true;
	connection->backoff_ms = BACKOFF_MSEC_MIN;
	if (connection->told_lost)
		journal_log(LOG_NOTICE, "connected to systemd again");
	connection->told_lost = false;
	tell_ready(&connection->units);
	if (connection->on_connected)
		connection->on_connected(connection->userdata);
}

static void set_lost(struct connection *connection)
{
	bool was_ready = connection->units.ready;

	connection->units.ready = false;
	connection->units.owner[0] = '\0';
	connection->handshake = sd_bus_slot_unref(connection->handshake);
	/* A new manager may count its jobs anew. */
	memset(connection->units.jobs, 0, sizeof(connection->units.jobs));
	if (was_ready)
		tell_lost(&connection->units);
}

static void log_lost(struct connection *connection, int error)
{
	if (connection->told_lost || connection->units.closing)
		return;
	connection->told_lost = true;
	journal_event(JOURNAL_BUS_LOST, LOG_WARNING, NULL,
		      "no connection to systemd over the bus: %s; connecting again",
		      strerror(-error));
}

/* The connection is of no use any more; another one after a while. */
static void drop(struct connection *connection, int error)
{
	log_lost(connection, error);
	set_lost(connection);
	busloop_close(&connection->busloop);
}

/* --- signals -------------------------------------------------------------------- */

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct connection *connection = userdata;
	struct removed_job *job;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (!units_is_from_manager(&connection->units, message) ||
	    sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	job = &connection->units.jobs[connection->units.next_job++ % UNITS_JOBS_MAX];
	(void)snprintf(job->path, sizeof(job->path), "%s", path);
	(void)snprintf(job->result, sizeof(job->result), "%s", result);
	for (struct unit_request *r = connection->units.requests; r; r = r->next)
		if (!unit_request_ended(r) && r->type->on_job_removed)
			r->type->on_job_removed(r, path, result);
	return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata,
			    sd_bus_error *error)
{
	struct connection *connection = userdata;
	const char *sender = sd_bus_message_get_sender(message);
	const char *name, *old_owner, *new_owner;

	(void)error;
	if (!sender || strcmp(sender, DBUS_NAME) != 0 ||
	    sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner) < 0 ||
	    strcmp(name, UNITS_DESTINATION) != 0)
		return 0;
	if (new_owner[0] != '\0')
		resync(connection);
	else
		set_lost(connection);
	return 0;
}

/* --- greeting ------------------------------------------------------------------- */

/*
 * The matches are asked for first and the bus answers in order: once the manager has
 * answered Subscribe, no JobRemoved can be missed. A match that is refused ends the
 * connection (the default of sd_bus_match_signal_async(3)).
 */
static int install_matches(struct connection *connection)
{
	bool direct = connection->units.direct;
	const char *sender = direct ? NULL : UNITS_DESTINATION;
	int r;

	r = sd_bus_match_signal_async(connection->units.bus, NULL, sender, UNITS_PATH,
				      UNITS_MANAGER, "JobRemoved", on_job_removed, NULL,
				      connection);
	if (r >= 0 && !direct)
		r = sd_bus_add_match_async(
			connection->units.bus, NULL,
			"type='signal',sender='" DBUS_NAME "',path='/org/freedesktop/"
			"DBus',interface='" DBUS_NAME "',member='NameOwnerChanged',"
			"arg0='" UNITS_DESTINATION "'",
			on_owner_changed, NULL, connection);
	return r;
}

static int on_subscribed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct connection *connection = userdata;
	const sd_bus_error *refusal = sd_bus_message_get_error(message);

	(void)error;
	connection->handshake = sd_bus_slot_unref(connection->handshake);
	if (refusal && units_is_break(refusal)) {
		/* It went away while it was being greeted: its next owner is greeted.
		 */
		drop(connection, -ECONNRESET);
		return 0;
	}
	/* AlreadySubscribed is as good; other refusals would come with every call. */
	set_ready(connection);
	return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct connection *connection = userdata;
	const char *owner;

	(void)error;
	connection->handshake = sd_bus_slot_unref(connection->handshake);
	/* systemd is not on the bus yet: NameOwnerChanged will tell. */
	if (sd_bus_message_is_method_error(message, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return 0;
	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "s", &owner) < 0) {
		drop(connection, -ECONNREFUSED);
		return 0;
	}
	(void)snprintf(connection->units.owner, sizeof(connection->units.owner), "%s",
		       owner);
	subscribe(connection);
	return 0;
}

static void subscribe(struct connection *connection)
{
	int r = sd_bus_call_method_async(connection->units.bus, &connection->handshake,
					 UNITS_DESTINATION, UNITS_PATH, UNITS_MANAGER,
					 "Subscribe", on_subscribed, connection, NULL);

	if (r < 0)
		drop(connection, r);
}

static void greet(struct connection *connection)
{
	int r;

	if (connection->units.direct) {
		subscribe(connection);
		return;
	}
	r = sd_bus_call_method_async(connection->units.bus, &connection->handshake,
				     DBUS_NAME, "/org/freedesktop/DBus", DBUS_NAME,
				     "GetNameOwner", on_owner, connection, "s",
				     UNITS_DESTINATION);
	if (r < 0)
		drop(connection, r);
}

static void resync(struct connection *connection)
{
	set_lost(connection);
	if (connection->units.bus && !connection->units.closing)
		greet(connection);
}

/* --- connecting ----------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
	connect_bus(timer->data);
}

static void retry_later(struct connection *connection)
{
	if (connection->units.closing)
		return;
	uv_update_time(connection->units.loop);
	(void)uv_timer_start(&connection->retry, on_retry, connection->backoff_ms, 0);
	connection->backoff_ms *= 2;
	if (connection->backoff_ms > BACKOFF_MSEC_MAX)
		connection->backoff_ms = BACKOFF_MSEC_MAX;
}

static void on_bus_lost(struct busloop *busloop, int error)
{
	drop(busloop->userdata, error);
}

static void on_bus_closed(struct busloop *busloop)
{
	struct connection *connection = busloop->userdata;

	connection->units.bus = sd_bus_close_unref(connection->units.bus);
	retry_later(connection);
	maybe_free(&connection->units);
}

/* Only starts: what the bus has to say to it is read by the loop. */
static int open_bus(const struct connection *connection, sd_bus **ret_bus)
{
	const char *set = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	sd_bus *bus;
	int r;

	r = sd_bus_new(&bus);
	if (r < 0)
		return r;
	/* A peer of the tests is no bus. */
	r = sd_bus_set_bus_client(bus, !connection->units.direct);
	if (r >= 0)
		r = sd_bus_set_address(bus, connection->address ? connection->address
					    : set		? set
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

static void connect_bus(struct connection *connection)
{
	int r = open_bus(connection, &connection->units.bus);

	if (r < 0) {
		log_lost(connection, r);
		retry_later(connection);
		return;
	}
	r = busloop_start(&connection->busloop, connection->units.loop,
			  connection->units.bus);
	if (r < 0) {
		log_lost(connection, r);
		connection->units.bus = sd_bus_close_unref(connection->units.bus);
		retry_later(connection);
		return;
	}
	r = install_matches(connection);
	if (r < 0)
		drop(connection, r);
	else
		greet(connection);
}

int units_new(uv_loop_t *loop, const char *address,
	      void (*on_connected)(void *userdata), void *userdata,
	      struct units **ret_units)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -ENOMEM;
	if (address && !(connection->address = strdup(address))) {
		free(connection);
		return -ENOMEM;
	}
	connection->units.loop = loop;
	connection->units.direct = address != NULL;
	connection->units.on_request_ended = maybe_free;
	connection->on_connected = on_connected;
	connection->userdata = userdata;
	connection->backoff_ms = BACKOFF_MSEC_MIN;
	connection->busloop.userdata = connection;
	connection->busloop.on_lost = on_bus_lost;
	connection->busloop.on_closed = on_bus_closed;
	(void)uv_timer_init(loop, &connection->retry);
	connection->retry.data = connection;
	connect_bus(connection);
	*ret_units = &connection->units;
	return 0;
}

bool units_connected(const struct units *units)
{
	return units->ready;
}

uv_loop_t *units_loop(const struct units *units)
{
	return units->loop;
}

static void on_retry_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;

	connection->retry_closed = true;
	maybe_free(&connection->units);
}

void units_close(struct units *units, void (*on_closed)(void *userdata), void *userdata)
{
	struct connection *connection = connection_of(units);

	assert(!units->closing);
	units->closing = true;
	connection->on_closed = on_closed;
	connection->closed_userdata = userdata;
	for (struct unit_request *r = units->requests; r; r = r->next)
		if (!unit_request_ended(r))
			r->type->on_closing(r);
	units->ready = false;
	connection->handshake = sd_bus_slot_unref(connection->handshake);
	uv_close((uv_handle_t *)&connection->retry, on_retry_closed);
	if (units->bus)
		busloop_close(&connection->busloop);
}
