#include "preflight/examine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "preflight/program.h"
#include "preflight/resolve.h"
#include "util/json_text.h"

struct examination {
	struct resolve_view view;
	char top[NAME_MAX + 1]; /* "" = none */
};

/* --- the release ------------------------------------------------------------------ */

static bool is_dir(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* The only name in it, if that is a directory's. */
static void find_top(struct examination *examination)
{
	DIR *dir = opendir(examination->view.real_release);
	struct dirent *entry;
	size_t n = 0;

	if (!dir)
		return;
	while (n < 2 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		n++;
		(void)snprintf(examination->top, sizeof(examination->top), "%s",
			       entry->d_name);
	}
	if (n != 1 || !is_dir(dirfd(dir), examination->top))
		examination->top[0] = '\0';
	(void)closedir(dir);
}

/* What would be there without the directory at the top. */
static bool is_in_top(const struct examination *examination,
		      const struct resolve_place *place)
{
	const struct resolve_view *view = &examination->view;
	struct resolve_place below;
	char path[2 * PATH_MAX + NAME_MAX];

	if (examination->top[0] == '\0' || !place->in_release)
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s%s", view->real_release,
		       examination->top, place->path + strlen(view->real_release));
	return strlen(path) < PATH_MAX &&
	       resolve_path(view, path, &below) == RESOLVE_FOUND;
}

/* --- one path --------------------------------------------------------------------- */

static void examine_directory(const struct resolve_place *place, struct program *found)
{
	if (!S_ISDIR(place->st.st_mode))
		found->verdict = PREFLIGHT_NOT_A_DIRECTORY;
	else if (access(place->path, X_OK) < 0)
		found->verdict = PREFLIGHT_DENIED;
	if (found->verdict == PREFLIGHT_DENIED)
		(void)names_escape(place->path, found->detail, sizeof(found->detail));
}

static void examine_found(const struct examination *examination, enum preflight_use use,
			  const struct resolve_place *place, struct program *found)
{
	switch (use) {
	case PREFLIGHT_USE_COMMAND:
	case PREFLIGHT_USE_ROOT:
		program_examine(&examination->view, place, use == PREFLIGHT_USE_ROOT,
				found);
		break;
	case PREFLIGHT_USE_DIRECTORY:
		examine_directory(place, found);
		break;
	case PREFLIGHT_USE_FILE:
	case PREFLIGHT_USE_COUNT:
		break;
	}
}

static json_t *examine(const struct examination *examination, enum preflight_use use,
		       const char *path)
{
	struct program found = {.verdict = PREFLIGHT_UNCHECKED};
	struct resolve_place place;
	bool in_top = false;

	switch (resolve_path(&examination->view, path, &place)) {
	case RESOLVE_FOUND:
		found.verdict = PREFLIGHT_FINE;
		examine_found(examination, use, &place, &found);
		break;
	case RESOLVE_MISSING:
		found.verdict = PREFLIGHT_MISSING;
		in_top = is_in_top(examination, &place);
		break;
	case RESOLVE_DENIED:
		/* Root may. */
		if (use == PREFLIGHT_USE_COMMAND || use == PREFLIGHT_USE_DIRECTORY)
			found.verdict = PREFLIGHT_DENIED;
		(void)names_escape(place.path, found.detail, sizeof(found.detail));
		break;
	case RESOLVE_HIDDEN:
	case RESOLVE_UNKNOWN:
		break;
	}
	return json_pack("{s:s, s:b, s:b, s:o, s:o}", "verdict",
			 preflight_verdict_name(found.verdict), "in_release",
			 place.in_release, "in_top", in_top, "file",
			 json_text(found.file), "detail", json_text(found.detail));
}

/* --- all of them ------------------------------------------------------------------ */

static json_t *text_or_null(const char *text)
{
	char shown[PATH_MAX];

	return *text ? json_text(names_escape(text, shown, sizeof(shown)))
		     : json_null();
}

json_t *preflight_examine(const struct preflight_options *options)
{
	struct examination examination = {
		.view = {.current = options->current,
			 .release = options->release,
			 .hidden = options->hidden,
			 .n_hidden = options->n_hidden},
	};
	struct resolve_place release;
	const char *closed = "";
	enum resolve_result result = resolve_prepare(&examination.view, &release);
	json_t *paths = json_array();

	if (result == RESOLVE_DENIED ||
	    (result == RESOLVE_FOUND && access(release.path, R_OK | X_OK) < 0))
		closed = release.path;
	else if (result == RESOLVE_FOUND)
		find_top(&examination);
	for (size_t i = 0; i < options->n_asked; i++)
		(void)json_array_append_new(paths,
					    examine(&examination, options->asked[i].use,
						    options->asked[i].path));
	return json_pack("{s:o, s:o, s:o}", "closed", text_or_null(closed), "top",
			 text_or_null(examination.top), "paths", paths);
}
