#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/config_set.h"
#include "base/store_call.h"
#include "deploy/varlink.h"
#include "fake_spawner.h"
#include "health/verification.h"
#include "job/manager.h"
#include "server/service.h"

/*
 * The whole server room on a real loop: listening socket, sessions, dispatch, decisions
 * and the manager are deployd's own. What is around it is played by the test: the
 * session processes at the other ends of their pipes, deployd-sessions, journald, the
 * steps of a job, systemd, deployd-store and the name service. A failed expectation
 * fails the test; nothing is waited for longer than a few thousand turns of the loop.
 */

#define ROOM_PROCESSES_MAX 64
#define ROOM_PARKED_MAX	   16

/* Users of the name service; what each may do is in room.c. */
enum {
	ROOM_ROOT = 0,
	ROOM_ALICE = 1001,   /* everything to hello */
	ROOM_BOB = 1002,     /* status of hello */
	ROOM_CAROL = 1003,   /* deploy and stage to hello, with a sha256 */
	ROOM_DAVE = 1004,    /* nothing */
	ROOM_ERIN = 1005,    /* status and restart of every app */
	ROOM_SINGLE = 2000,  /* + enum right: that right to hello */
	ROOM_UNLUCKY = 3000, /* the name service fails */
	ROOM_LENT = 100000,  /* and above: lent to alice by /etc/subuid */
};

/* A deployd-session, and the client it speaks for. */
struct process {
	uint64_t number;
	bool there; /* not ended yet */
	struct channel_ends ends;
	struct varlink_buffer heard;
	json_int_t request; /* the last */
	int client;	    /* the client's end of its connection; -1: none */
	int connection;	    /* this process's end */
	json_t *refuse;	    /* what it was told to refuse the client with */
	pid_t pid;	    /* stands for it; 0: none */
};

/* A question that the test answers when it likes. */
struct parked {
	void *userdata;
	unit_state_fn state;
	void (*verified)(void *userdata, const struct verification_outcome *outcome);
	user_found_fn found;
	uint64_t id;
	uid_t uid;
};

struct room {
	uv_loop_t loop;
	uv_timer_t tick; /* no turn of the loop waits for ever */
	struct config_current config;
	struct manager manager;
	struct service service;
	struct fake_spawner spawner;
	int listen_fd, journald;
	char listen_path[96], journal_path[96];
	char journal[65536]; /* every entry so far, as one text */
	size_t journal_length;
	uint64_t skew_ms; /* what uv_now() is ahead of itself */

	struct process processes[ROOM_PROCESSES_MAX];
	size_t n_processes;
	bool mute; /* new processes do not say that they are ready */

	uid_t next_uid; /* of who connects next */
	bool names_are_late;
	struct parked names[ROOM_PARKED_MAX];
	size_t n_names;

	bool units_are_late, units_without_memory;
	struct unit_state unit;
	int unit_error;
	struct parked queries[ROOM_PARKED_MAX];
	size_t n_queries;
	unsigned int n_verifications;
	struct parked verification; /* under way */
	const char *flag_trouble;

	struct store_call *store; /* under way */
	json_t *store_fields;
	bool store_cannot_start;
	struct store_call *audit;
	unsigned int n_audits;

	void (*log_done)(void *userdata, int error); /* NULL: no log is read */
	void *log_userdata;
	unsigned int n_logs, n_logs_cancelled;
	bool log_without_memory;

	unsigned int n_reloads;
	reload_done_fn reload_done; /* NULL: none is under way */
	uint64_t reload_session;

	enum job_action action; /* the last that a job asked for */
	unsigned int n_actions, n_kills, n_idle, n_ended;
};
extern struct room room;

/* In main(), once. TEST_FILTER= is a pattern for the names of the tests to run. */
void room_init(void);

int room_setup(void **state);
int room_teardown(void **state);
#define ROOM_TEST(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

/* One turn of the loop; reads what deployd-sessions and journald are sent. */
void room_turn(void);
/* Turns until the condition holds; fails the test when it never does. */
#define ROOM_UNTIL(condition)                                                          \
	do {                                                                           \
		for (unsigned int turns_ = 0; !(condition); turns_++) {                \
			assert_true(turns_ < 8000);                                    \
			room_turn();                                                   \
		}                                                                      \
	} while (0)
/* A few turns, for what must not happen. */
void room_settle(void);

bool room_journal_has(const char *text);
void room_stop_journald(void);
void room_start_journald(void);

/* --- clients and their sessions --------------------------------------------------- */

/* A client of this user; the connection waits until a process takes it. */
int room_dial(uid_t uid);
/* Which process was handed the connection (and has not said so yet). */
struct process *room_handed(int client);
/* The whole of it: a client whose process has taken it, ready for requests. */
struct process *room_connect(uid_t uid);
/* Its session as deployd has it; NULL: none. */
struct session *room_session(const struct process *process);

void room_say(const struct process *process, const char *text);
void room_say_bytes(const struct process *process, const void *data, size_t length);
/* Waits until deployd has read everything. */
void room_let_read(const struct process *process);
/* The next word for the process, NULL: none now. The caller owns it. */
json_t *room_hear(struct process *process);
/* Waits for a word of this type. */
json_t *room_expect(struct process *process, const char *type);
/* The fd that comes with a word. */
int room_take_fd(const struct process *process);
void room_expect_silence(struct process *process);

/* A request, as deployd-session passes it on; call is the client's message. */
void room_ask(struct process *process, const char *call);
void room_ask_with_fds(struct process *process, int n_fds, const char *call);
/* Its replies: {error, parameters, continues}; the caller owns them. */
json_t *room_reply(struct process *process);
/* The last reply is this error, and its message (or parameter) has this text. */
void room_expect_error(struct process *process, const char *error, const char *text);
/* The last reply is no error; its parameters, the caller's. */
json_t *room_expect_ok(struct process *process);
/* The next reply continues, with progress of this phase. */
void room_expect_progress(struct process *process, const char *phase);

/* The process ends: its pipes first, then deployd-sessions says so. */
void room_close_ends(struct process *process);
void room_say_ended(struct process *process);
void room_end(struct process *process);
/* A real process stands for it, and deployd is told of it. */
void room_embody(struct process *process);
/* True when the process was killed: waits for it. */
bool room_was_killed(struct process *process);

/* --- jobs ------------------------------------------------------------------------ */

struct job *room_running(const char *app);
/* The step of the app's job under way ends. */
void room_step(const char *app, bool ok);
/* Every job runs to its end. */
void room_finish_all(bool ok);
void room_take_view(const char *app, const char *json);
