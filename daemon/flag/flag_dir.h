#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "deploy/names.h"
#include "flag/flag_open.h"
#include "flag/flag_watch.h"

/* For flag_*.c: one app's directory and how it is looked at. */

#define FLAG_TROUBLE_SIZE (FLAG_PATH_MAX + 512)

enum flag_dir_mode {
	FLAG_DIR_MODE_CLOSED, /* there is none, or it is not safe: opened again later */
	FLAG_DIR_MODE_EVENTS,
	FLAG_DIR_MODE_LOUD,   /* looked at every FLAG_WATCH_LOOK_MSEC for a while */
	FLAG_DIR_MODE_POLLED, /* opened and looked at every FLAG_WATCH_POLL_MSEC */
	FLAG_DIR_MODE_COUNT
};

enum flag_dir_trouble {
	FLAG_DIR_TROUBLE_DIRECTORY,
	FLAG_DIR_TROUBLE_FILE,
	FLAG_DIR_TROUBLE_COUNT
};

struct flag_dir {
	struct flag_dir *next;
	struct flag_watch *watch;
	char app[APP_NAME_MAX + 1];
	char path[FLAG_PATH_MAX];
	uid_t deploy_uid, app_uid;
	bool removed; /* freed when no job needs it */

	enum flag_dir_mode mode;
	int fd, parent_fd; /* owned, -1 = none */
	int wd, parent_wd; /* -1 = none */
	dev_t dev;
	ino_t ino;
	unsigned int retry_sec;

	uv_work_t work;
	struct flag_opened found; /* the thread's while is_opening */
	bool is_opening;
	bool stale;	       /* settings changed while opening: do it again */
	uint64_t opening_ms;   /* since when */
	uint64_t open_at_ms;   /* UINT64_MAX = never */
	uint64_t look_at_ms;   /* LOUD */
	uint64_t listen_at_ms; /* LOUD: calm enough? */

	bool dirty;
	uint64_t window_ms;
	unsigned int n_events; /* since then */

	bool looked; /* the caller knows whether there is a flag */
	bool have_flag;
	struct flag_identity identity; /* at the last look */
	uid_t owner;

	char troubles[FLAG_DIR_TROUBLE_COUNT][FLAG_TROUBLE_SIZE]; /* "" = none */
	uint64_t report_at_ms[FLAG_DIR_TROUBLE_COUNT];		  /* not before */
	char reported[FLAG_TROUBLE_SIZE]; /* what the caller was told last, "" = all is
					     well */
};

/* What a directory needs of flag_watch.c, which has all of them. */
struct flag_dir_host {
	/* A watch on the directory behind fd, -errno when there can be none. */
	int (*add)(struct flag_watch *watch, int fd, uint32_t mask);
	/* Ends *wd unless another app needs it, and sets it to -1. */
	void (*drop)(struct flag_watch *watch, int *wd);
	/* Something became due earlier. */
	void (*wake)(struct flag_watch *watch);
	/* A thread has ended, which may be what closing waits for. */
	void (*thread_over)(struct flag_watch *watch);
};

struct flag_watch {
	const struct flag_dir_host *host;
	uv_loop_t *loop;
	struct flag_watch_callbacks callbacks;
	void *userdata;
	struct flag_dir *dirs;
	uv_poll_t events, mounts;
	uv_timer_t timer; /* fires for whatever is due next */
	int inotify_fd, mounts_fd;
	int inotify_error; /* why there is no inotify_fd */
	bool have_events, have_mounts;
	uint64_t resume_at_ms; /* events are read again, UINT64_MAX = being read */
	uint64_t verify_at_ms; /* after a mount, UINT64_MAX = none */
	unsigned int n_jobs;
	unsigned int open_handles;
	bool closing;
	void (*on_closed)(void *userdata);
	void *closed_userdata;
	char buffer[FLAG_WATCH_READ_BYTES] __attribute__((aligned(8)));
};

struct flag_dir *flag_dir_new(struct flag_watch *watch, const char *app)
	__attribute__((warn_unused_result, nonnull));

/* Only when it is not being opened. */
void flag_dir_free(struct flag_dir *dir) __attribute__((nonnull));

/* Looks at the flag, unless that could hang, and keeps what it sees. */
void flag_dir_stat(struct flag_dir *dir) __attribute__((nonnull));

/* The same, and calls found when there is something to tell. */
void flag_dir_look(struct flag_dir *dir) __attribute__((nonnull));

/* What is due of this directory; its next time goes into *next_ms when earlier. */
void flag_dir_run(struct flag_dir *dir, uint64_t now_ms, uint64_t *next_ms)
	__attribute__((nonnull));

/* n events came that concern the directory itself or its entries. */
void flag_dir_events(struct flag_dir *dir, unsigned int n, uint32_t mask,
		     uint64_t now_ms) __attribute__((nonnull));

/* Another directory may be at the path: closes nothing before it is known. */
void flag_dir_reopen(struct flag_dir *dir, uint64_t at_ms) __attribute__((nonnull));

/* Forgets the directory it had; the next look is a first one again. */
void flag_dir_move(struct flag_dir *dir, const char *path) __attribute__((nonnull));
