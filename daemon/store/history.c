/* /var/lib/deployd/APP/history: one JSON object a line, the oldest first. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/store.h"
#include "util/fdio.h"

#define HISTORY_NAME	  "history"
#define HISTORY_BYTES_MAX (1u << 20) /* then only the newest lines are kept */
#define HISTORY_LINES_MAX 1000
#define HISTORY_READ_MAX  (HISTORY_BYTES_MAX + 65536u)

/* The newest lines of text: where the n-th from the end begins. */
static const char *tail(const char *text, size_t n)
{
	const char *p = text + strlen(text);

	while (p > text && n > 0) {
		p--;
		while (p > text && p[-1] != '\n')
			p--;
		n--;
	}
	return p;
}

static int rotate(struct store *store, struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	const char *kept;
	int r;

	r = file_read(store->state_fd, HISTORY_NAME, HISTORY_READ_MAX, &text, ei);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	kept = tail(text, HISTORY_LINES_MAX);
	/* Lines may be long: half of the room must come free in any case. */
	while (strlen(kept) > HISTORY_BYTES_MAX / 2) {
		const char *end = strchr(kept, '\n');

		kept = end ? end + 1 : kept + strlen(kept);
	}
	return file_replace(store->state_fd, HISTORY_NAME, kept, strlen(kept), ei);
}

int history_append(struct store *store, json_t *entry, struct errinfo *ei)
{
	cleanup_free char *line = json_dumps(entry, JSON_COMPACT);
	cleanup_close int fd = -1;
	struct stat st;
	size_t length;
	int r;

	if (!json_is_object(entry) || !line)
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: history");
	length = strlen(line);
	line[length++] = '\n';
	fd = openat(store->state_fd, HISTORY_NAME,
		    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot open the history");
	if (st.st_size > 0) {
		char last = '\n';

		/* A crash may have torn the last line: ours must not join it. */
		if (pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
		    fd_write_all(fd, "\n", 1) < 0)
			return errinfo_set(ei, errno, "cannot write the history");
	}
	r = fd_write_all(fd, line, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return errinfo_set(ei, r, "cannot write the history");
	return st.st_size + (off_t)length > (off_t)HISTORY_BYTES_MAX ? rotate(store, ei)
								     : 0;
}

int verb_record(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	json_t *history;
	int r;

	(void)reply;
	r = request_unpack(request, ei, "{s:o}", "history", &history);
	return r < 0 ? r : history_append(store, history, ei);
}

int verb_history(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	cleanup_json json_t *entries = json_array();
	cleanup_free char *text = NULL;
	json_int_t limit;
	char *end;
	int r;

	r = request_unpack(request, ei, "{s:I}", "limit", &limit);
	if (r < 0)
		return r;
	r = file_read(store->state_fd, HISTORY_NAME, HISTORY_READ_MAX, &text, ei);
	if (r < 0 && r != -ENOENT)
		return r;
	end = text ? text + strlen(text) : NULL;
	while (text && end > text && json_array_size(entries) < (size_t)limit) {
		char *line = end - 1;
		json_t *entry;

		while (line > text && line[-1] != '\n')
			line--;
		entry = json_loadb(line, (size_t)(end - line), 0, NULL);
		if (json_is_object(entry))
			(void)json_array_append(entries, entry);
		json_decref(entry);
		end = line;
	}
	if (json_object_set(reply, "entries", entries) < 0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return 0;
}
