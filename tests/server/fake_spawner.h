#pragma once

#include <stddef.h>
#include <stdint.h>

#include "server/channel.h"

/*
 * The other end of server/spawner.h: deployd-sessions, as the test plays it. It may say
 * anything, and starts nothing. A failed expectation fails the test.
 */
struct fake_spawner {
	char dir[64], path[80]; /* of its socket */
	int listen_fd, connection, report;
};

/* Listens at a path of its own. */
void fake_spawner_init(struct fake_spawner *fake);

/* Listens again after its socket was closed and removed, as by a stop of its unit. */
void fake_spawner_listen(struct fake_spawner *fake);
void fake_spawner_vanish(struct fake_spawner *fake);

/* deployd has connected: takes the connection, and the pipe that comes first. */
void fake_spawner_accept(struct fake_spawner *fake);

/* Ends the connection. */
void fake_spawner_hang_up(struct fake_spawner *fake);

/* The next order of deployd: its number. The caller owns the ends. */
uint64_t fake_spawner_take(const struct fake_spawner *fake,
			   struct channel_ends *ret_ends);

void fake_spawner_say(const struct fake_spawner *fake, const char *text);
void fake_spawner_deinit(struct fake_spawner *fake);
