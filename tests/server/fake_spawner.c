#include "fake_spawner.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fdio.h"

static void close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void fake_spawner_listen(struct fake_spawner *fake)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)strcpy(address.sun_path, fake->path);
	fake->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(fake->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fake->listen_fd, 8), 0);
}

void fake_spawner_vanish(struct fake_spawner *fake)
{
	close_end(&fake->listen_fd);
	(void)unlink(fake->path);
}

void fake_spawner_init(struct fake_spawner *fake)
{
	const char *tmp = getenv("TMPDIR");

	*fake = (struct fake_spawner){.connection = -1, .report = -1};
	(void)snprintf(fake->dir, sizeof(fake->dir), "%s/fake_spawner.XXXXXX",
		       tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(fake->dir));
	(void)snprintf(fake->path, sizeof(fake->path), "%s/sessions", fake->dir);
	fake_spawner_listen(fake);
}

void fake_spawner_accept(struct fake_spawner *fake)
{
	char byte;
	size_t n_fds;

	fake->connection = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fake->connection >= 0);
	assert_int_equal(
		fd_receive(fake->connection, &byte, 1, &fake->report, 1, &n_fds), 1);
	assert_int_equal(n_fds, 1);
}

void fake_spawner_hang_up(struct fake_spawner *fake)
{
	close_end(&fake->connection);
	close_end(&fake->report);
}

uint64_t fake_spawner_take(const struct fake_spawner *fake,
			   struct channel_ends *ret_ends)
{
	char text[64];
	int fds[3], end = 0;
	size_t n_fds;
	uint64_t number;
	ssize_t n =
		fd_receive(fake->connection, text, sizeof(text) - 1, fds, 3, &n_fds);

	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(n_fds, 3);
	assert_int_equal(sscanf(text, "%" SCNu64 "\n%n", &number, &end), 1);
	assert_int_equal(end, n);
	*ret_ends = (struct channel_ends){fds[0], fds[1], fds[2]};
	return number;
}

void fake_spawner_say(const struct fake_spawner *fake, const char *text)
{
	assert_int_equal(write(fake->report, text, strlen(text)), strlen(text));
}

void fake_spawner_deinit(struct fake_spawner *fake)
{
	fake_spawner_hang_up(fake);
	fake_spawner_vanish(fake);
	(void)rmdir(fake->dir);
}
