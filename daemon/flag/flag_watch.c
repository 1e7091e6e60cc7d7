/*
 * The inotify instance of all apps, the watch on the mount table, and one timer for
 * whatever is due next. An event is only a reason to look: what it says is never
 * believed, so that lost ones (overflow) cost a look at every app and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "flag/flag_dir.h"

/* A mount seldom comes alone. */
#define MOUNTS_PAUSE_MSEC 100u

static void on_events(uv_poll_t *poll, int status, int events);
static void wake(struct flag_watch *watch);

static void earlier(uint64_t *next_ms, uint64_t at_ms)
{
	if (at_ms < *next_ms)
		*next_ms = at_ms;
}

/* --- closing -------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void maybe_free(struct flag_watch *watch)
{
	void (*on_closed)(void *userdata) = watch->on_closed;
	void *userdata = watch->closed_userdata;
	struct flag_dir *dir;

	if (!watch->closing || watch->open_handles > 0 || watch->n_jobs > 0)
		return;
	while ((dir = watch->dirs)) {
		watch->dirs = dir->next;
		flag_dir_free(dir);
	}
	close_fd(&watch->inotify_fd);
	close_fd(&watch->mounts_fd);
	free(watch);
	if (on_closed)
		on_closed(userdata);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct flag_watch *watch = handle->data;

	watch->open_handles--;
	maybe_free(watch);
}

static void thread_over(struct flag_watch *watch)
{
	if (watch->closing)
		maybe_free(watch);
	else
		wake(watch);
}

void flag_watch_close(struct flag_watch *watch, void (*on_closed)(void *userdata),
		      void *userdata)
{
	if (watch->closing)
		return;
	watch->closing = true;
	watch->on_closed = on_closed;
	watch->closed_userdata = userdata;
	if (watch->have_events)
		uv_close((uv_handle_t *)&watch->events, on_handle_closed);
	if (watch->have_mounts)
		uv_close((uv_handle_t *)&watch->mounts, on_handle_closed);
	uv_close((uv_handle_t *)&watch->timer, on_handle_closed);
}

/* --- inotify -------------------------------------------------------------------- */

/* Without an instance this is tried again whenever a watch is wanted. */
static int open_events(struct flag_watch *watch)
{
	int r;

	if (watch->have_events)
		return 0;
	watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify_fd < 0)
		return -errno;
	r = uv_poll_init(watch->loop, &watch->events, watch->inotify_fd);
	if (r < 0) {
		close_fd(&watch->inotify_fd);
		return r;
	}
	watch->events.data = watch;
	watch->have_events = true;
	watch->open_handles++;
	return uv_poll_start(&watch->events, UV_READABLE, on_events);
}

static int add_watch(struct flag_watch *watch, int fd, uint32_t mask)
{
	char path[64];
	int wd, r;

	r = open_events(watch);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* MASK_ADD: two apps may watch one directory, and have one wd for it. */
	wd = inotify_add_watch(watch->inotify_fd, path,
			       mask | IN_ONLYDIR | IN_EXCL_UNLINK | IN_MASK_ADD);
	return wd < 0 ? -errno : wd;
}

static void drop_watch(struct flag_watch *watch, int *wd)
{
	int old = *wd;

	*wd = -1;
	if (old < 0)
		return;
	for (const struct flag_dir *dir = watch->dirs; dir; dir = dir->next)
		if (dir->wd == old || dir->parent_wd == old)
			return;
	(void)inotify_rm_watch(watch->inotify_fd, old);
}

static void verify_all(struct flag_watch *watch, uint64_t now_ms)
{
	for (struct flag_dir *dir = watch->dirs; dir; dir = dir->next)
		flag_dir_reopen(dir, now_ms);
}

/* Events in a row that are of one directory. */
struct run {
	int wd;
	unsigned int n;
	uint32_t mask;
};

static void take_run(struct flag_watch *watch, const struct run *run, uint64_t now_ms)
{
	if (run->n == 0)
		return;
	if (run->mask & IN_Q_OVERFLOW)
		verify_all(watch, now_ms);
	for (struct flag_dir *dir = watch->dirs; dir; dir = dir->next) {
		if (run->mask & IN_Q_OVERFLOW)
			dir->dirty = true;
		else if (dir->wd == run->wd)
			flag_dir_events(dir, run->n, run->mask, now_ms);
		if (dir->parent_wd == run->wd) {
			if (run->mask & IN_IGNORED)
				dir->parent_wd = -1;
			flag_dir_reopen(dir, now_ms);
		}
	}
}

static void take_events(struct flag_watch *watch, size_t length, uint64_t now_ms)
{
	struct run run = {.wd = -1};
	size_t at = 0;

	while (at < length) {
		const struct inotify_event *event = (const void *)(watch->buffer + at);

		if (event->wd != run.wd) {
			take_run(watch, &run, now_ms);
			run = (struct run){.wd = event->wd};
		}
		run.n++;
		run.mask |= event->mask;
		at += sizeof(*event) + event->len;
	}
	take_run(watch, &run, now_ms);
}

static bool more_is_there(const struct flag_watch *watch)
{
	int left = 0;

	return ioctl(watch->inotify_fd, FIONREAD, &left) == 0 && left > 0;
}

static void read_events(struct flag_watch *watch)
{
	uint64_t now_ms = uv_now(watch->loop);
	ssize_t n = read(watch->inotify_fd, watch->buffer, sizeof(watch->buffer));

	if (n > 0)
		take_events(watch, (size_t)n, now_ms);
	for (struct flag_dir *dir = watch->dirs; dir; dir = dir->next)
		if (dir->dirty)
			flag_dir_look(dir);
	/* What the kernel merges meanwhile need not be read one by one. */
	if (watch->closing || more_is_there(watch))
		return;
	(void)uv_poll_stop(&watch->events);
	watch->resume_at_ms = now_ms + FLAG_WATCH_PAUSE_MSEC;
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct flag_watch *watch = poll->data;

	(void)status; /* the read tells */
	(void)events;
	read_events(watch);
	if (!watch->closing)
		wake(watch);
}

/* --- mounts --------------------------------------------------------------------- */

/* A mount over flags/, or its end, is no event of any directory. */
static void on_mounts(uv_poll_t *poll, int status, int events)
{
	struct flag_watch *watch = poll->data;

	(void)status;
	(void)events; /* having been polled is what resets it */
	earlier(&watch->verify_at_ms, uv_now(watch->loop) + MOUNTS_PAUSE_MSEC);
	wake(watch);
}

static void open_mounts(struct flag_watch *watch)
{
	/* Without it the regular verification finds the same, later. */
	watch->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (watch->mounts_fd < 0 ||
	    uv_poll_init(watch->loop, &watch->mounts, watch->mounts_fd) < 0)
		return;
	watch->mounts.data = watch;
	watch->have_mounts = true;
	watch->open_handles++;
	(void)uv_poll_start(&watch->mounts, UV_PRIORITIZED, on_mounts);
}

/* --- what is due ---------------------------------------------------------------- */

static void sweep(struct flag_watch *watch)
{
	struct flag_dir **slot = &watch->dirs;

	while (*slot) {
		struct flag_dir *dir = *slot;

		if (dir->removed && !dir->is_opening) {
			*slot = dir->next;
			flag_dir_free(dir);
		} else {
			slot = &dir->next;
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct flag_watch *watch = timer->data;
	uint64_t now_ms = uv_now(watch->loop), next_ms = UINT64_MAX;

	sweep(watch);
	if (watch->resume_at_ms <= now_ms) {
		watch->resume_at_ms = UINT64_MAX;
		(void)uv_poll_start(&watch->events, UV_READABLE, on_events);
	}
	if (watch->verify_at_ms <= now_ms) {
		watch->verify_at_ms = UINT64_MAX;
		verify_all(watch, now_ms);
	}
	for (struct flag_dir *dir = watch->dirs; dir; dir = dir->next)
		if (!dir->removed)
			flag_dir_run(dir, now_ms, &next_ms);
	earlier(&next_ms, watch->resume_at_ms);
	earlier(&next_ms, watch->verify_at_ms);
	/* A callback may have woken us for something that is due before. */
	if (watch->closing || next_ms == UINT64_MAX)
		return;
	if (!uv_is_active((uv_handle_t *)timer))
		(void)uv_timer_start(timer, on_timer,
				     next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

static void wake(struct flag_watch *watch)
{
	(void)uv_timer_start(&watch->timer, on_timer, 0, 0);
}

/* --- for the caller ------------------------------------------------------------- */

int flag_watch_new(uv_loop_t *loop, const struct flag_watch_callbacks *callbacks,
		   void *userdata, struct flag_watch **ret_watch)
{
	static const struct flag_dir_host host = {add_watch, drop_watch, wake,
						  thread_over};
	struct flag_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->host = &host;
	watch->loop = loop;
	watch->callbacks = *callbacks;
	watch->userdata = userdata;
	watch->inotify_fd = watch->mounts_fd = -1;
	watch->resume_at_ms = watch->verify_at_ms = UINT64_MAX;
	r = uv_timer_init(loop, &watch->timer);
	if (r < 0) {
		free(watch);
		return r;
	}
	watch->timer.data = watch;
	watch->open_handles = 1;
	/* Each app says so itself when there is none. */
	(void)open_events(watch);
	open_mounts(watch);
	*ret_watch = watch;
	return 0;
}

static struct flag_dir *find(const struct flag_watch *watch, const char *app)
{
	for (struct flag_dir *dir = watch->dirs; dir; dir = dir->next)
		if (!dir->removed && strcmp(dir->app, app) == 0)
			return dir;
	return NULL;
}

int flag_watch_set(struct flag_watch *watch, const char *app, const char *flags_dir,
		   uid_t deploy_uid, uid_t app_uid)
{
	struct flag_dir *dir = find(watch, app);

	if (strlen(flags_dir) >= FLAG_PATH_MAX)
		return -ENAMETOOLONG;
	if (!dir) {
		dir = flag_dir_new(watch, app);
		if (!dir)
			return -ENOMEM;
		dir->next = watch->dirs;
		watch->dirs = dir;
	} else if (strcmp(dir->path, flags_dir) == 0 && dir->deploy_uid == deploy_uid &&
		   dir->app_uid == app_uid) {
		return 0;
	}
	if (strcmp(dir->path, flags_dir) != 0)
		flag_dir_move(dir, flags_dir);
	dir->deploy_uid = deploy_uid;
	dir->app_uid = app_uid;
	flag_dir_reopen(dir, uv_now(watch->loop));
	wake(watch);
	return 0;
}

void flag_watch_remove(struct flag_watch *watch, const char *app)
{
	struct flag_dir *dir = find(watch, app);

	if (!dir)
		return;
	/* Freed from the timer: this may be one of its callbacks. */
	dir->removed = true;
	wake(watch);
}

int flag_watch_look(struct flag_watch *watch, const char *app,
		    struct flag_identity *ret_identity, uid_t *ret_owner)
{
	struct flag_dir *dir = find(watch, app);

	if (!dir)
		return -ENOENT;
	flag_dir_stat(dir);
	if (!dir->have_flag)
		return -ENOENT;
	*ret_identity = dir->identity;
	*ret_owner = dir->owner;
	return 0;
}

const char *flag_watch_trouble(const struct flag_watch *watch, const char *app)
{
	const struct flag_dir *dir = find(watch, app);

	for (int kind = 0; dir && kind < FLAG_DIR_TROUBLE_COUNT; kind++)
		if (dir->troubles[kind][0] != '\0')
			return dir->troubles[kind];
	return NULL;
}
