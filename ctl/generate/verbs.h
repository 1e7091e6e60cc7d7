#pragma once

#include "verb.h"

int verb_generate(const struct verb *verb, const struct options *options);
/* stage.c */
int verb_stage_files(const struct verb *verb, const struct options *options);
/* extract.c */
int verb_extract_release(const struct verb *verb, const struct options *options);
