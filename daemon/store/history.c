/* /var/lib/deployd/APP/history: one JSON object a line, the oldest first. */
#include "store/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/record.h"
#include "store/request.h"
#include "store/room.h"
#include "store/verbs.h"
#include "util/fdio.h"
#include "util/file.h"

#define HISTORY_NAME	  "history"
#define HISTORY_BYTES_MAX (1u << 20) /* then only the newest lines are kept */
#define HISTORY_LINES_MAX 1000
#define HISTORY_LINE_MAX  16384
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

static char *failed(struct errinfo *ei, int err, const char *what)
{
	(void)errinfo_set(ei, err, "%s", what);
	return NULL;
}

/* The end of the history, from the beginning of a line; "" when there is none. NULL: ei
 * says why. The caller frees. */
static char *read_end(const struct store *store, struct errinfo *ei)
{
	cleanup_free char *text = zeroed(HISTORY_READ_MAX + 1, 1);
	cleanup_close int fd = -1;
	size_t length = 0;
	struct stat st;
	off_t start;

	if (!text)
		return failed(ei, ENOMEM, "cannot read the history");
	fd = openat(store->state_fd, HISTORY_NAME,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return failed(ei, errno, "cannot open the history");
	if (fd >= 0 && fstat(fd, &st) < 0)
		return failed(ei, errno, "cannot read the history");
	start = fd >= 0 && st.st_size > (off_t)HISTORY_READ_MAX
			? st.st_size - (off_t)HISTORY_READ_MAX
			: 0;
	while (fd >= 0 && length < HISTORY_READ_MAX) {
		ssize_t n = pread(fd, text + length, HISTORY_READ_MAX - length,
				  start + (off_t)length);

		if (n < 0)
			return failed(ei, errno, "cannot read the history");
		if (n == 0)
			break;
		length += (size_t)n;
	}
	/* A crash may have left zeros where data had not reached the disk. */
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[length] = '\0';
	return steal_ptr(&text);
}

static int rotate(struct store *store, struct errinfo *ei)
{
	cleanup_free char *text = read_end(store, ei);
	const char *kept;

	if (!text)
		return -EINVAL;
	kept = tail(text, HISTORY_LINES_MAX);
	/* Lines may be long: half of the room must come free in any case. */
	while (strlen(kept) > HISTORY_BYTES_MAX / 2) {
		const char *end = strchr(kept, '\n');

		kept = end ? end + 1 : kept + strlen(kept);
	}
	return record_replace(store, store->state_fd, HISTORY_NAME, kept, ei);
}

/*
 * One line with a newline in place of its NUL; a message that would make it too long is
 * left out.
 */
static char *line_of(json_t *entry, size_t *ret_length, struct errinfo *ei)
{
	char *line = json_dumps(entry, JSON_COMPACT);
	size_t length = line ? strlen(line) : 0;

	if (length >= HISTORY_LINE_MAX) {
		free(line);
		(void)json_object_set_new(entry, "message", json_null());
		line = json_dumps(entry, JSON_COMPACT);
		length = line ? strlen(line) : 0;
	}
	if (!line || length >= HISTORY_LINE_MAX) {
		(void)request_refuse("history", ei);
		free(line);
		return NULL;
	}
	line[length] = '\n';
	*ret_length = length + 1;
	return line;
}

static int append_once(const struct store *store, const char *line, size_t length,
		       off_t *ret_size, struct errinfo *ei)
{
	cleanup_close int fd =
		openat(store->state_fd, HISTORY_NAME,
		       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	char last = '\n';
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot open the history");
	/* A crash may have torn the last line: ours must not join it. */
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		r = fd_write_all(fd, "\n", 1);
	if (r == 0)
		r = fd_write_all(fd, line, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return errinfo_set(ei, r, "cannot write the history");
	*ret_size = st.st_size + (off_t)length;
	return st.st_size == 0 ? dir_sync(store->state_fd, store->app.state_dir, ei)
			       : 0;
}

int history_append(struct store *store, json_t *entry, struct errinfo *ei)
{
	cleanup_free char *line = NULL;
	struct errinfo problem = {0};
	size_t length = 0;
	off_t size = 0;
	int r;

	line = line_of(entry, &length, ei);
	if (!line)
		return -EINVAL;
	r = append_once(store, line, length, &size, ei);
	if (r < 0 && ei->result == RESULT_NO_SPACE && room_make(store, &problem) == 0)
		r = append_once(store, line, length, &size, ei);
	if (r < 0)
		return r;
	/* The line is there; that the file is long can be seen to another time. */
	if (size > (off_t)HISTORY_BYTES_MAX)
		(void)rotate(store, &problem);
	return 0;
}

/* Before schema 3 the kind of a job was its operation. */
static void upgrade(json_t *entry)
{
	json_t *kind = json_object_get(entry, "operation");

	if (kind && !json_object_get(entry, "kind"))
		(void)json_object_set(entry, "kind", kind);
	(void)json_object_del(entry, "operation");
}

/* The entry of the line that ends at end, the caller's; NULL: it is none, it was torn.
 */
static json_t *entry_before(const char *text, const char *end, const char **ret_line)
{
	const char *line = end - 1;
	json_t *entry;

	while (line > text && line[-1] != '\n')
		line--;
	*ret_line = line;
	entry = json_loadb(line, (size_t)(end - line), 0, NULL);
	if (json_is_object(entry)) {
		upgrade(entry);
		return entry;
	}
	json_decref(entry);
	return NULL;
}

static bool has_key(const json_t *entry, const char *key)
{
	const char *own = json_string_value(json_object_get(entry, "key"));

	return own && strcmp(own, key) == 0;
}

int verb_lookup(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const char *key = request_text(request, "key");
	cleanup_json json_t *keyed = NULL, *latest = NULL;
	cleanup_free char *text = read_end(store, ei);
	const char *end;

	if (!text)
		return -EINVAL;
	end = text + strlen(text);
	while (end > text && (!latest || (key && !keyed))) {
		json_t *entry = entry_before(text, end, &end);

		if (entry && key && !keyed && has_key(entry, key))
			keyed = json_incref(entry);
		if (entry && !latest)
			latest = json_incref(entry);
		json_decref(entry);
	}
	if (json_object_set_new(reply, "keyed",
				keyed ? json_incref(keyed) : json_null()) < 0 ||
	    json_object_set_new(reply, "latest",
				latest ? json_incref(latest) : json_null()) < 0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return 0;
}

int verb_history(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	cleanup_json json_t *entries = json_array();
	json_int_t limit = request_int(request, "limit");
	cleanup_free char *text = read_end(store, ei);
	const char *end;

	if (!text)
		return -EINVAL;
	end = text + strlen(text);
	while (end > text && (json_int_t)json_array_size(entries) < limit) {
		json_t *entry = entry_before(text, end, &end);

		if (entry)
			(void)json_array_append_new(entries, entry);
	}
	if (json_object_set(reply, "entries", entries) < 0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return 0;
}
