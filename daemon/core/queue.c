#include "core/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *next;
	enum queue_rank rank; /* whose places and slots it takes */
	enum queue_rank turn; /* when it goes */
	uint32_t owner;
	bool ready;
	char id[QUEUE_ID_MAX + 1];
};

/* An app with at least one job. */
struct line {
	struct line *next;
	struct entry *running; /* NULL: none */
	struct entry *waiting; /* the higher turn first, then in order of arrival */
	/* Jobs that have overtaken a ready deploy since a deploy last began. */
	unsigned int overtaken;
	/*
	 * When the app last had its turn, of deploys and of the rest: restarts do not
	 * put off its deploys, nor deploys its restarts.
	 */
	uint64_t had_turn[2];
	char app[];
};

struct queue {
	struct line *lines;
	size_t running_max;
	size_t waiting_max;
	uint64_t turns; /* counts up */
};

struct queue *queue_new(size_t running_max, size_t waiting_max)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (queue)
		queue_set_limits(queue, running_max, waiting_max);
	return queue;
}

static void free_line(struct line *line)
{
	struct entry *entry;

	while ((entry = line->waiting)) {
		line->waiting = entry->next;
		free(entry);
	}
	free(line->running);
	free(line);
}

void queue_free(struct queue *queue)
{
	struct line *line;

	if (!queue)
		return;
	while ((line = queue->lines)) {
		queue->lines = line->next;
		free_line(line);
	}
	free(queue);
}

void queue_set_limits(struct queue *queue, size_t running_max, size_t waiting_max)
{
	assert(running_max > 0);
	queue->running_max = running_max;
	queue->waiting_max = waiting_max;
}

/* --- limits --------------------------------------------------------------------- */

static size_t half(size_t places)
{
	return (places + 1) / 2;
}

/* Root has places and slots of its own; deployd's jobs count for nobody. */
static bool has_share(const struct entry *entry)
{
	return entry->owner != 0 && entry->rank != QUEUE_RANK_OWED;
}

static bool same_pool(const struct entry *a, const struct entry *b)
{
	return a->rank == b->rank &&
	       (a->rank == QUEUE_RANK_OWED || (a->owner == 0) == (b->owner == 0));
}

static int check_places(const struct queue *queue, const struct line *line,
			const struct entry *entry)
{
	size_t places, share, n = 0, n_own = 0;

	if (entry->rank == QUEUE_RANK_OWED)
		return 0;
	places = entry->rank == QUEUE_RANK_DEPLOY ? queue->waiting_max
						  : QUEUE_URGENT_WAITING_MAX;
	/* Even without a place to wait, a job may be the next to run. */
	share = places > 0 ? half(places) : 1;
	/* The job that is about to run does not count as waiting. */
	places += !line || !line->running ? 1 : 0;
	for (const struct entry *other = line ? line->waiting : NULL; other;
	     other = other->next) {
		if (!same_pool(other, entry))
			continue;
		n++;
		n_own += other->owner == entry->owner;
	}
	if (n >= places)
		return -EBUSY;
	return has_share(entry) && n_own >= share ? -EDQUOT : 0;
}

static bool has_slot(const struct queue *queue, const struct entry *entry)
{
	size_t slots = entry->rank == QUEUE_RANK_DEPLOY ? queue->running_max
							: QUEUE_URGENT_RUNNING_MAX;
	size_t n = 0, n_own = 0;

	for (const struct line *line = queue->lines; line; line = line->next) {
		if (!line->running || !same_pool(line->running, entry))
			continue;
		n++;
		n_own += line->running->owner == entry->owner;
	}
	return n < slots && (!has_share(entry) || n_own < half(slots));
}

/* --- lines ---------------------------------------------------------------------- */

static struct line *find_line(const struct queue *queue, const char *app)
{
	struct line *line = queue->lines;

	while (line && strcmp(line->app, app) != 0)
		line = line->next;
	return line;
}

/* The running or waiting job; NULL when it is unknown. */
static struct entry *find_entry(const struct queue *queue, const char *id,
				struct line **ret_line)
{
	for (struct line *line = queue->lines; line; line = line->next) {
		struct entry *entry = line->running;

		*ret_line = line;
		if (entry && strcmp(entry->id, id) == 0)
			return entry;
		for (entry = line->waiting; entry; entry = entry->next)
			if (strcmp(entry->id, id) == 0)
				return entry;
	}
	return NULL;
}

/* NULL without memory. */
static struct line *add_line(struct queue *queue, const char *app)
{
	size_t size = strlen(app) + 1;
	struct line *line = calloc(1, sizeof(*line) + size);

	if (!line)
		return NULL;
	memcpy(line->app, app, size);
	line->had_turn[0] = line->had_turn[1] = ++queue->turns;
	line->next = queue->lines;
	queue->lines = line;
	return line;
}

static void remove_line(struct queue *queue, struct line *line)
{
	struct line **link = &queue->lines;

	while (*link != line)
		link = &(*link)->next;
	*link = line->next;
	free_line(line);
}

/* Before or behind the others with the same turn. */
static void insert(struct line *line, struct entry *entry, bool before)
{
	struct entry **at = &line->waiting;

	while (*at &&
	       ((*at)->turn > entry->turn || ((*at)->turn == entry->turn && !before)))
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
}

static void take_out(struct line *line, const struct entry *entry)
{
	struct entry **link = &line->waiting;

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
}

int queue_add(struct queue *queue, const struct queue_job *job)
{
	struct line *line;
	struct entry *entry;
	int r;

	assert(job->rank < QUEUE_RANK_COUNT);
	assert(strlen(job->id) <= QUEUE_ID_MAX);
	if (find_entry(queue, job->id, &line))
		return -EEXIST;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){
		.rank = job->rank, .owner = job->owner, .ready = job->ready};
	entry->turn = job->owner == 0 && job->rank == QUEUE_RANK_DEPLOY
			      ? QUEUE_RANK_URGENT
			      : job->rank;
	(void)snprintf(entry->id, sizeof(entry->id), "%s", job->id);
	line = find_line(queue, job->app);
	r = check_places(queue, line, entry);
	if (r == 0 && !line) {
		line = add_line(queue, job->app);
		r = line ? 0 : -ENOMEM;
	}
	if (r < 0) {
		free(entry);
		return r;
	}
	insert(line, entry, job->rank == QUEUE_RANK_OWED);
	return 0;
}

bool queue_set_ready(struct queue *queue, const char *id)
{
	struct line *line;
	struct entry *entry = find_entry(queue, id, &line);

	if (entry)
		entry->ready = true;
	return entry != NULL;
}

bool queue_put_back(struct queue *queue, const char *id)
{
	struct line *line;
	struct entry *entry = find_entry(queue, id, &line);

	if (!entry || entry != line->running)
		return false;
	line->running = NULL;
	insert(line, entry, true);
	if (entry->turn == QUEUE_RANK_DEPLOY)
		line->overtaken = QUEUE_OVERTAKEN_MAX;
	return true;
}

/* --- turns ---------------------------------------------------------------------- */

static struct entry *first_startable(const struct queue *queue, const struct line *line,
				     enum queue_rank highest)
{
	for (struct entry *entry = line->waiting; entry; entry = entry->next)
		if (entry->turn <= highest && entry->ready && has_slot(queue, entry))
			return entry;
	return NULL;
}

/* What the line would start now, NULL when it cannot. */
static struct entry *candidate(const struct queue *queue, const struct line *line)
{
	struct entry *first = first_startable(queue, line, QUEUE_RANK_OWED), *deploy;

	if (!first || first->turn != QUEUE_RANK_URGENT ||
	    line->overtaken < QUEUE_OVERTAKEN_MAX)
		return first;
	deploy = first_startable(queue, line, QUEUE_RANK_DEPLOY);
	return deploy ? deploy : first;
}

static bool has_ready_deploy(const struct line *line)
{
	for (const struct entry *entry = line->waiting; entry; entry = entry->next)
		if (entry->turn == QUEUE_RANK_DEPLOY && entry->ready)
			return true;
	return false;
}

static unsigned int kind_of_turn(const struct entry *entry)
{
	return entry->rank == QUEUE_RANK_DEPLOY ? 0 : 1;
}

const char *queue_start_next(struct queue *queue)
{
	struct line *next_line = NULL;
	struct entry *next = NULL;

	for (struct line *line = queue->lines; line; line = line->next) {
		struct entry *entry = line->running ? NULL : candidate(queue, line);

		if (entry &&
		    (!next || line->had_turn[kind_of_turn(entry)] <
				      next_line->had_turn[kind_of_turn(next)])) {
			next = entry;
			next_line = line;
		}
	}
	if (!next)
		return NULL;
	take_out(next_line, next);
	next->next = NULL;
	next_line->running = next;
	if (next->turn == QUEUE_RANK_DEPLOY || !has_ready_deploy(next_line))
		next_line->overtaken = 0;
	else
		next_line->overtaken++;
	return next->id;
}

bool queue_remove(struct queue *queue, const char *id)
{
	struct line *line;
	struct entry *entry = find_entry(queue, id, &line);

	if (!entry)
		return false;
	if (entry == line->running) {
		line->had_turn[kind_of_turn(entry)] = ++queue->turns;
		line->running = NULL;
	} else {
		take_out(line, entry);
	}
	free(entry);
	if (!line->running && !line->waiting)
		remove_line(queue, line);
	return true;
}

/* --- questions ------------------------------------------------------------------ */

bool queue_is_ready(const struct queue *queue, const char *id)
{
	struct line *line;
	const struct entry *entry = find_entry(queue, id, &line);

	return entry && entry->ready;
}

int queue_position(const struct queue *queue, const char *id)
{
	struct line *line;
	const struct entry *wanted = find_entry(queue, id, &line);
	int place = 1;

	if (!wanted)
		return -1;
	if (wanted == line->running)
		return 0;
	for (const struct entry *entry = line->waiting; entry != wanted;
	     entry = entry->next)
		place++;
	return place;
}

size_t queue_running(const struct queue *queue)
{
	size_t n = 0;

	for (const struct line *line = queue->lines; line; line = line->next)
		n += line->running != NULL;
	return n;
}

size_t queue_waiting(const struct queue *queue)
{
	size_t n = 0;

	for (const struct line *line = queue->lines; line; line = line->next)
		for (const struct entry *entry = line->waiting; entry;
		     entry = entry->next)
			n++;
	return n;
}
