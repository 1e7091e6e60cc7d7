/*
 * Watches a unit. What is told is always read, never taken from a signal: signals of
 * several properties come in pieces, and may be lost with the connection.
 */
#include "bus/unit_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "bus/unit_request.h"
#include "deploy/names.h"

#define RETRY_MSEC 1000 /* when it cannot be read, or the bus sends no signals */

struct unit_watch {
	struct unit_request request; /* first */
	struct unit_reader reader;
	char unit[UNIT_NAME_MAX + 1];
	sd_bus_slot *match;
	struct unit_state last;
	bool told;    /* last is valid */
	bool forced;  /* tell the next one, whatever it is */
	bool reading; /* the call is under way */
	bool again;   /* something has changed since it was sent */
	bool polling; /* the bus refused the subscription */
	bool ended;   /* only the owner's reference is left */
	void (*changed)(void *userdata, const struct unit_state *state);
	void *userdata;
};

static struct unit_watch *watch_of(struct unit_request *request)
{
	return (struct unit_watch *)request; /* the first member */
}

static void refresh(struct unit_watch *watch);

static void refresh_later(struct unit_watch *watch)
{
	unit_request_set_deadline(&watch->request, RETRY_MSEC);
}

static bool is_same(const struct unit_state *a, const struct unit_state *b)
{
	return strcmp(a->load_state, b->load_state) == 0 &&
	       strcmp(a->active_state, b->active_state) == 0 &&
	       strcmp(a->sub_state, b->sub_state) == 0 &&
	       strcmp(a->result, b->result) == 0 &&
	       strcmp(a->unit_file_state, b->unit_file_state) == 0 &&
	       a->main_pid == b->main_pid && a->n_restarts == b->n_restarts &&
	       a->active_enter_usec == b->active_enter_usec &&
	       a->active_enter_mono_usec == b->active_enter_mono_usec &&
	       a->active_exit_mono_usec == b->active_exit_mono_usec &&
	       a->exec_main_status == b->exec_main_status &&
	       a->exec_main_code == b->exec_main_code &&
	       a->need_daemon_reload == b->need_daemon_reload;
}

/* Stopped, about to be started. */
static bool is_between(const struct unit_properties *now)
{
	return strcmp(now->state.active_state, "inactive") == 0 && now->job[0] != '\0';
}

static void on_read(struct unit_reader *reader, int error)
{
	struct unit_watch *watch = watch_of(reader->request);
	const struct unit_properties *now = &reader->properties;
	bool tell = false, forced;

	watch->reading = false;
	if (error < 0) {
		refresh_later(watch);
		return;
	}
	/* What was asked for while this was being read is still to come. */
	forced = watch->forced && !watch->again;
	if (!is_between(now) &&
	    (!watch->told || forced || !is_same(&now->state, &watch->last))) {
		watch->last = now->state;
		watch->told = true;
		if (forced)
			watch->forced = false;
		tell = true;
	}
	if (watch->again)
		refresh(watch);
	else if (watch->polling)
		refresh_later(watch);
	if (tell)
		watch->changed(watch->userdata, &watch->last);
}

static void refresh(struct unit_watch *watch)
{
	watch->again = true;
	if (watch->reading || !watch->request.units->ready)
		return;
	watch->again = false;
	watch->reading = true;
	if (unit_reader_start(&watch->reader, &watch->request, watch->unit, on_read) <
	    0) {
		watch->reading = false;
		refresh_later(watch);
	}
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *ret)
{
	struct unit_watch *watch = userdata;

	(void)ret;
	if (units_is_from_manager(watch->request.units, message))
		refresh(watch);
	return 0;
}

static int on_installed(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_watch *watch = userdata;
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)ret;
	if (!error || units_is_break(error))
		return 0;
	journal_log(
		LOG_WARNING,
		"the bus does not signal changes of %s, reading it every second: %s",
		watch->unit, error->message ? error->message : error->name);
	watch->polling = true;
	refresh_later(watch);
	return 0;
}

static void watch_ready(struct unit_request *request)
{
	struct unit_watch *watch = watch_of(request);

	/* First the subscription: what changes after the reading is heard of. */
	watch->polling = unit_properties_match(request->units, watch->unit, on_signal,
					       on_installed, watch, &watch->match) < 0;
	refresh(watch);
}

static void watch_lost(struct unit_request *request)
{
	struct unit_watch *watch = watch_of(request);

	watch->match = sd_bus_slot_unref(watch->match);
	watch->reading = false;
	(void)uv_timer_stop(&request->deadline);
}

static void watch_deadline(struct unit_request *request)
{
	refresh(watch_of(request));
}

static void watch_closing(struct unit_request *request)
{
	struct unit_watch *watch = watch_of(request);

	watch->match = sd_bus_slot_unref(watch->match);
	unit_request_end(request);
}

static void watch_end(struct unit_request *request)
{
	struct unit_watch *watch = watch_of(request);

	watch->ended = true;
	if (request->forgotten)
		free(watch);
}

static const struct unit_request_type watch_type = {
	.on_ready = watch_ready,
	.on_lost = watch_lost,
	.on_deadline = watch_deadline,
	.on_closing = watch_closing,
	.end = watch_end,
};

struct unit_watch *unit_watch_new(struct units *units, const char *unit,
				  void (*changed)(void *userdata,
						  const struct unit_state *state),
				  void *userdata)
{
	struct unit_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	(void)snprintf(watch->unit, sizeof(watch->unit), "%s", unit);
	watch->changed = changed;
	watch->userdata = userdata;
	unit_request_init(&watch->request, &watch_type, units, 0);
	if (units->closing)
		unit_request_end(&watch->request);
	else if (units->ready)
		watch_ready(&watch->request);
	return watch;
}

void unit_watch_refresh(struct unit_watch *watch)
{
	watch->forced = true;
	if (!unit_request_ended(&watch->request))
		refresh(watch);
}

void unit_watch_free(struct unit_watch *watch)
{
	if (!watch)
		return;
	if (watch->ended) {
		free(watch);
		return;
	}
	watch->match = sd_bus_slot_unref(watch->match);
	unit_request_forget(&watch->request);
}
