#pragma once

#include <jansson.h>

#include "bus/unit_properties.h"
#include "core/verification.h"
#include "job/manager.h"

/* An app's state in words: the wire types AppStatus and AppSummary. */

/* What deployd had to ask for; all zero where nothing could be learnt. */
struct status_facts {
	struct unit_state unit;
	enum verification_verdict verification;
	const char *verification_reason;
	const char *flag_trouble; /* NULL: none */
};

json_t *status_make(const struct app *app, const struct app_config *settings,
		    const struct status_facts *facts)
	__attribute__((warn_unused_result, nonnull));

json_t *status_summary(const struct app *app, const struct app_config *settings,
		       const struct unit_state *unit)
	__attribute__((warn_unused_result, nonnull));
