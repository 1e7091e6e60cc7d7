/* Prints the state table of core/op.c as a Mermaid diagram. */
#include <stdio.h>

#include "core/op.h"

static const char *const action_names[] = {
	[OP_ACTION_KILL] = "kill",
	[OP_ACTION_COUNT] = NULL,
};

struct edge {
	bool exists;
	enum op_state to;
	enum op_action action;
};

static const char *const fallback_names[] = {
	[OP_FALLBACK_NONE] = "",
	[OP_FALLBACK_BACK] = ", there is one to go back to",
	[OP_FALLBACK_STOP] = ", there is none to go back to",
};

static struct edge edge_of(enum op_kind kind, enum op_state state, enum op_event event,
			   enum op_fallback fallback)
{
	struct op op = {.kind = kind,
			.state = state,
			.fallback = fallback,
			.switched = op_kind_switches(kind) || kind == OP_KIND_RECOVER};
	struct edge edge = {0};

	edge.exists = op_step(&op, event, &edge.action);
	edge.to = op.state;
	return edge;
}

/* Bit 1 << state for each that an operation of the kind can come to. */
static unsigned int reachable(enum op_kind kind)
{
	unsigned int states = 1u << OP_STATE_QUEUED, before;

	do {
		before = states;
		for (unsigned int s = 0; s < OP_STATE_COUNT; s++)
			for (unsigned int e = 0; e < OP_EVENT_COUNT; e++) {
				for (unsigned int f = 0; f < OP_FALLBACK_COUNT; f++) {
					struct edge edge = edge_of(
						kind, (enum op_state)s,
						(enum op_event)e, (enum op_fallback)f);

					if ((before & 1u << s) && edge.exists)
						states |= 1u << edge.to;
				}
			}
	} while (states != before);
	return states;
}

static void print_edge(enum op_state from, enum op_event event, const struct edge *edge,
		       enum op_fallback fallback, unsigned int kinds,
		       unsigned int kinds_here)
{
	const char *before = " (";

	printf("    %s --> %s: %s%s", op_state_name(from), op_state_name(edge->to),
	       op_event_name(event), fallback_names[fallback]);
	if (edge->to == from)
		printf(" / %s", action_names[edge->action]);
	for (unsigned int k = 0; kinds != kinds_here && k < OP_KIND_COUNT; k++) {
		if (!(kinds & 1u << k))
			continue;
		printf("%s%s", before, op_kind_name((enum op_kind)k));
		before = ", ";
	}
	printf("%s\n", kinds != kinds_here ? ")" : "");
}

/* Of a fallback, only what it changes. */
static void print_edges(enum op_state from, enum op_event event,
			enum op_fallback fallback, unsigned int kinds_here)
{
	unsigned int left = kinds_here;

	while (left) {
		enum op_kind first = (enum op_kind)__builtin_ctz(left);
		struct edge edge = edge_of(first, from, event, fallback);
		struct edge usual = edge_of(first, from, event, OP_FALLBACK_NONE);
		unsigned int same = 0;

		for (unsigned int k = 0; k < OP_KIND_COUNT; k++) {
			struct edge other =
				edge_of((enum op_kind)k, from, event, fallback);

			if ((left & 1u << k) && other.exists == edge.exists &&
			    other.to == edge.to && other.action == edge.action)
				same |= 1u << k;
		}
		if (edge.exists &&
		    !(edge.to == from && edge.action == OP_ACTION_NONE) &&
		    (fallback == OP_FALLBACK_NONE || edge.to != usual.to))
			print_edge(from, event, &edge, fallback, same, kinds_here);
		left &= ~same;
	}
}

int main(void)
{
	unsigned int states[OP_KIND_COUNT];

	for (unsigned int k = 0; k < OP_KIND_COUNT; k++)
		states[k] = reachable((enum op_kind)k);
	printf("stateDiagram-v2\n");
	printf("    [*] --> %s\n", op_state_name(OP_STATE_QUEUED));
	for (unsigned int s = 0; s < OP_STATE_COUNT; s++) {
		unsigned int kinds = 0;

		for (unsigned int k = 0; k < OP_KIND_COUNT; k++)
			if (states[k] & 1u << s)
				kinds |= 1u << k;
		for (unsigned int e = 0; e < OP_EVENT_COUNT; e++)
			for (unsigned int f = 0; f < OP_FALLBACK_COUNT; f++)
				print_edges((enum op_state)s, (enum op_event)e,
					    (enum op_fallback)f, kinds);
	}
	printf("    %s --> [*]\n", op_state_name(OP_STATE_DONE));
	return 0;
}
