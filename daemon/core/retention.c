#include "core/retention.h"

#include <string.h>

static size_t find(const struct retention_release *releases, size_t n, const char *id)
{
	size_t i = 0;

	while (i < n && (!id || strcmp(releases[i].id, id) != 0))
		i++;
	return i;
}

static bool is_better(const struct retention_release *a,
		      const struct retention_release *than)
{
	return a->good != than->good ? a->good : a->seq > than->seq;
}

size_t retention_rollback_target(const struct retention_release *releases, size_t n,
				 const char *current)
{
	size_t at = find(releases, n, current), best = n;

	if (at == n)
		return n;
	for (size_t i = 0; i < n; i++) {
		if (!(releases[i].good || releases[i].unknown) ||
		    releases[i].rolled_back || releases[i].seq >= releases[at].seq ||
		    content_is_same(&releases[i].content, &releases[at].content))
			continue;
		if (best == n || is_better(&releases[i], &releases[best]))
			best = i;
	}
	return best;
}

static bool is_newer_of_kind(const struct retention_release *a,
			     const struct retention_release *than)
{
	return a->seq > than->seq && a->good == than->good && a->bad == than->bad &&
	       a->unknown == than->unknown;
}

/*
 * A newer one stands for it. Not the live one, which may still be gone back from, nor
 * one that was: that is no place to go back to.
 */
static bool is_superseded(const struct retention_release *releases, size_t n, size_t at,
			  size_t live)
{
	const struct retention_release *r = &releases[at];

	for (size_t i = 0; i < n; i++)
		if (i != live && is_newer_of_kind(&releases[i], r) &&
		    content_is_same(&releases[i].content, &r->content) &&
		    (!releases[i].rolled_back || r->rolled_back))
			return true;
	return false;
}

/* The newest of its kind with its content? */
static bool is_newest(const struct retention_release *releases, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		if (is_newer_of_kind(&releases[i], &releases[at]) &&
		    content_is_same(&releases[i].content, &releases[at].content))
			return false;
	return true;
}

/* How many other contents of the same kind are newer. */
static uint64_t rank(const struct retention_release *releases, size_t n, size_t at)
{
	uint64_t newer = 0;

	for (size_t i = 0; i < n; i++)
		if (is_newer_of_kind(&releases[i], &releases[at]) &&
		    !content_is_same(&releases[i].content, &releases[at].content) &&
		    is_newest(releases, n, i))
			newer++;
	return newer;
}

static bool is_beyond(const struct retention_release *releases, size_t n, size_t at,
		      size_t live, uint64_t keep)
{
	return is_superseded(releases, n, at, live) || rank(releases, n, at) >= keep;
}

void retention_choose(const struct retention_release *releases, size_t n,
		      const char *current, uint64_t keep, int64_t now_sec,
		      bool *ret_prune)
{
	size_t live = find(releases, n, current);
	size_t target = retention_rollback_target(releases, n, current);

	for (size_t i = 0; i < n; i++) {
		const struct retention_release *r = &releases[i];

		ret_prune[i] = false;
		if (i == live || i == target || r->pinned || r->in_use)
			continue;
		if (r->good || r->unknown)
			ret_prune[i] = is_beyond(releases, n, i, live, keep);
		else if (r->bad)
			ret_prune[i] =
				is_beyond(releases, n, i, live, RETENTION_BAD_KEPT);
		else
			ret_prune[i] =
				now_sec - r->deployed_at_sec > RETENTION_STAGED_SEC_MAX;
	}
}
