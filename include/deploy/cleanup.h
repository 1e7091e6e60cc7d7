#pragma once

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Locals that own something release it on every path out of the scope.
 * Never used for libuv handles: those die in their close callback.
 */
#define cleanup_free  __attribute__((cleanup(cleanup_free_at)))
#define cleanup_close __attribute__((cleanup(cleanup_close_at)))
#define cleanup_file  __attribute__((cleanup(cleanup_file_at)))
#define cleanup_json  __attribute__((cleanup(cleanup_json_at)))

/* calloc(3), for a cleanup_free variable: cppcheck takes calloc() itself for a leak
 * there. */
static inline void *zeroed(size_t n, size_t size)
{
	return calloc(n, size);
}

static inline void cleanup_free_at(void *slot)
{
	free(*(void **)slot);
}

static inline void cleanup_close_at(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_file_at(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static inline void cleanup_json_at(json_t **json)
{
	json_decref(*json);
}

/* Hands the value on and forgets it, so that cleanup leaves it alone. */
static inline int steal_fd(int *slot)
{
	int fd = *slot;

	*slot = -1;
	return fd;
}

static inline void *steal_ptr_at(void *slot)
{
	void *p = *(void **)slot;

	*(void **)slot = NULL;
	return p;
}

#define steal_ptr(slot) ((__typeof__(*(slot)))steal_ptr_at(slot))
