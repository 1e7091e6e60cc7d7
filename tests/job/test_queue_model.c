/*
 * Random calls, compared with a model that says the same in another way: one flat list,
 * and each rule of queue.h looked up anew. At the end of each run all that waits must
 * get its turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>

#include "core/queue.h"

enum {
	RUNS = 100,
	CALLS = 400,
	APPS = 24,
	USERS = 4, /* 0 is root */
	JOBS = 2000
};

struct job {
	enum {
		GONE,
		WAITS,
		RUNS_NOW
	} state;
	unsigned int app;
	uint32_t owner;
	enum queue_rank rank;
	bool ready;
	int64_t place; /* the lower, the earlier among its like */
	char id[16];
};

struct model {
	struct queue *queue;
	struct job jobs[JOBS];
	unsigned int n_jobs;
	int64_t places;
	uint64_t turns, had_turn[APPS][2];
	unsigned int overtaken[APPS];
	unsigned int running_max, waiting_max;
	unsigned int n_started, n_refused, n_forced; /* that a deploy was due */
	uint64_t random;
};

static unsigned int draw(struct model *model, unsigned int below)
{
	model->random =
		model->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned int)(model->random >> 33) % below;
}

static const char *app_name(unsigned int app)
{
	static char name[16];

	(void)snprintf(name, sizeof(name), "app%u", app);
	return name;
}

static unsigned int pool_of(const struct job *job)
{
	bool root = job->owner == 0 && job->rank != QUEUE_RANK_OWED;

	return 2 * (unsigned int)job->rank + (root ? 1 : 0);
}

static unsigned int pool_slots(const struct model *model, unsigned int pool)
{
	return pool / 2 == QUEUE_RANK_DEPLOY ? model->running_max
					     : QUEUE_URGENT_RUNNING_MAX;
}

/* Jobs in that state in the pool; of one app (or APPS), of one owner (or USERS). */
static unsigned int count(const struct model *model, int state, unsigned int pool,
			  unsigned int app, uint32_t owner)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < model->n_jobs; i++) {
		const struct job *job = &model->jobs[i];

		n += (int)job->state == state && pool_of(job) == pool &&
		     (app == APPS || job->app == app) &&
		     (owner == USERS || job->owner == owner);
	}
	return n;
}

static struct job *running_of(struct model *model, unsigned int app)
{
	for (unsigned int i = 0; i < model->n_jobs; i++)
		if (model->jobs[i].app == app && model->jobs[i].state == RUNS_NOW)
			return &model->jobs[i];
	return NULL;
}

static bool app_is_known(const struct model *model, unsigned int app)
{
	for (unsigned int i = 0; i < model->n_jobs; i++)
		if (model->jobs[i].app == app && model->jobs[i].state != GONE)
			return true;
	return false;
}

static int expected_add(struct model *model, const struct job *job)
{
	unsigned int pool = pool_of(job), places, own;
	bool is_user = job->owner != 0;

	if (job->rank == QUEUE_RANK_OWED)
		return 0;
	places = job->rank == QUEUE_RANK_DEPLOY ? model->waiting_max
						: QUEUE_URGENT_WAITING_MAX;
	own = places == 0 ? 1 : places / 2 + places % 2;
	if (count(model, WAITS, pool, job->app, USERS) >=
	    places + (running_of(model, job->app) ? 0 : 1))
		return -EBUSY;
	return is_user && count(model, WAITS, pool, job->app, job->owner) >= own
		       ? -EDQUOT
		       : 0;
}

static bool may_run(const struct model *model, const struct job *job)
{
	unsigned int pool = pool_of(job), slots = pool_slots(model, pool);

	if (job->state != WAITS || !job->ready ||
	    count(model, RUNS_NOW, pool, APPS, USERS) >= slots)
		return false;
	return job->owner == 0 || job->rank == QUEUE_RANK_OWED ||
	       count(model, RUNS_NOW, pool, APPS, job->owner) < slots / 2 + slots % 2;
}

/* 0 first. */
static unsigned int urgency(const struct model *model, const struct job *job)
{
	switch (job->rank) {
	case QUEUE_RANK_OWED:
		return 0;
	case QUEUE_RANK_ROLLBACK:
		return 1;
	case QUEUE_RANK_URGENT:
		return 3;
	case QUEUE_RANK_DEPLOY:
	case QUEUE_RANK_COUNT:
		break;
	}
	if (job->owner == 0)
		return 3;
	return model->overtaken[job->app] >= QUEUE_OVERTAKEN_MAX ? 2 : 4;
}

/* What the app must start now, NULL for nothing. */
static struct job *choice(struct model *model, unsigned int app)
{
	struct job *best = NULL;

	if (running_of(model, app))
		return NULL;
	for (unsigned int i = 0; i < model->n_jobs; i++) {
		struct job *job = &model->jobs[i];
		unsigned int a, b;

		if (job->app != app || !may_run(model, job))
			continue;
		a = urgency(model, job);
		b = best ? urgency(model, best) : 5;
		if (a < b || (a == b && job->place < best->place))
			best = job;
	}
	return best;
}

static unsigned int turn_kind(const struct job *job)
{
	return job->rank == QUEUE_RANK_DEPLOY ? 0 : 1;
}

static bool is_users_deploy(const struct job *job)
{
	return job->rank == QUEUE_RANK_DEPLOY && job->owner != 0;
}

static void note_start(struct model *model, struct job *started)
{
	bool waits = false;

	started->state = RUNS_NOW;
	model->n_started++;
	for (unsigned int i = 0; i < model->n_jobs; i++) {
		const struct job *job = &model->jobs[i];

		waits = waits || (job->app == started->app && job->state == WAITS &&
				  is_users_deploy(job) && job->ready);
	}
	if (is_users_deploy(started)) {
		model->n_forced +=
			model->overtaken[started->app] >= QUEUE_OVERTAKEN_MAX;
		model->overtaken[started->app] = 0;
	} else {
		model->overtaken[started->app] =
			waits ? model->overtaken[started->app] + 1 : 0;
	}
}

/* Starts what may start, each as the model has it. */
static void start_all(struct model *model)
{
	const char *id;

	while ((id = queue_start_next(model->queue))) {
		struct job *started = NULL;
		unsigned int kind;

		for (unsigned int i = 0; i < model->n_jobs; i++)
			if (model->jobs[i].state == WAITS &&
			    strcmp(model->jobs[i].id, id) == 0)
				started = &model->jobs[i];
		assert_non_null(started);
		assert_ptr_equal(choice(model, started->app), started);
		kind = turn_kind(started);
		for (unsigned int app = 0; app < APPS; app++) {
			const struct job *other = choice(model, app);

			/* Nobody who wants such a slot has waited for longer. */
			if (other && app != started->app && turn_kind(other) == kind)
				assert_true(model->had_turn[started->app][kind] <
					    model->had_turn[app][kind]);
		}
		note_start(model, started);
		assert_int_equal(queue_position(model->queue, started->id), 0);
	}
	for (unsigned int app = 0; app < APPS; app++)
		assert_null(choice(model, app));
}

static void add(struct model *model)
{
	static const enum queue_rank ranks[] = {QUEUE_RANK_DEPLOY,   QUEUE_RANK_DEPLOY,
						QUEUE_RANK_DEPLOY,   QUEUE_RANK_URGENT,
						QUEUE_RANK_URGENT,   QUEUE_RANK_URGENT,
						QUEUE_RANK_ROLLBACK, QUEUE_RANK_OWED};
	struct job *job = &model->jobs[model->n_jobs];
	int r;

	assert_true(model->n_jobs < JOBS);
	/* A few apps have most of the jobs, so that lines and slots fill up. */
	*job = (struct job){.state = WAITS,
			    .app = draw(model, draw(model, 2) ? 3 : APPS),
			    .owner = draw(model, USERS),
			    .rank = ranks[draw(model, sizeof(ranks) / sizeof(*ranks))],
			    .ready = draw(model, 4) != 0};
	(void)snprintf(job->id, sizeof(job->id), "%u", model->n_jobs);
	r = expected_add(model, job);
	assert_int_equal(
		queue_add(model->queue, &(struct queue_job){.app = app_name(job->app),
							    .id = job->id,
							    .rank = job->rank,
							    .owner = job->owner,
							    .ready = job->ready}),
		r);
	if (r < 0) {
		model->n_refused++;
		return;
	}
	if (!app_is_known(model, job->app)) {
		model->had_turn[job->app][0] = model->had_turn[job->app][1] =
			++model->turns;
		model->overtaken[job->app] = 0;
	}
	job->place = ++model->places;
	if (job->rank == QUEUE_RANK_OWED)
		job->place = -job->place;
	model->n_jobs++;
}

/* One in that state, NULL when there is none. */
static struct job *any(struct model *model, int state)
{
	unsigned int from = model->n_jobs > 0 ? draw(model, model->n_jobs) : 0;

	for (unsigned int i = 0; i < model->n_jobs; i++) {
		struct job *job = &model->jobs[(from + i) % model->n_jobs];

		if ((int)job->state == state)
			return job;
	}
	return NULL;
}

static void end(struct model *model, struct job *job)
{
	if (!job)
		return;
	if (job->state == RUNS_NOW)
		model->had_turn[job->app][turn_kind(job)] = ++model->turns;
	job->state = GONE;
	assert_true(queue_remove(model->queue, job->id));
	assert_int_equal(queue_position(model->queue, job->id), -1);
}

static void set_ready(struct model *model, struct job *job)
{
	if (!job)
		return;
	job->ready = true;
	assert_true(queue_set_ready(model->queue, job->id));
}

static void put_back(struct model *model, struct job *job)
{
	if (!job)
		return;
	assert_true(queue_put_back(model->queue, job->id));
	job->state = WAITS;
	job->place = -(++model->places);
	if (is_users_deploy(job))
		model->overtaken[job->app] = QUEUE_OVERTAKEN_MAX;
}

static void set_limits(struct model *model)
{
	model->running_max = 1 + draw(model, 5);
	model->waiting_max = draw(model, 7);
	queue_set_limits(model->queue, model->running_max, model->waiting_max);
}

static void call(struct model *model)
{
	unsigned int what = draw(model, 100);

	if (what < 55)
		add(model);
	else if (what < 80)
		end(model, any(model, RUNS_NOW));
	else if (what < 85)
		end(model, any(model, WAITS));
	else if (what < 95)
		set_ready(model, any(model, WAITS));
	else if (what < 98)
		put_back(model, any(model, RUNS_NOW));
	else
		set_limits(model);
}

/* Archives flow, jobs end, nothing new comes: all get their turn. */
static void drain(struct model *model)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < model->n_jobs; i++) {
		if (model->jobs[i].state == WAITS)
			set_ready(model, &model->jobs[i]);
		left += model->jobs[i].state != GONE;
	}
	for (; left > 0; left--) {
		start_all(model);
		assert_non_null(any(model, RUNS_NOW));
		end(model, any(model, RUNS_NOW));
	}
	assert_int_equal(queue_running(model->queue) + queue_waiting(model->queue), 0);
}

static void simulate(uint64_t seed, unsigned int *started, unsigned int *refused,
		     unsigned int *forced)
{
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	model->random = seed;
	model->queue = queue_new(1, 1);
	assert_non_null(model->queue);
	set_limits(model);
	for (unsigned int i = 0; i < CALLS; i++) {
		call(model);
		/* Some calls come in one turn of the loop. */
		if (draw(model, 4) != 0)
			start_all(model);
		assert_true(queue_running(model->queue) <= APPS);
	}
	drain(model);
	*started += model->n_started;
	*refused += model->n_refused;
	*forced += model->n_forced;
	queue_free(model->queue);
	free(model);
}

static void queue_does_what_the_model_says(void **context)
{
	const char *given = getenv("DEPLOYD_TEST_SEED");
	uint64_t from = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * RUNS;
	unsigned int started = 0, refused = 0, forced = 0;

	(void)context;
	(void)printf("DEPLOYD_TEST_SEED=%llu\n", (unsigned long long)from);
	for (uint64_t i = 0; i < RUNS; i++)
		simulate(from + i, &started, &refused, &forced);
	(void)printf("%u started, %u refused, %u deploys that were due\n", started,
		     refused, forced);
	assert_true(started > RUNS && refused > RUNS && forced > RUNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_does_what_the_model_says)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
