#pragma once

#include "option.h"

/* The options of deployd.conf; deployd.conf(5) explains each, a test compares. */
extern const struct option_spec daemon_options[];
extern const size_t n_daemon_options;
