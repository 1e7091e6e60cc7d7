/* Asks about the units of all apps with checks of type exec, all at once. */
#include "bus/clone_review.h"

#include <stdlib.h>

#include "base/config_set.h"
#include "bus/clone.h"

struct review {
	struct config_set *config; /* a reference */
	struct diag *diag;
	size_t n_open; /* questions, and the asking itself */
	void (*done)(void *userdata);
	void *userdata;
};

struct question {
	struct review *review;
	const struct health_check *check;
};

const struct health_check *clone_review_check(const struct app_config *app)
{
	for (size_t i = 0; i < app->health.n_checks; i++)
		if (app->health.checks[i].type == HEALTH_CHECK_TYPE_EXEC)
			return &app->health.checks[i];
	return NULL;
}

static void close_one(struct review *review)
{
	void (*done)(void *userdata) = review->done;
	void *userdata = review->userdata;

	if (--review->n_open > 0)
		return;
	config_set_unref(review->config);
	free(review);
	done(userdata);
}

static void on_answer(void *userdata, const struct errinfo *error)
{
	struct question *question = userdata;
	struct review *review = question->review;
	const struct health_check *check = question->check;

	if (error->result != RESULT_OK)
		diag_warning(review->diag, check->file, check->line,
			     "[health_check %s] cannot run, so deploys are "
			     "refused: %s",
			     check->name, error->what);
	free(question);
	close_one(review);
}

static void ask(struct review *review, struct units *units,
		const struct app_config *app)
{
	const struct health_check *check = clone_review_check(app);
	struct question *question;

	if (!check || app->activate_method == ACTIVATE_METHOD_NONE)
		return;
	question = malloc(sizeof(*question));
	if (!question)
		return;
	*question = (struct question){.review = review, .check = check};
	review->n_open++;
	if (clone_query(units, app->unit, on_answer, question))
		return;
	review->n_open--;
	free(question);
}

void clone_review(struct units *units, struct config_set *config, struct diag *diag,
		  void (*done)(void *userdata), void *userdata)
{
	struct review *review = malloc(sizeof(*review));

	if (!review) {
		done(userdata);
		return;
	}
	*review = (struct review){.config = config_set_ref(config),
				  .diag = diag,
				  .n_open = 1,
				  .done = done,
				  .userdata = userdata};
	for (size_t i = 0; i < config->n_apps; i++)
		ask(review, units, config->apps[i]);
	close_one(review);
}
