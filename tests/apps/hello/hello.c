/*
 * The service that the tests deploy. It answers HTTP on 127.0.0.1 with its version and
 * the release it runs from, and misbehaves as its settings say. Settings are KEY=VALUE:
 * etc/hello.conf of the release, overridden by the environment variable HELLO_KEY.
 *
 *   version          text of the answer                              default 0
 *   port             TCP port                                        default 8080
 *   start            ok, crash, hang (before it listens) or
 *                    never-ready (listens, never says READY)         default ok
 *   start_delay_ms   waits so long before it listens                 default 0
 *   exit_after_sec   ends with exit_code so long after READY         default never
 *   exit_code        status of crash and exit_after_sec              default 1
 *   stop             ok or hang (ignores SIGTERM)                    default ok
 *   answer_delay_ms  waits so long before each answer                default 0
 *   answer_status    HTTP status                                     default 200
 *   eat_after_sec    takes memory without end so long after READY    default never
 *   watchdog         ok or stop (lets systemd's watchdog run out)    default ok
 *
 * With a socket from systemd it listens on that. SIGTERM ends it after the answer that
 * is under way, so that with such a socket no request is lost. SIGHUP makes it the
 * program that its path names by then: a reload that takes up another release. It stops
 * itself, with status 0, when HELLO_FLAG names a file that exists, which it removes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char release_dir[PATH_MAX];
static volatile sig_atomic_t told_to_stop, told_to_reload;

static void die(const char *what)
{
	fprintf(stderr, "hello: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The directory above bin/hello, links resolved by the kernel. */
static void find_release(void)
{
	ssize_t n = readlink("/proc/self/exe", release_dir, sizeof(release_dir) - 1);

	if (n < 0)
		die("/proc/self/exe");
	release_dir[n] = '\0';
	for (int level = 0; level < 2; level++) {
		char *slash = strrchr(release_dir, '/');

		if (slash)
			*slash = '\0';
	}
}

static struct {
	const char *key;
	char value[128];
} settings[] = {
	{"version", "0"},	 {"port", "8080"},	   {"start", "ok"},
	{"start_delay_ms", "0"}, {"exit_after_sec", "-1"}, {"exit_code", "1"},
	{"stop", "ok"},		 {"answer_delay_ms", "0"}, {"answer_status", "200"},
	{"eat_after_sec", "-1"}, {"watchdog", "ok"},
};

enum {
	N_SETTINGS = sizeof(settings) / sizeof(*settings)
};

static char *setting_slot(const char *key)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (!strcasecmp(settings[i].key, key))
			return settings[i].value;
	fprintf(stderr, "hello: no setting %s\n", key);
	exit(2);
}

static void set(const char *key, const char *value)
{
	snprintf(setting_slot(key), sizeof(settings[0].value), "%s", value);
}

static const char *setting(const char *key)
{
	return setting_slot(key);
}

static long number(const char *key)
{
	return strtol(setting(key), NULL, 10);
}

static void load_settings(void)
{
	static const char prefix[] = "HELLO_";
	char path[PATH_MAX + 16], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/etc/hello.conf", release_dir);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *equals = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!equals)
			continue;
		*equals = '\0';
		set(line, equals + 1);
	}
	if (file)
		fclose(file);
	for (size_t i = 0; i < N_SETTINGS; i++) {
		char name[64];
		const char *value;

		snprintf(name, sizeof(name), "%s%s", prefix, settings[i].key);
		for (char *c = name; *c; c++)
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - 'a' + 'A');
		value = getenv(name);
		if (value)
			set(settings[i].key, value);
	}
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void wait_ms(long ms)
{
	struct timespec rest = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

static void notify(const char *text)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t length;
	int fd;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return;
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	memcpy(to.sun_path, path, strlen(path));
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
		   length) < 0)
		die("READY");
	close(fd);
}

static void on_signal(int signum)
{
	if (signum == SIGHUP)
		told_to_reload = 1;
	else
		told_to_stop = 1;
}

/* sd_listen_fds(3), of which one is used. */
static int socket_of_systemd(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || strtol(pid, NULL, 10) != getpid() ||
	    strtol(fds, NULL, 10) < 1)
		return -1;
	return 3;
}

static int listen_here(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)number("port"));
	if (socket_of_systemd() >= 0) {
		close(fd);
		return socket_of_systemd();
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
		die("listen");
	return fd;
}

static void answer(int fd)
{
	static char request[8192];
	char body[PATH_MAX + 256], head[256];
	const char *slash = strrchr(release_dir, '/');
	const struct timeval patience = {.tv_sec = 5};
	size_t got = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (got < sizeof(request) - 1) {
		ssize_t n = read(fd, request + got, sizeof(request) - 1 - got);

		if (n <= 0)
			return;
		got += (size_t)n;
		request[got] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	wait_ms(number("answer_delay_ms"));
	snprintf(body, sizeof(body), "hello version=%s release=%s pid=%d\n",
		 setting("version"), slash ? slash + 1 : release_dir, (int)getpid());
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %ld Told-To\r\nContent-Type: text/plain\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		 number("answer_status"), strlen(body));
	if (write(fd, head, strlen(head)) < 0 || write(fd, body, strlen(body)) < 0)
		return; /* the client went away */
}

static void eat(void)
{
	fprintf(stderr, "hello: told to take memory\n");
	for (;;) {
		char *food = malloc(1 << 20);

		if (food)
			memset(food, 1, 1 << 20);
	}
}

static bool flag_is_up(void)
{
	const char *flag = getenv("HELLO_FLAG");

	return flag && unlink(flag) == 0;
}

/* The moment that is so long after now; -1: never. */
static long long moment(const char *key)
{
	return number(key) < 0 ? -1 : now_ms() + 1000LL * number(key);
}

static bool passed(long long at)
{
	return at >= 0 && now_ms() >= at;
}

static void serve(int fd, const sigset_t *usual)
{
	long long end = moment("exit_after_sec"), eat_at = moment("eat_after_sec");
	bool ping = !strcmp(setting("watchdog"), "ok") && getenv("WATCHDOG_USEC");

	while (!told_to_stop && !told_to_reload) {
		/* Often enough for the watchdog and the flag; nothing else waits for
		 * it. */
		const struct timespec tick = {.tv_nsec = 50000000};
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int n, client;

		if (flag_is_up())
			return;
		if (passed(end)) {
			fprintf(stderr, "hello: told to exit\n");
			exit((int)number("exit_code"));
		}
		if (passed(eat_at))
			eat();
		if (ping)
			notify("WATCHDOG=1");
		n = ppoll(&ready, 1, &tick, usual);
		if (n < 0 && errno != EINTR)
			die("poll");
		if (n <= 0)
			continue;
		client = accept(fd, NULL, NULL);
		if (client < 0)
			continue;
		answer(client);
		close(client);
	}
}

/* The program of its path again, in the directory above bin/: whatever they are now. */
static void become(char *argv[], const sigset_t *usual)
{
	char dir[PATH_MAX];

	notify("RELOADING=1");
	snprintf(dir, sizeof(dir), "%s", argv[0]);
	for (int level = 0; level < 2 && strrchr(dir, '/'); level++)
		*strrchr(dir, '/') = '\0';
	if (chdir(dir) < 0)
		die(dir);
	sigprocmask(SIG_SETMASK, usual, NULL);
	execv(argv[0], argv);
	die(argv[0]);
}

int main(int argc, char *argv[])
{
	const struct sigaction stop = {.sa_handler = on_signal};
	sigset_t term, usual;
	const char *start;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	find_release();
	load_settings();
	start = setting("start");
	if (!strcmp(setting("stop"), "hang"))
		signal(SIGTERM, SIG_IGN);
	if (!strcmp(start, "crash")) {
		fprintf(stderr, "hello: told to crash at start\n");
		return (int)number("exit_code");
	}
	while (!strcmp(start, "hang"))
		pause();
	wait_ms(number("start_delay_ms"));
	/* Seen only while it waits: an answer is never cut short. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigaddset(&term, SIGHUP);
	sigprocmask(SIG_BLOCK, &term, &usual);
	if (strcmp(setting("stop"), "hang") != 0)
		sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	fd = listen_here();
	printf("hello: version %s listens\n", setting("version"));
	fflush(stdout);
	if (strcmp(start, "never-ready") != 0)
		notify("READY=1");
	serve(fd, &usual);
	if (told_to_reload && argc > 0)
		become(argv, &usual);
	return 0;
}
