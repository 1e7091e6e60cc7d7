#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "deploy/varlink.h"

/*
 * A real deployd-session over real pipes, with the test as deployd and as its client.
 * Every wait has a deadline, and a failed expectation fails the test.
 */
struct world {
	pid_t pid;
	int words_fd, report_fd, fds_fd; /* deployd's ends */
	int client_fd;			 /* the client's end */
	int server_fd;			 /* what is handed over, until then */
	struct varlink_buffer up, down;	 /* words up, replies down */
};

#define REQUEST_TIMEOUT_MSEC 60000

/* Starts one and takes its "ready". */
void world_start(struct world *world);

/* The same as another user; by root only. */
void world_start_as(struct world *world, uid_t uid);

/*
 * The client connects, and can write before it is handed over: so that no timeout is
 * running meanwhile.
 */
void world_prepare(struct world *world);

/* Hands a client over, the prepared one or a new one, and takes "taken"; refuse may be
 * NULL, its reference is taken. */
void world_connect(struct world *world, int timeout_ms, json_t *refuse);

/* Both, with the usual timeout. */
void world_begin(struct world *world);

/* Closes all ends, and waits for the end of the process: its wait status. */
int world_end(struct world *world);

/* The same; it must have ended by itself, without a fault. */
void assert_ended(struct world *world);

/* deployd goes: its end of the words closes, and that of the report with it or not. */
void close_channel(struct world *world, bool report_too);

/* One end alone. */
void close_words(struct world *world);
void close_report(struct world *world);
void close_client(struct world *world);

/* Waits until the process has ended, whatever is still open; world_end() follows. */
void wait_ended(struct world *world);

/* Says a word, as json_pack() has it. The reference is taken. */
void say(struct world *world, json_t *word);

/* Any bytes, of a word or of none. */
void say_bytes(struct world *world, const void *data, size_t length);

/* Waits until the session has read all that was said. */
void wait_taken(struct world *world);

/* One with an fd, which stays the caller's. */
void say_fd(struct world *world, json_t *word, int fd);

/* The fd alone; or so many with one byte, which no deployd does. */
void send_fd(struct world *world, int fd);
void send_fds(struct world *world, const int *fds, size_t n_fds);

/* The next word up, which has to be of that type. Caller decrefs. */
json_t *expect_word(struct world *world, const char *type);

/* The next word up, whichever it is; NULL at the end. Caller decrefs. */
json_t *next_word(struct world *world);

/* expect_word(), for those without more to see. */
void skip_word(struct world *world, const char *type);

/* The next word up is a request with that number and so many fds. */
void expect_request(struct world *world, json_int_t number, json_int_t n_fds);

void expect_trouble(struct world *world, const char *what);

/* The session ends its pipe. */
void expect_end(struct world *world);

/* What the client says: a whole call, or any bytes, with fds. */
void client_call(struct world *world, const char *method, bool more);
void client_send(struct world *world, const void *data, size_t length, const int *fds,
		 size_t n_fds);

/* The next message that the client is sent. Caller decrefs. */
json_t *client_expect(struct world *world);
void client_expect_end(struct world *world);

/* Answers a request with {"n": n}, which client_expect_answer() takes. */
void answer(struct world *world, json_int_t request, json_int_t n);
void client_expect_answer(struct world *world, json_int_t n);

/* The same with so many bytes of text. */
void answer_big(struct world *world, json_int_t request, size_t length);
void client_expect_big(struct world *world, size_t length);

/* True when no word comes up though the session has seen all there is (a ping). */
bool nothing_comes_up(struct world *world);

/* Waits until fd is readable (or at its end), with the deadline. */
void wait_readable(int fd);

/* A pipe, both ends close-on-exec: ends[0] to read. */
void make_pipe(int ends[2]);

const char *text_of(const json_t *object, const char *key);
json_int_t number_of(const json_t *object, const char *key);
