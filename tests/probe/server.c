#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int make_socket(const char *address, int *ret_port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	const int is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
	struct sockaddr *name = is_v6 ? (void *)&v6 : (void *)&v4;
	socklen_t length = is_v6 ? sizeof(v6) : sizeof(v4);
	const int fd =
		socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1)
		die(address);
	if (fd < 0 || bind(fd, name, length) < 0 || getsockname(fd, name, &length) < 0)
		die("socket");
	*ret_port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
	return fd;
}

/* Up to the empty line. */
static void read_request(struct server *server, int fd)
{
	size_t length = 0;
	ssize_t n = 1;

	server->request[0] = '\0';
	while (n > 0 && !strstr(server->request, "\r\n\r\n") &&
	       length < sizeof(server->request) - 1) {
		n = read(fd, server->request + length,
			 sizeof(server->request) - 1 - length);
		if (n > 0)
			length += (size_t)n;
		server->request[length] = '\0';
	}
}

static void speak(const struct server *server, int fd)
{
	const char *at = server->answer;
	size_t left = server->length;
	char filler[4096];
	ssize_t n;

	while (left > 0 && (n = send(fd, at, left, MSG_NOSIGNAL)) > 0) {
		at += n;
		left -= (size_t)n;
	}
	memset(filler, 'x', sizeof(filler));
	while (server->then == SERVER_FLOODS &&
	       send(fd, filler, sizeof(filler), MSG_NOSIGNAL) > 0)
		;
	while (server->then == SERVER_HOLDS && read(fd, filler, sizeof(filler)) > 0)
		;
}

static void *serve(void *argument)
{
	struct server *server = argument;
	int fd;

	for (;;) {
		struct pollfd pollfds[] = {{.fd = server->fd, .events = POLLIN},
					   {.fd = server->stop_fds[0]}};

		if (poll(pollfds, 2, -1) < 0)
			die("poll");
		fd = accept(server->fd, NULL, NULL);
		if (fd < 0 && pollfds[1].revents != 0)
			return NULL; /* whoever connected before the stop was served */
		if (fd < 0)
			continue;
		server->n_connections++;
		read_request(server, fd);
		speak(server, fd);
		(void)close(fd);
	}
}

void server_start(struct server *server)
{
	const char *address = server->address ? server->address : "127.0.0.1";

	if (server->length == 0 && server->answer)
		server->length = strlen(server->answer);
	server->n_connections = 0;
	server->fd = make_socket(address, &server->port);
	if (listen(server->fd, 8) < 0 || fcntl(server->fd, F_SETFL, O_NONBLOCK) < 0)
		die("listen");
	if (pipe2(server->stop_fds, O_CLOEXEC) < 0)
		die("pipe2");
	(void)snprintf(server->url, sizeof(server->url),
		       strchr(address, ':') ? "--url=http://[%s]:%d/health"
					    : "--url=http://%s:%d/health",
		       address, server->port);
	if (pthread_create(&server->thread, NULL, serve, server) != 0)
		die("pthread_create");
}

void server_stop(struct server *server)
{
	(void)close(server->stop_fds[1]);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->stop_fds[0]);
	(void)close(server->fd);
}

int refusing_socket(int *ret_port)
{
	return make_socket("127.0.0.1", ret_port); /* bound, but not listening */
}
