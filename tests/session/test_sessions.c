/* deployd-sessions over a real socket, with real sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sessions/spawner.h"
#include "world.h"

#define STRANGER 61236
#define BURST	 300

struct channel {
	int words_fd, report_fd, fds_fd; /* deployd's ends */
};

struct deployd {
	int connection_fd;
	FILE *report;
};

static char dir[] = "/tmp/deployd-test-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static pid_t spawner_pid;

static void become_spawner(int listen_fd)
{
	char pid[64];
	char option[] = "--session=" SESSION;
	char *const argv[] = {(char *)"deployd-sessions", option, NULL};
	char *const environment[] = {pid, (char *)"LISTEN_FDS=1", NULL};

	(void)snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
	if (listen_fd == 3)
		(void)fcntl(3, F_SETFD, 0);
	else if (dup2(listen_fd, 3) < 0)
		_exit(120);
	(void)execve(SPAWNER, argv, environment);
	_exit(121);
}

static int set_up(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rlimit files;

	(void)state;
	/* Three for each of the sessions that are there at once. */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (fd < 0 || !mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/sessions", dir);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0666) < 0 || listen(fd, 16) < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	spawner_pid = fork();
	if (spawner_pid == 0)
		become_spawner(fd);
	(void)close(fd);
	return spawner_pid < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	int status = 0;

	(void)state;
	/* It is still there, and ends when it is told to. */
	if (waitpid(spawner_pid, &status, WNOHANG) != 0)
		return -1;
	(void)kill(spawner_pid, SIGTERM);
	(void)waitpid(spawner_pid, &status, 0);
	(void)unlink(address.sun_path);
	(void)rmdir(dir);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : -1;
}

static void send_message(int fd, const char *text, size_t length, const int *fds,
			 size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)text, length};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = n_fds ? control.bytes : NULL,
				.msg_controllen =
					n_fds ? CMSG_SPACE(sizeof(int) * n_fds) : 0};
	struct cmsghdr *c;

	if (n_fds > 0) {
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(fd, &header, MSG_NOSIGNAL), length);
}

static struct deployd begin(void)
{
	struct deployd deployd;
	int ends[2];

	deployd.connection_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(deployd.connection_fd >= 0);
	assert_int_equal(connect(deployd.connection_fd, (struct sockaddr *)&address,
				 sizeof(address)),
			 0);
	assert_int_equal(shutdown(deployd.connection_fd, SHUT_RD), 0);
	make_pipe(ends);
	send_message(deployd.connection_fd, "x", 1, &ends[1], 1);
	(void)close(ends[1]);
	deployd.report = fdopen(ends[0], "r");
	assert_non_null(deployd.report);
	return deployd;
}

static void end(struct deployd *deployd)
{
	(void)close(deployd->connection_fd);
	(void)fclose(deployd->report);
}

static struct channel order(const struct deployd *deployd, unsigned int number)
{
	int words[2], report[2], fds[2];
	char text[32];

	make_pipe(words);
	make_pipe(report);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	(void)snprintf(text, sizeof(text), "%u\n", number);
	send_message(deployd->connection_fd, text, strlen(text),
		     (const int[]){words[0], report[1], fds[1]}, 3);
	(void)close(words[0]);
	(void)close(report[1]);
	(void)close(fds[1]);
	return (struct channel){words[1], report[0], fds[0]};
}

static void release(const struct channel *channel)
{
	(void)close(channel->words_fd);
	(void)close(channel->report_fd);
	(void)close(channel->fds_fd);
}

/* The next line; "" when the spawner has closed the pipe. */
static const char *next_line(const struct deployd *deployd)
{
	static char line[128];

	if (!fgets(line, sizeof(line), deployd->report))
		return "";
	return line;
}

static pid_t expect_started(const struct deployd *deployd, unsigned int number)
{
	unsigned int got = 0;
	int pid = 0;

	assert_int_equal(sscanf(next_line(deployd), "started %u %d\n", &got, &pid), 2);
	assert_int_equal(got, number);
	return pid;
}

static void expect_ended(const struct deployd *deployd, unsigned int number)
{
	unsigned int got = 0;

	assert_int_equal(sscanf(next_line(deployd), "ended %u\n", &got), 1);
	assert_int_equal(got, number);
}

static void expect_ready(const struct channel *channel)
{
	char text[64] = "";

	wait_readable(channel->report_fd);
	assert_true(read(channel->report_fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "{\"type\":\"ready\",\"version\":1}");
}

static void session_starts_and_ends(void **state)
{
	struct deployd deployd = begin();
	struct channel channel = order(&deployd, 42);
	pid_t pid = expect_started(&deployd, 42);
	char path[64], comm[32] = "";
	FILE *file;

	(void)state;
	expect_ready(&channel);
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(comm, sizeof(comm), file));
	(void)fclose(file);
	assert_string_equal(comm, "deployd-session\n");
	release(&channel);
	expect_ended(&deployd, 42);
	end(&deployd);
}

/* Exactly the three of the protocol and the standard ones. */
static void session_has_no_other_fd(void **state)
{
	struct deployd deployd = begin();
	struct channel channel = order(&deployd, 1);
	pid_t pid = expect_started(&deployd, 1);
	char path[64];

	(void)state;
	expect_ready(&channel);
	for (int fd = 0; fd < 64; fd++) {
		struct stat st;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		assert_int_equal(lstat(path, &st), fd <= 5 ? 0 : -1);
	}
	release(&channel);
	expect_ended(&deployd, 1);
	end(&deployd);
}

static void killed_session_is_reported(void **state)
{
	struct deployd deployd = begin();
	struct channel channel;

	(void)state;
	for (unsigned int i = 1; i <= 20; i++) {
		channel = order(&deployd, i);
		assert_int_equal(kill(expect_started(&deployd, i), SIGKILL), 0);
		expect_ended(&deployd, i);
		release(&channel);
	}
	end(&deployd);
}

static void many_at_once(void **state)
{
	static struct channel channels[BURST];
	static bool ended[BURST];
	struct deployd deployd = begin();

	(void)state;
	for (unsigned int i = 0; i < BURST; i++)
		channels[i] = order(&deployd, i);
	for (unsigned int i = 0; i < BURST; i++)
		(void)expect_started(&deployd, i);
	for (unsigned int i = 0; i < BURST; i++)
		expect_ready(&channels[i]);
	for (unsigned int i = 0; i < BURST; i++)
		release(&channels[i]);
	for (unsigned int i = 0; i < BURST; i++) {
		unsigned int number = BURST;

		assert_int_equal(sscanf(next_line(&deployd), "ended %u\n", &number), 1);
		assert_in_range(number, 0, BURST - 1);
		assert_false(ended[number]);
		ended[number] = true;
	}
	end(&deployd);
}

/* Those beyond the limit end without having begun. */
static void there_is_a_limit(void **state)
{
	static struct channel channels[SPAWNER_SESSIONS_MAX];
	struct deployd deployd = begin();
	struct channel one_more;

	(void)state;
	for (unsigned int i = 0; i < SPAWNER_SESSIONS_MAX; i++) {
		channels[i] = order(&deployd, i);
		(void)expect_started(&deployd, i);
	}
	one_more = order(&deployd, 9999);
	expect_ended(&deployd, 9999);
	release(&one_more);
	for (unsigned int i = 0; i < SPAWNER_SESSIONS_MAX; i++)
		release(&channels[i]);
	for (unsigned int i = 0; i < SPAWNER_SESSIONS_MAX; i++)
		assert_int_equal(strncmp(next_line(&deployd), "ended ", 6), 0);
	end(&deployd);
}

static void deployd_comes_again(void **state)
{
	struct deployd before = begin(), after;
	struct channel left = order(&before, 1), channel;

	(void)state;
	(void)expect_started(&before, 1);
	expect_ready(&left);
	end(&before);
	after = begin();
	channel = order(&after, 1);
	(void)expect_started(&after, 1);
	/* The end of the other's session 1 is none of its business. */
	release(&left);
	expect_ready(&channel);
	release(&channel);
	expect_ended(&after, 1);
	channel = order(&after, 2);
	(void)expect_started(&after, 2);
	release(&channel);
	expect_ended(&after, 2);
	end(&after);
}

static void second_deployd_waits_for_the_first(void **state)
{
	struct deployd first = begin(), second = begin();
	struct channel waiting = order(&second, 5), channel = order(&first, 6);

	(void)state;
	(void)expect_started(&first, 6);
	release(&channel);
	expect_ended(&first, 6);
	end(&first);
	(void)expect_started(&second, 5);
	release(&waiting);
	expect_ended(&second, 5);
	end(&second);
}

/* It stops listening, and goes on when the lines were read. */
static void deployd_that_does_not_read_blocks_nobody(void **state)
{
	struct deployd deployd = begin();
	struct pollfd p = {.fd = deployd.connection_fd, .events = POLLOUT};
	unsigned int n = 0;
	pid_t pid;

	(void)state;
	assert_true(fcntl(fileno(deployd.report), F_SETPIPE_SZ, 4096) >= 4096);
	assert_int_equal(fcntl(deployd.connection_fd, F_SETFL, O_NONBLOCK), 0);
	while (n < 400 && poll(&p, 1, 0) == 1) {
		struct channel channel = order(&deployd, n++);

		release(&channel);
	}
	for (unsigned int started = 0, ended = 0; started < n || ended < n;) {
		if (strncmp(next_line(&deployd), "started ", 8) == 0)
			started++;
		else
			ended++;
		assert_true(ended <= started);
	}
	end(&deployd);
	pid = waitpid(spawner_pid, NULL, WNOHANG);
	assert_int_equal(pid, 0);
}

static void nonsense_ends_the_connection(void **state)
{
	static const char *const texts[] = {"x\n",
					    "\n",
					    "-1\n",
					    " 1\n",
					    "1",
					    "1 \n",
					    "99999999999999999999999\n",
					    "1111111111111111111111111111111111111\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct deployd deployd = begin();
		int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		send_message(deployd.connection_fd, texts[i], strlen(texts[i]),
			     (const int[]){null_fd, null_fd, null_fd}, 3);
		assert_string_equal(next_line(&deployd), "");
		end(&deployd);
		/* too few fds, and too many */
		for (size_t n = 0; n < 5; n += 2) {
			deployd = begin();
			send_message(deployd.connection_fd, "1\n", 2,
				     (const int[]){null_fd, null_fd, null_fd, null_fd},
				     n);
			assert_string_equal(next_line(&deployd), "");
			end(&deployd);
		}
		(void)close(null_fd);
	}
}

static void nobody_but_root_is_served(void **state)
{
	struct deployd deployd;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct pollfd p;
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (setresuid(STRANGER, STRANGER, STRANGER) < 0 ||
		    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(1);
		p = (struct pollfd){.fd = fd, .events = POLLIN};
		_exit(poll(&p, 1, 60000) == 1 && (p.revents & POLLHUP) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	deployd = begin();
	end(&deployd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_starts_and_ends),
		cmocka_unit_test(session_has_no_other_fd),
		cmocka_unit_test(killed_session_is_reported),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(deployd_comes_again),
		cmocka_unit_test(second_deployd_waits_for_the_first),
		cmocka_unit_test(deployd_that_does_not_read_blocks_nobody),
		cmocka_unit_test(nonsense_ends_the_connection),
		cmocka_unit_test(nobody_but_root_is_served),
	};

	if (geteuid() != 0) {
		(void)printf("needs root: deployd-sessions serves nobody else\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
