#pragma once

#include <stdint.h>

#include "deploy/names.h"

/*
 * The names that mix_deploy and its like gave to releases: 20181114072116
 * (deploy-release in local time, `mix deploy.local` in UTC) and 20181114T072116
 * (Ansible), in one directory. Pure.
 */

/* By timestamp, whatever its form; equal ones by name. As qsort() wants it. */
int adopt_compare(const char *a, const char *b) __attribute__((nonnull));

/*
 * When it was deployed, seconds since the epoch: nobody knows in whose time the name
 * is, so it is the directory's mtime, unless that is of another day altogether.
 */
int64_t adopt_deployed_at(const char *id, int64_t mtime_sec) __attribute__((nonnull));
