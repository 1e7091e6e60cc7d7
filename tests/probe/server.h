#pragma once

#include <pthread.h>
#include <stddef.h>

/* A server that says what it is told to, and what happens then. */
enum server_then {
	SERVER_CLOSES,
	SERVER_HOLDS,  /* says no more until the client hangs up */
	SERVER_FLOODS, /* says 'x' until the client hangs up */
};

struct server {
	/* Set by the test before server_start(). */
	const char *address; /* NULL: 127.0.0.1 */
	const char *answer;
	size_t length; /* of answer; 0: up to its NUL */
	enum server_then then;
	/* For the test. */
	int port;
	char url[128];	    /* --url=http://ADDRESS:PORT/health */
	char request[4096]; /* the last one; after server_stop() */
	unsigned int n_connections;
	/* Its own. */
	int fd, stop_fds[2];
	pthread_t thread;
};

/* Listens on a port of the kernel's choice. */
void server_start(struct server *server);

void server_stop(struct server *server);

/* A socket on 127.0.0.1 whose port refuses connections as long as it is open. */
int refusing_socket(int *ret_port);
