#pragma once

#include "store/adopt_survey.h"

/* The changes that a survey without problems makes necessary, in their order. */
void adopt_plan(struct adopt *adopt) __attribute__((nonnull));
