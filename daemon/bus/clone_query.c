/* Whether a unit can be copied: makes the copy that would be asked for, and drops it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/clone.h"
#include "bus/unit_request.h"
#include "bus/unit_values.h"
#include "deploy/names.h"

#define QUERY_TIMEOUT_MSEC 5000

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
	/* What is asked about is made, and not sent. */
	r = units_new_call(request->units, "StartTransientUnit", &message);
	if (r >= 0)
		r = sd_bus_message_append(message, "ss", query->unit, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = clone_append(message, reply, query->unit, &has_user, &query->error);
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
	if (unit_values_call(&query->request, unit, on_values) < 0)
		unit_request_end(&query->request);
	return query;
}
