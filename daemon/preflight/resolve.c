#include "preflight/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RESOLVE_LINKS_MAX 40 /* followed in one path, as in the kernel */

/* What is still to be walked, and how often it began anew. */
struct walk {
	char rest[2 * PATH_MAX];
	unsigned int links;
};

static bool is_at_or_below(const char *path, const char *top)
{
	const size_t length = strlen(top);

	return strncmp(path, top, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/' ||
		(length > 0 && top[length - 1] == '/'));
}

static bool is_hidden(const struct resolve_view *view, const char *path)
{
	for (size_t i = 0; i < view->n_hidden; i++)
		if (is_at_or_below(path, view->hidden[i]))
			return true;
	return false;
}

/* Puts target in front of what is left. */
static bool begin_anew(struct walk *walk, const char *target)
{
	char rest[sizeof(walk->rest)];
	int n;

	if (++walk->links > RESOLVE_LINKS_MAX)
		return false;
	n = snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest);
	if (n < 0 || (size_t)n >= sizeof(rest))
		return false;
	memcpy(walk->rest, rest, (size_t)n + 1);
	return true;
}

/* The next name, "" when there is none. */
static void take_name(struct walk *walk, char ret_name[NAME_MAX + 2])
{
	const char *at = walk->rest + strspn(walk->rest, "/");
	const size_t length = strcspn(at, "/");

	(void)snprintf(ret_name, NAME_MAX + 2, "%.*s", (int)length, at);
	memmove(walk->rest, at + length, strlen(at + length) + 1);
}

static void leave(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

static enum resolve_result from_errno(int error)
{
	if (error == ENOENT || error == ENOTDIR)
		return RESOLVE_MISSING;
	return error == EACCES ? RESOLVE_DENIED : RESOLVE_UNKNOWN;
}

static enum resolve_result follow(struct resolve_place *place, struct walk *walk)
{
	char target[PATH_MAX];
	const ssize_t n = readlink(place->path, target, sizeof(target) - 1);

	if (n < 0)
		return from_errno(errno);
	target[n] = '\0';
	if (target[0] == '/')
		place->path[0] = '\0';
	else
		leave(place->path);
	return begin_anew(walk, target) ? RESOLVE_FOUND : RESOLVE_UNKNOWN;
}

/* Goes to the name in the directory place->path. */
static enum resolve_result enter(const struct resolve_view *view, const char *name,
				 struct resolve_place *place, struct walk *walk)
{
	const size_t length = strlen(place->path);
	enum resolve_result result;

	if (strlen(name) > NAME_MAX || length + 1 + strlen(name) >= PATH_MAX)
		return RESOLVE_UNKNOWN;
	(void)snprintf(place->path + length, PATH_MAX - length, "/%s", name);
	if (view->real_current[0] != '\0' &&
	    strcmp(place->path, view->real_current) == 0) {
		place->path[0] = '\0';
		return begin_anew(walk, view->release) ? RESOLVE_FOUND
						       : RESOLVE_UNKNOWN;
	}
	if (is_hidden(view, place->path))
		return RESOLVE_HIDDEN;
	if (lstat(place->path, &place->st) < 0) {
		result = from_errno(errno);
		if (result == RESOLVE_DENIED)
			leave(place->path);
		return result;
	}
	return S_ISLNK(place->st.st_mode) ? follow(place, walk) : RESOLVE_FOUND;
}

static enum resolve_result step(const struct resolve_view *view, const char *name,
				struct resolve_place *place, struct walk *walk)
{
	if (strcmp(name, ".") == 0)
		return RESOLVE_FOUND;
	if (strcmp(name, "..") == 0) {
		leave(place->path);
		return RESOLVE_FOUND;
	}
	return enter(view, name, place, walk);
}

/* Of a path that ends in ".", ".." or at the root the last look was at something else.
 */
static enum resolve_result arrive(struct resolve_place *place)
{
	if (place->path[0] == '\0')
		(void)strcpy(place->path, "/");
	return lstat(place->path, &place->st) < 0 ? from_errno(errno) : RESOLVE_FOUND;
}

/* What is missing has the whole path, too. */
static void append_rest(struct resolve_place *place, const struct walk *walk)
{
	const size_t length = strlen(place->path);

	(void)snprintf(place->path + length, sizeof(place->path) - length, "%s",
		       walk->rest);
}

enum resolve_result resolve_path(const struct resolve_view *view, const char *path,
				 struct resolve_place *ret_place)
{
	enum resolve_result result = RESOLVE_FOUND;
	struct walk walk = {.links = 0};
	char name[NAME_MAX + 2];

	memset(ret_place, 0, sizeof(*ret_place));
	if (is_hidden(view, path))
		return RESOLVE_HIDDEN;
	(void)snprintf(walk.rest, sizeof(walk.rest), "%s", path);
	take_name(&walk, name);
	while (result == RESOLVE_FOUND && name[0] != '\0') {
		result = step(view, name, ret_place, &walk);
		if (result == RESOLVE_MISSING)
			append_rest(ret_place, &walk);
		take_name(&walk, name);
	}
	if (result == RESOLVE_FOUND)
		result = arrive(ret_place);
	ret_place->in_release = view->real_release[0] != '\0' &&
				is_at_or_below(ret_place->path, view->real_release);
	return result;
}

enum resolve_result resolve_prepare(struct resolve_view *view,
				    struct resolve_place *ret_release)
{
	struct resolve_place parent;
	char above[PATH_MAX];
	const char *last = strrchr(view->current, '/');
	enum resolve_result result;
	int n;

	view->real_current[0] = view->real_release[0] = '\0';
	(void)snprintf(above, sizeof(above), "%.*s", (int)(last - view->current),
		       view->current);
	/* Where its parent cannot be entered, it is not come to by another name. */
	if (resolve_path(view, above, &parent) != RESOLVE_FOUND)
		(void)snprintf(parent.path, sizeof(parent.path), "%s", above);
	n = snprintf(view->real_current, sizeof(view->real_current), "%s%s",
		     strcmp(parent.path, "/") == 0 ? "" : parent.path, last);
	if (n < 0 || (size_t)n >= sizeof(view->real_current))
		view->real_current[0] = '\0';
	result = resolve_path(view, view->release, ret_release);
	if (result == RESOLVE_FOUND)
		memcpy(view->real_release, ret_release->path,
		       sizeof(view->real_release));
	return result;
}
