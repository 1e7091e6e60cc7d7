#pragma once

#include <uv.h>

#include "bus/unit_job.h"
#include "deploy/app_config.h"

/*
 * restart_method = touch: restart.flag is touched as the deploy user, the app sees it
 * and stops itself, and here it is seen to that the unit comes back. A unit that is not
 * active, or stays down, is (re)started by a job.
 */

/* Of the helper that touches; the whole has touch_timeout_sec. */
#define TOUCH_HELPER_TIMEOUT_MSEC 10000u

struct touch;

/*
 * done is called once, never from within, with an outcome as of units_act(): RESULT_OK
 * when the unit is active with another process than before. NULL only without memory.
 */
struct touch *touch_start(struct units *units, uv_loop_t *loop,
			  const struct app_config *settings, unit_done_fn done,
			  void *userdata)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 4)));
