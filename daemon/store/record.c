/* The files below state_dir. All of them can be made again from what is in releases/.
 */
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/room.h"
#include "util/file.h"
#include "util/treewalk.h"

static int make_room(void *userdata, struct errinfo *ei)
{
	return room_make(userdata, ei);
}

int record_replace(struct store *store, int dir_fd, const char *name, const char *text,
		   struct errinfo *ei)
{
	const struct file_room room = {make_room, store};

	return file_replace(dir_fd, name, text, &room, ei);
}

int record_set_aside(int dir_fd, const char *name, mode_t type, struct errinfo *ei)
{
	char aside[96];
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : errinfo_set(ei, errno, "cannot examine '%s'", name);
	if ((st.st_mode & S_IFMT) == type)
		return 0;
	(void)snprintf(aside, sizeof(aside), ".%s.damaged", name);
	r = tree_remove(dir_fd, aside, ei);
	if (r == 0 && renameat(dir_fd, name, dir_fd, aside) < 0)
		r = errinfo_set(ei, errno, "cannot move '%s' aside", name);
	return r;
}

int record_check_schema(const struct store *store, const json_t *schema,
			const char *file, struct errinfo *ei)
{
	json_int_t number = json_integer_value(schema);

	if (number <= STORE_SCHEMA)
		return 0;
	return errinfo_refuse(
		ei, RESULT_BAD_CONFIG,
		"'%s/%s' was written by a newer deployd (format %lld, this one reads "
		"up "
		"to %d): install that one again, or move '%s' away; releases are kept, "
		"what is known of them is lost",
		store->app.state_dir, file, (long long)number, STORE_SCHEMA,
		store->app.state_dir);
}
