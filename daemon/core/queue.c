#include "core/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *next;
	char id[QUEUE_ID_MAX + 1];
};

/* An app with at least one operation. */
struct line {
	struct line *next;
	struct entry *running; /* NULL: none */
	struct entry *waiting; /* in order of arrival */
	char app[];
};

struct queue {
	struct line *lines; /* in the order in which the apps get their turn */
	size_t running_max;
	size_t waiting_max;
	size_t n_running;
	size_t n_waiting;
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

static size_t line_length(const struct line *line)
{
	size_t n = line->running ? 1 : 0;

	for (const struct entry *entry = line->waiting; entry; entry = entry->next)
		n++;
	return n;
}

static struct line *find_line(const struct queue *queue, const char *app)
{
	struct line *line = queue->lines;

	while (line && strcmp(line->app, app) != 0)
		line = line->next;
	return line;
}

static void append_line(struct queue *queue, struct line *line)
{
	struct line **end = &queue->lines;

	while (*end)
		end = &(*end)->next;
	line->next = NULL;
	*end = line;
}

static void unlink_line(struct queue *queue, struct line *line)
{
	struct line **link = &queue->lines;

	while (*link != line)
		link = &(*link)->next;
	*link = line->next;
}

static struct line *new_line(const char *app)
{
	size_t size = strlen(app) + 1;
	struct line *line = calloc(1, sizeof(*line) + size);

	if (line)
		memcpy(line->app, app, size);
	return line;
}

/* The app's line, made when there is none; NULL without memory. */
static struct line *line_of(struct queue *queue, const char *app)
{
	struct line *line = find_line(queue, app);

	if (!line) {
		line = new_line(app);
		if (line)
			append_line(queue, line);
	}
	return line;
}

static int add(struct queue *queue, const char *app, const char *id, bool first)
{
	struct entry *entry = calloc(1, sizeof(*entry)), **at;
	struct line *line = entry ? line_of(queue, app) : NULL;

	if (!line) {
		free(entry);
		return -ENOMEM;
	}
	assert(strlen(id) <= QUEUE_ID_MAX);
	(void)snprintf(entry->id, sizeof(entry->id), "%s", id);
	at = &line->waiting;
	while (*at && !first)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
	queue->n_waiting++;
	return 0;
}

int queue_add(struct queue *queue, const char *app, const char *id)
{
	const struct line *line = find_line(queue, app);

	if (queue_position(queue, id) >= 0)
		return -EEXIST;
	/* The one that runs or is about to is not among those that wait behind it. */
	if (line && line_length(line) > queue->waiting_max)
		return -EBUSY;
	return add(queue, app, id, false);
}

int queue_add_first(struct queue *queue, const char *app, const char *id)
{
	if (queue_position(queue, id) >= 0)
		return -EEXIST;
	return add(queue, app, id, true);
}

bool queue_put_back(struct queue *queue, const char *id)
{
	struct line *line = queue->lines;

	while (line && !(line->running && strcmp(line->running->id, id) == 0))
		line = line->next;
	if (!line)
		return false;
	line->running->next = line->waiting;
	line->waiting = line->running;
	line->running = NULL;
	queue->n_running--;
	queue->n_waiting++;
	return true;
}

const char *queue_start_next(struct queue *queue)
{
	struct line *line = queue->lines;

	if (queue->n_running >= queue->running_max)
		return NULL;
	while (line && (line->running || !line->waiting))
		line = line->next;
	if (!line)
		return NULL;
	line->running = line->waiting;
	line->waiting = line->waiting->next;
	line->running->next = NULL;
	queue->n_waiting--;
	queue->n_running++;
	return line->running->id;
}

static bool remove_from(struct queue *queue, struct line *line, const char *id)
{
	struct entry *gone;

	if (line->running && strcmp(line->running->id, id) == 0) {
		free(line->running);
		line->running = NULL;
		queue->n_running--;
		return true;
	}
	for (struct entry **link = &line->waiting; *link; link = &(*link)->next) {
		gone = *link;
		if (strcmp(gone->id, id) != 0)
			continue;
		*link = gone->next;
		free(gone);
		queue->n_waiting--;
		return true;
	}
	return false;
}

bool queue_remove(struct queue *queue, const char *id)
{
	for (struct line *line = queue->lines; line; line = line->next) {
		bool had_its_turn = line->running != NULL;

		if (!remove_from(queue, line, id))
			continue;
		had_its_turn = had_its_turn && !line->running;
		if (line_length(line) == 0) {
			unlink_line(queue, line);
			free_line(line);
		} else if (had_its_turn) {
			unlink_line(queue, line);
			append_line(queue, line);
		}
		return true;
	}
	return false;
}

int queue_position(const struct queue *queue, const char *id)
{
	for (const struct line *line = queue->lines; line; line = line->next) {
		int place = 1;

		if (line->running && strcmp(line->running->id, id) == 0)
			return 0;
		for (const struct entry *entry = line->waiting; entry;
		     entry = entry->next, place++)
			if (strcmp(entry->id, id) == 0)
				return place;
	}
	return -1;
}

size_t queue_running(const struct queue *queue)
{
	return queue->n_running;
}

size_t queue_waiting(const struct queue *queue)
{
	return queue->n_waiting;
}
