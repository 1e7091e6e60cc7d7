/*
 * A TCP socket whose last close() waits: it lingers, its buffer is full, and the other
 * end, which this process also has, never reads. Hands the socket to deployd, keeps no
 * copy of it, and goes on running.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"

#define LINGER_SEC  3600
#define BLOCK_BYTES 65536

static const char usage[] = "lingerfd [OPTIONS] SOCKET REQUEST\n"
			    "\n"
			    "Hands a TCP socket whose last close() waits for an hour "
			    "to SOCKET with REQUEST\n"
			    "(JSON; its NUL is added).\n";

static int listen_at(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int size = 4096;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ||
	    bind(fd, (const struct sockaddr *)address, length) < 0 ||
	    listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)address, &length) < 0)
		handover_die("cannot listen");
	return fd;
}

static int connect_full(const struct sockaddr_in *address)
{
	static const char block[BLOCK_BYTES];
	const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_SEC};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		handover_die("cannot connect to ourselves");
	do
		n = send(fd, block, sizeof(block), MSG_DONTWAIT);
	while (n > 0);
	if (n < 0 && errno != EAGAIN)
		handover_die("cannot fill the buffer");
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		handover_die("cannot linger");
	return fd;
}

int main(int argc, char **argv)
{
	struct handover handover;
	struct sockaddr_in address;
	int listener, peer, fd;

	handover_parse(&handover, argc, argv, usage, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	listener = listen_at(&address);
	fd = connect_full(&address);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		handover_die("cannot accept");
	handover.last = true;
	handover_run(&handover, fd, STDIN_FILENO);
	/* The peer must be there for as long as the close is to wait. */
	for (;;)
		(void)pause();
}
