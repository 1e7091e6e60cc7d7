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
 * A newer one stands for it. One that was gone back from is no place to go back to, so
 * it stands for none that is.
 */
static bool is_superseded(const struct retention_release *releases, size_t n, size_t at)
{
	const struct retention_release *r = &releases[at];

	for (size_t i = 0; i < n; i++)
		if (is_newer_of_kind(&releases[i], r) &&
		    content_is_same(&releases[i].content, &r->content) &&
		    (!releases[i].rolled_back || r->rolled_back))
			return true;
	return false;
}

/* How many of the same kind are newer; those that another stands for do not count. */
static uint64_t rank(const struct retention_release *releases, size_t n, size_t at)
{
	uint64_t newer = 0;

	for (size_t i = 0; i < n; i++)
		if (is_newer_of_kind(&releases[i], &releases[at]) &&
		    !is_superseded(releases, n, i))
			newer++;
	return newer;
}

static bool is_beyond(const struct retention_release *releases, size_t n, size_t at,
		      uint64_t keep)
{
	return is_superseded(releases, n, at) || rank(releases, n, at) >= keep;
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
			ret_prune[i] = is_beyond(releases, n, i, keep);
		else if (r->bad)
			ret_prune[i] = is_beyond(releases, n, i, RETENTION_BAD_KEPT);
		else
			ret_prune[i] =
				now_sec - r->deployed_at_sec > RETENTION_STAGED_SEC_MAX;
	}
}
