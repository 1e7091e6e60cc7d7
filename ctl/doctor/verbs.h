#pragma once

#include "verb.h"

/* doctor.c: tells all that it finds, and changes nothing. Fails when it found anything.
 */
int verb_doctor(const struct verb *verb, const struct options *options);
