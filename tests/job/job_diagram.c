/* Prints the state table of core/job_machine.c as a Mermaid diagram. */
#include <stdio.h>

#include "core/job_machine.h"

static const char *const action_names[] = {
	[JOB_ACTION_KILL] = "kill",
	[JOB_ACTION_COUNT] = NULL,
};

struct edge {
	bool exists;
	enum job_state to;
	enum job_action action;
};

static const char *const fallback_names[] = {
	[JOB_FALLBACK_NONE] = "",
	[JOB_FALLBACK_BACK] = ", there is one to go back to",
	[JOB_FALLBACK_STOP] = ", there is none to go back to",
};

static struct edge edge_of(enum job_kind kind, enum job_state state,
			   enum job_event event, enum job_fallback fallback)
{
	struct job_machine machine = {.kind = kind,
				      .state = state,
				      .fallback = fallback,
				      .switched = job_kind_switches(kind) ||
						  kind == JOB_KIND_RECOVER};
	struct edge edge = {0};

	edge.exists = job_machine_step(&machine, event, &edge.action);
	edge.to = machine.state;
	return edge;
}

/* Bit 1 << state for each that a job of the kind can come to. */
static unsigned int reachable(enum job_kind kind)
{
	unsigned int states = 1u << JOB_STATE_QUEUED, before;

	do {
		before = states;
		for (unsigned int s = 0; s < JOB_STATE_COUNT; s++)
			for (unsigned int e = 0; e < JOB_EVENT_COUNT; e++) {
				for (unsigned int f = 0; f < JOB_FALLBACK_COUNT; f++) {
					struct edge edge =
						edge_of(kind, (enum job_state)s,
							(enum job_event)e,
							(enum job_fallback)f);

					if ((before & 1u << s) && edge.exists)
						states |= 1u << edge.to;
				}
			}
	} while (states != before);
	return states;
}

static void print_edge(enum job_state from, enum job_event event,
		       const struct edge *edge, enum job_fallback fallback,
		       unsigned int kinds, unsigned int kinds_here)
{
	const char *before = " (";

	printf("    %s --> %s: %s%s", job_state_name(from), job_state_name(edge->to),
	       job_event_name(event), fallback_names[fallback]);
	if (edge->to == from)
		printf(" / %s", action_names[edge->action]);
	for (unsigned int k = 0; kinds != kinds_here && k < JOB_KIND_COUNT; k++) {
		if (!(kinds & 1u << k))
			continue;
		printf("%s%s", before, job_kind_name((enum job_kind)k));
		before = ", ";
	}
	printf("%s\n", kinds != kinds_here ? ")" : "");
}

/* Of a fallback, only what it changes. */
static void print_edges(enum job_state from, enum job_event event,
			enum job_fallback fallback, unsigned int kinds_here)
{
	unsigned int left = kinds_here;

	while (left) {
		enum job_kind first = (enum job_kind)__builtin_ctz(left);
		struct edge edge = edge_of(first, from, event, fallback);
		struct edge usual = edge_of(first, from, event, JOB_FALLBACK_NONE);
		unsigned int same = 0;

		for (unsigned int k = 0; k < JOB_KIND_COUNT; k++) {
			struct edge other =
				edge_of((enum job_kind)k, from, event, fallback);

			if ((left & 1u << k) && other.exists == edge.exists &&
			    other.to == edge.to && other.action == edge.action)
				same |= 1u << k;
		}
		if (edge.exists &&
		    !(edge.to == from && edge.action == JOB_ACTION_NONE) &&
		    (fallback == JOB_FALLBACK_NONE || edge.to != usual.to))
			print_edge(from, event, &edge, fallback, same, kinds_here);
		left &= ~same;
	}
}

int main(void)
{
	unsigned int states[JOB_KIND_COUNT];

	for (unsigned int k = 0; k < JOB_KIND_COUNT; k++)
		states[k] = reachable((enum job_kind)k);
	printf("stateDiagram-v2\n");
	printf("    [*] --> %s\n", job_state_name(JOB_STATE_QUEUED));
	for (unsigned int s = 0; s < JOB_STATE_COUNT; s++) {
		unsigned int kinds = 0;

		for (unsigned int k = 0; k < JOB_KIND_COUNT; k++)
			if (states[k] & 1u << s)
				kinds |= 1u << k;
		for (unsigned int e = 0; e < JOB_EVENT_COUNT; e++)
			for (unsigned int f = 0; f < JOB_FALLBACK_COUNT; f++)
				print_edges((enum job_state)s, (enum job_event)e,
					    (enum job_fallback)f, kinds);
	}
	printf("    %s --> [*]\n", job_state_name(JOB_STATE_DONE));
	return 0;
}
