#include "command/verb_name.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/suggest.h"
#include "output/failure.h"

const struct verb *verb_find(const struct verb_table *verbs, const char *name)
{
	for (size_t i = 0; i < verbs->n; i++)
		if (strcmp(verbs->rows[i].name, name) == 0)
			return &verbs->rows[i];
	return NULL;
}

int verb_tell_unknown(const struct options *options, const char *name)
{
	const struct verb_table *verbs = options->verbs;
	const char **names = calloc(verbs->n + 1, sizeof(*names)), *meant = NULL;
	int status;

	for (size_t i = 0; names && i < verbs->n; i++)
		names[i] = verbs->rows[i].name;
	if (names)
		meant = suggest_word(name, names);
	if (meant)
		status = failure_tell(options, RESULT_USAGE,
				      "no verb '%s'; did you mean '%s'?", name, meant);
	else
		status =
			failure_tell(options, RESULT_USAGE,
				     "no verb '%s'; `deployctl help` lists them", name);
	free(names);
	return status;
}
