#include "lingering.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"

#define LINGER_SEC  3600
#define BLOCK_BYTES 65536

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

int lingering_socket(void)
{
	struct sockaddr_in address;
	int listener = listen_at(&address);
	int fd = connect_full(&address);

	if (accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0)
		handover_die("cannot accept");
	(void)close(listener);
	return fd;
}
