/*
 * Sends signals to a connection of the system bus, each with an fd, and then one
 * without, whose member is the third argument. The fds are of pipes: if one whose last
 * close() waits is not delivered, it freezes the bus itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static void check(int r, const char *what)
{
	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", what, strerror(-r));
		exit(1);
	}
}

/* fd: -1 for none. */
static void send_signal(sd_bus *bus, const char *to, const char *member, int fd)
{
	sd_bus_message *message;

	check(sd_bus_message_new_signal(bus, &message, "/x", "x.y.Z", member),
	      "signal");
	check(sd_bus_message_set_destination(message, to), "destination");
	if (fd >= 0)
		check(sd_bus_message_append(message, "h", fd), "fd");
	check(sd_bus_send(bus, message, NULL), "send");
	sd_bus_message_unref(message);
}

int main(int argc, char **argv)
{
	sd_bus *bus = NULL;
	int fds[2];

	if (argc != 4 || pipe(fds) < 0) {
		(void)fprintf(stderr, "usage: busfd COUNT NAME LAST-MEMBER\n");
		return 2;
	}
	check(sd_bus_open_system(&bus), "cannot reach the bus");
	for (int left = atoi(argv[1]); left > 0; left--)
		send_signal(bus, argv[2], "WithFd", fds[0]);
	send_signal(bus, argv[2], argv[3], -1);
	/* The bus has seen all of them when it has answered this. */
	check(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetId", NULL, NULL, ""),
	      "call");
	return 0;
}
