/*
 * One app's flags directory. It is opened in a thread, since the file system may hang;
 * it is looked at from the loop only where that cannot happen. The directory belongs to
 * the app's users: nothing here opens, writes or follows anything in it.
 */
#include "flag/flag_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Who removes or replaces flags/ does it in the directory above. */
#define FLAGS_MASK                                                                     \
	(IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF |       \
	 IN_MOVE_SELF)
#define PARENT_MASK (FLAGS_MASK | IN_DELETE | IN_MOVED_FROM)
#define GONE_MASK   (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* --- trouble -------------------------------------------------------------------- */

static void set_trouble(struct flag_dir *dir, enum flag_dir_trouble kind,
			const char *text)
{
	(void)snprintf(dir->troubles[kind], sizeof(dir->troubles[kind]), "%s", text);
}

static void report(struct flag_dir *dir, const char *text)
{
	(void)snprintf(dir->reported, sizeof(dir->reported), "%s", text);
	dir->watch->callbacks.trouble(dir->watch->userdata, dir->app,
				      text[0] ? dir->reported : NULL);
}

/* The app's users can make trouble at will: each kind is told once a minute. */
static void report_trouble(struct flag_dir *dir, uint64_t now_ms, uint64_t *next_ms)
{
	for (int kind = 0; kind < FLAG_DIR_TROUBLE_COUNT; kind++) {
		const char *text = dir->troubles[kind];

		if (text[0] == '\0')
			continue;
		if (strcmp(text, dir->reported) == 0)
			return;
		if (dir->report_at_ms[kind] <= now_ms) {
			dir->report_at_ms[kind] = now_ms + FLAG_WATCH_REPORT_MSEC;
			report(dir, text);
		} else if (dir->report_at_ms[kind] < *next_ms) {
			*next_ms = dir->report_at_ms[kind];
		}
		return;
	}
	if (dir->reported[0] != '\0')
		report(dir, "");
}

/* --- looking -------------------------------------------------------------------- */

static const char *refusal(const struct flag_dir *dir, const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return "is a symbolic link";
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_nlink != 1)
		return "has other names (hard links)";
	if (st->st_uid != 0 && st->st_uid != dir->deploy_uid &&
	    st->st_uid != dir->app_uid)
		return "belongs to neither deploy_user nor app_user";
	return NULL;
}

static struct flag_identity identity_of(const struct stat *st)
{
	return (struct flag_identity){
		.ino = st->st_ino,
		.ctime_nsec =
			(int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
		.mtime_nsec =
			(int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
		.size = st->st_size,
	};
}

/* What a look says; error: -errno of lstat. Calls nobody. */
static void take_flag(struct flag_dir *dir, int error, const struct stat *st)
{
	const char *why = error == 0 ? refusal(dir, st) : NULL;
	char text[FLAG_TROUBLE_SIZE] = "";

	dir->have_flag = error == 0 && !why;
	if (why)
		(void)snprintf(text, sizeof(text),
			       "'%s/" FLAG_FILE_NAME "' %s and is ignored; remove it",
			       dir->path, why);
	else if (error < 0 && error != -ENOENT)
		(void)snprintf(text, sizeof(text),
			       "cannot examine '%s/" FLAG_FILE_NAME "': %s", dir->path,
			       strerror(-error));
	set_trouble(dir, FLAG_DIR_TROUBLE_FILE, text);
	if (!dir->have_flag)
		return;
	dir->identity = identity_of(st);
	dir->owner = st->st_uid;
}

static void tell(struct flag_dir *dir)
{
	const struct flag_watch *watch = dir->watch;
	struct flag_identity identity = dir->identity;

	if (dir->removed || watch->closing || (dir->looked && !dir->have_flag))
		return;
	dir->looked = true;
	watch->callbacks.found(watch->userdata, dir->app,
			       dir->have_flag ? &identity : NULL, dir->owner);
}

void flag_dir_stat(struct flag_dir *dir)
{
	struct stat st;
	int r;

	dir->dirty = false;
	if (dir->mode != FLAG_DIR_MODE_EVENTS && dir->mode != FLAG_DIR_MODE_LOUD)
		return;
	r = fstatat(dir->fd, FLAG_FILE_NAME, &st, AT_SYMLINK_NOFOLLOW);
	take_flag(dir, r < 0 ? -errno : 0, &st);
}

void flag_dir_look(struct flag_dir *dir)
{
	flag_dir_stat(dir);
	tell(dir);
}

/* --- opening -------------------------------------------------------------------- */

static void on_open_work(uv_work_t *work)
{
	/* Of the directory nothing but this belongs to the thread. */
	flag_open(&((struct flag_dir *)work->data)->found);
}

static void take_parent(struct flag_dir *dir)
{
	struct flag_opened *found = &dir->found;
	int wd = -1;

	/* The old watch goes last: a directory that stays keeps its watch. */
	if (found->parent_fd >= 0)
		wd = dir->watch->host->add(dir->watch, found->parent_fd, PARENT_MASK);
	if (dir->parent_wd != wd)
		dir->watch->host->drop(dir->watch, &dir->parent_wd);
	dir->parent_wd = wd < 0 ? -1 : wd;
	close_fd(&dir->parent_fd);
	dir->parent_fd = found->parent_fd;
	found->parent_fd = -1;
}

static void close_dir(struct flag_dir *dir)
{
	dir->watch->host->drop(dir->watch, &dir->wd);
	close_fd(&dir->fd);
	dir->mode = FLAG_DIR_MODE_CLOSED;
	dir->have_flag = false;
}

static void take_failure(struct flag_dir *dir, uint64_t now_ms)
{
	bool missing = dir->found.error == -ENOENT;

	close_dir(dir);
	set_trouble(dir, FLAG_DIR_TROUBLE_FILE, "");
	set_trouble(dir, FLAG_DIR_TROUBLE_DIRECTORY, dir->found.why.what);
	dir->retry_sec = dir->retry_sec == 0 ? 1 : dir->retry_sec * 2;
	if (dir->retry_sec > FLAG_WATCH_RETRY_SEC_MAX)
		dir->retry_sec = FLAG_WATCH_RETRY_SEC_MAX;
	flag_dir_reopen(dir, now_ms + dir->retry_sec * UINT64_C(1000));
	/* What is made with the directory later is a touch. */
	if (missing)
		tell(dir);
}

static void poll_instead(struct flag_dir *dir, const char *why, uint64_t now_ms)
{
	char text[FLAG_TROUBLE_SIZE];

	(void)snprintf(text, sizeof(text), "'%s' is checked only every %u s: %s",
		       dir->path, FLAG_WATCH_POLL_MSEC / 1000, why);
	set_trouble(dir, FLAG_DIR_TROUBLE_DIRECTORY, text);
	dir->watch->host->drop(dir->watch, &dir->wd);
	dir->mode = FLAG_DIR_MODE_POLLED;
	take_flag(dir, dir->found.flag_error, &dir->found.flag);
	flag_dir_reopen(dir, now_ms + FLAG_WATCH_POLL_MSEC);
	tell(dir);
}

static const char *no_events_words(int error)
{
	if (error == -ENOSPC)
		return "no inotify watch is left; raise fs.inotify.max_user_watches";
	if (error == -EMFILE)
		return "no inotify instance is left; raise "
		       "fs.inotify.max_user_instances";
	return strerror(-error);
}

static void listen_again(struct flag_dir *dir, uint64_t now_ms)
{
	int wd = dir->watch->host->add(dir->watch, dir->fd, FLAGS_MASK);

	if (wd < 0) {
		poll_instead(dir, no_events_words(wd), now_ms);
		return;
	}
	if (dir->wd != wd)
		dir->watch->host->drop(dir->watch, &dir->wd);
	dir->wd = wd;
	dir->mode = FLAG_DIR_MODE_EVENTS;
	dir->window_ms = now_ms;
	dir->n_events = 0;
	set_trouble(dir, FLAG_DIR_TROUBLE_DIRECTORY, "");
	/* After the watch is set: what came before it is seen now. */
	flag_dir_look(dir);
}

static void take_success(struct flag_dir *dir, uint64_t now_ms)
{
	struct flag_opened *found = &dir->found;
	bool same = dir->fd >= 0 && dir->dev == found->st.st_dev &&
		    dir->ino == found->st.st_ino;

	dir->retry_sec = 0;
	flag_dir_reopen(dir, now_ms + FLAG_WATCH_VERIFY_MSEC);
	if (same && dir->mode == FLAG_DIR_MODE_LOUD) {
		set_trouble(dir, FLAG_DIR_TROUBLE_DIRECTORY, "");
		return;
	}
	if (!same)
		dir->watch->host->drop(dir->watch, &dir->wd);
	close_fd(&dir->fd);
	dir->fd = found->fd;
	found->fd = -1;
	dir->dev = found->st.st_dev;
	dir->ino = found->st.st_ino;
	if (found->remote)
		poll_instead(dir, "its file system tells of no changes", now_ms);
	else
		listen_again(dir, now_ms);
}

static void on_open_done(uv_work_t *work, int status)
{
	struct flag_dir *dir = work->data;
	struct flag_opened *found = &dir->found;
	uint64_t now_ms = uv_now(dir->watch->loop);

	dir->is_opening = false;
	dir->watch->n_jobs--;
	if (status == 0 && !dir->removed && !dir->watch->closing) {
		take_parent(dir);
		if (dir->stale)
			flag_dir_reopen(dir, now_ms);
		else if (found->error < 0)
			take_failure(dir, now_ms);
		else
			take_success(dir, now_ms);
	}
	close_fd(&found->fd);
	close_fd(&found->parent_fd);
	dir->watch->host->thread_over(dir->watch);
}

static void start_opening(struct flag_dir *dir, uint64_t now_ms)
{
	struct flag_opened *found = &dir->found;

	dir->open_at_ms = UINT64_MAX;
	dir->stale = false;
	*found = (struct flag_opened){.fd = -1, .parent_fd = -1};
	dir->work.data = dir;
	(void)memcpy(found->path, dir->path, sizeof(found->path));
	if (uv_queue_work(dir->watch->loop, &dir->work, on_open_work, on_open_done) <
	    0) {
		flag_dir_reopen(dir, now_ms + 1000);
		return;
	}
	dir->is_opening = true;
	dir->opening_ms = now_ms;
	dir->watch->n_jobs++;
}

void flag_dir_reopen(struct flag_dir *dir, uint64_t at_ms)
{
	if (dir->is_opening)
		dir->stale = true;
	else
		dir->open_at_ms = at_ms;
}

/* --- what is due ---------------------------------------------------------------- */

static void earlier(uint64_t *next_ms, uint64_t at_ms)
{
	if (at_ms < *next_ms)
		*next_ms = at_ms;
}

static void run_opening(struct flag_dir *dir, uint64_t now_ms, uint64_t *next_ms)
{
	char text[FLAG_TROUBLE_SIZE];

	if (!dir->is_opening && dir->open_at_ms <= now_ms &&
	    dir->watch->n_jobs < FLAG_WATCH_JOBS_MAX)
		start_opening(dir, now_ms);
	if (!dir->is_opening) {
		/* The end of a job wakes those that wait for one. */
		if (dir->open_at_ms > now_ms)
			earlier(next_ms, dir->open_at_ms);
		return;
	}
	if (now_ms - dir->opening_ms < FLAG_WATCH_HUNG_MSEC) {
		earlier(next_ms, dir->opening_ms + FLAG_WATCH_HUNG_MSEC);
		return;
	}
	(void)snprintf(text, sizeof(text), "the file system of '%s' does not answer",
		       dir->path);
	set_trouble(dir, FLAG_DIR_TROUBLE_DIRECTORY, text);
}

static void run_loud(struct flag_dir *dir, uint64_t now_ms, uint64_t *next_ms)
{
	if (dir->look_at_ms <= now_ms) {
		dir->look_at_ms = now_ms + FLAG_WATCH_LOOK_MSEC;
		flag_dir_look(dir);
	}
	if (dir->mode == FLAG_DIR_MODE_LOUD && dir->listen_at_ms <= now_ms)
		listen_again(dir, now_ms);
	if (dir->mode == FLAG_DIR_MODE_LOUD) {
		earlier(next_ms, dir->look_at_ms);
		earlier(next_ms, dir->listen_at_ms);
	}
}

void flag_dir_run(struct flag_dir *dir, uint64_t now_ms, uint64_t *next_ms)
{
	run_opening(dir, now_ms, next_ms);
	if (dir->mode == FLAG_DIR_MODE_LOUD)
		run_loud(dir, now_ms, next_ms);
	if (!dir->removed && !dir->watch->closing)
		report_trouble(dir, now_ms, next_ms);
}

static void go_loud(struct flag_dir *dir, uint64_t now_ms)
{
	dir->watch->host->drop(dir->watch, &dir->wd);
	dir->mode = FLAG_DIR_MODE_LOUD;
	dir->look_at_ms = now_ms + FLAG_WATCH_LOOK_MSEC;
	dir->listen_at_ms = now_ms + FLAG_WATCH_MUTED_MSEC;
}

void flag_dir_events(struct flag_dir *dir, unsigned int n, uint32_t mask,
		     uint64_t now_ms)
{
	dir->dirty = true;
	if (mask & GONE_MASK)
		flag_dir_reopen(dir, now_ms);
	if (mask & IN_IGNORED)
		dir->wd = -1; /* the kernel has ended it */
	if (now_ms - dir->window_ms >= FLAG_WATCH_LOUD_MSEC) {
		dir->window_ms = now_ms;
		dir->n_events = 0;
	}
	dir->n_events += n;
	if (dir->mode == FLAG_DIR_MODE_EVENTS &&
	    dir->n_events > FLAG_WATCH_LOUD_EVENTS_MAX)
		go_loud(dir, now_ms);
}

struct flag_dir *flag_dir_new(struct flag_watch *watch, const char *app)
{
	struct flag_dir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return NULL;
	dir->watch = watch;
	(void)snprintf(dir->app, sizeof(dir->app), "%s", app);
	dir->fd = dir->parent_fd = dir->wd = dir->parent_wd = -1;
	dir->found.fd = dir->found.parent_fd = -1;
	return dir;
}

void flag_dir_move(struct flag_dir *dir, const char *path)
{
	close_dir(dir);
	dir->looked = false;
	dir->retry_sec = 0;
	(void)snprintf(dir->path, sizeof(dir->path), "%s", path);
}

void flag_dir_free(struct flag_dir *dir)
{
	close_dir(dir);
	dir->watch->host->drop(dir->watch, &dir->parent_wd);
	close_fd(&dir->parent_fd);
	free(dir);
}
