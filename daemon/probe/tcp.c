#include "probe/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "probe/lockdown.h"

#define NSEC_PER_MSEC 1000000LL
#define NSEC_PER_SEC  1000000000LL

struct lookup {
	const char *host;
	char port[8];
	int error;
	struct addrinfo *list;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / NSEC_PER_MSEC;
}

static void *look_up(void *argument)
{
	struct lookup *lookup = argument;
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};

	lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->list);
	return NULL;
}

/* getaddrinfo() knows no deadline, so a thread waits for it. 0 or an errno. */
static int look_up_until(struct lookup *lookup, int64_t deadline_ms)
{
	const struct timespec until = {
		.tv_sec = deadline_ms / 1000,
		.tv_nsec = deadline_ms % 1000 * NSEC_PER_MSEC,
	};
	pthread_t thread;
	int r;

	r = pthread_create(&thread, NULL, look_up, lookup);
	if (r != 0)
		return r;
	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
}

/* Waits for a connection in the making. 0 or an errno. */
static int wait_connected(int fd, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t length = sizeof(int);
	int64_t left_ms;
	int error = 0, n;

	do {
		left_ms = deadline_ms - now_ms();
		n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

static int try_address(const struct addrinfo *address, int64_t deadline_ms)
{
	cleanup_close int fd = -1;

	fd = socket(address->ai_family,
		    address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    address->ai_protocol);
	if (fd < 0)
		return errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	return errno == EINPROGRESS ? wait_connected(fd, deadline_ms) : errno;
}

/* By hand: getnameinfo() would ask the kernel for the names of interfaces. */
static void show_address(const struct addrinfo *address, char *ret_text, socklen_t size)
{
	const struct sockaddr_in *v4 = (const void *)address->ai_addr;
	const struct sockaddr_in6 *v6 = (const void *)address->ai_addr;
	const char *shown = NULL;

	if (address->ai_family == AF_INET)
		shown = inet_ntop(AF_INET, &v4->sin_addr, ret_text, size);
	else if (address->ai_family == AF_INET6)
		shown = inet_ntop(AF_INET6, &v6->sin6_addr, ret_text, size);
	if (!shown)
		(void)snprintf(ret_text, size, "address of family %d",
			       address->ai_family);
}

static void try_all(const struct addrinfo *list, const char *target, int64_t timeout_ms,
		    int64_t deadline_ms, struct finding *finding)
{
	char tried[FINDING_MESSAGE_SIZE / 2] = "";
	int n_left = 0;

	for (const struct addrinfo *a = list; a && n_left < TCP_ADDRESSES_MAX;
	     a = a->ai_next)
		n_left++;
	for (const struct addrinfo *a = list; a && n_left > 0; a = a->ai_next) {
		const int64_t now = now_ms();
		const size_t used = strlen(tried);
		char address[INET6_ADDRSTRLEN + 32];
		int error;

		error = try_address(a, now + (deadline_ms - now) / n_left--);
		show_address(a, address, sizeof(address));
		if (error == 0) {
			finding_pass(finding, "connected to %s at %s", target, address);
			return;
		}
		(void)snprintf(tried + used, sizeof(tried) - used, "%s%s: %s",
			       used > 0 ? "; " : "", address,
			       error == ETIMEDOUT ? "timed out" : strerror(error));
	}
	finding_fail(finding, "cannot connect to %s within %lld ms (%s)", target,
		     (long long)timeout_ms, tried);
}

int tcp_check(const struct probe_options *options, struct finding *ret_finding,
	      struct errinfo *ei)
{
	/* Static: a look-up that is still going on when the time is up uses it. */
	static struct lookup lookup;
	const int64_t timeout_ms = (int64_t)options->timeout_ms;
	const int64_t deadline_ms = now_ms() + timeout_ms;
	char host[2 * HEALTH_HOST_MAX], target[2 * HEALTH_HOST_MAX + 16];
	int error, r;

	(void)names_escape(options->host, host, sizeof(host));
	(void)snprintf(target, sizeof(target), strchr(host, ':') ? "[%s]:%u" : "%s:%u",
		       host, options->port);
	lookup = (struct lookup){.host = options->host};
	(void)snprintf(lookup.port, sizeof(lookup.port), "%u", options->port);
	error = look_up_until(&lookup, deadline_ms);
	if (error == ETIMEDOUT)
		finding_fail(ret_finding, "cannot resolve '%s' within %lld ms", host,
			     (long long)timeout_ms);
	else if (error != 0)
		finding_fail(ret_finding, "cannot resolve '%s': no thread: %s", host,
			     strerror(error));
	else if (lookup.error != 0)
		finding_fail(ret_finding, "cannot resolve '%s': %s", host,
			     gai_strerror(lookup.error));
	if (error != 0 || lookup.error != 0)
		return 0;
	r = probe_lockdown_tcp(ei);
	if (r == 0)
		try_all(lookup.list, target, timeout_ms, deadline_ms, ret_finding);
	freeaddrinfo(lookup.list);
	return r;
}
