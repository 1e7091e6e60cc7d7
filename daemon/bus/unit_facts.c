/* Reads whose a unit's processes are and where they are. */
#include "bus/unit_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/unit_request.h"
#include "bus/unit_values.h"

#define QUERY_TIMEOUT_MSEC 5000

struct unit_facts_query {
	struct unit_request request; /* first */
	struct unit_facts facts;
	int error;
	void (*done)(void *userdata, int error, const struct unit_facts *facts);
	void *userdata;
};

static struct unit_facts_query *query_of(struct unit_request *request)
{
	return (struct unit_facts_query *)request; /* the first member */
}

static void end(struct unit_request *request)
{
	struct unit_facts_query *query = query_of(request);

	if (!request->forgotten)
		query->done(query->userdata, query->error, &query->facts);
	free(query);
}

static void fail(struct unit_request *request, int error)
{
	struct unit_facts_query *query = query_of(request);

	memset(&query->facts, 0, sizeof(query->facts));
	query->error = error;
	unit_request_end(request);
}

static void on_lost(struct unit_request *request)
{
	fail(request, -ENOTCONN);
}

static void on_deadline(struct unit_request *request)
{
	fail(request, -ETIMEDOUT);
}

static const struct unit_request_type type = {
	.on_lost = on_lost,
	.on_deadline = on_deadline,
	.on_closing = on_lost,
	.end = end,
};

static int take(const char *name, sd_bus_message *value, void *userdata)
{
	struct unit_facts *facts = userdata;
	const struct {
		const char *name;
		char *text;
		size_t size;
	} texts[] = {
		{"LoadState", facts->load_state, sizeof(facts->load_state)},
		{"ControlGroup", facts->control_group, sizeof(facts->control_group)},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(name, texts[i].name) == 0)
			return unit_values_text(value, texts[i].text, texts[i].size);
	if (strcmp(name, "MainPID") == 0)
		return sd_bus_message_read(value, "v", "u", &facts->main_pid);
	return sd_bus_message_skip(value, "v");
}

static int on_values(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_request *request = userdata;
	int r;

	(void)ret;
	r = unit_values_each(reply, take, &query_of(request)->facts);
	if (r < 0)
		fail(request, r);
	else
		unit_request_end(request);
	return 0;
}

struct unit_facts_query *unit_facts_query(struct units *units, const char *unit,
					  void (*done)(void *userdata, int error,
						       const struct unit_facts *facts),
					  void *userdata)
{
	struct unit_facts_query *query = calloc(1, sizeof(*query));
	int r;

	if (!query)
		return NULL;
	query->done = done;
	query->userdata = userdata;
	unit_request_init(&query->request, &type, units, QUERY_TIMEOUT_MSEC);
	r = unit_values_call(&query->request, unit, on_values);
	if (r < 0)
		fail(&query->request, r);
	return query;
}

void unit_facts_query_cancel(struct unit_facts_query *query)
{
	if (query)
		unit_request_forget(&query->request);
}
