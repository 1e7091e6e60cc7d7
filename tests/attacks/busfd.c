/*
 * Sends signals to a connection of the system bus, each with a TCP socket whose last
 * close() waits (lingering.h), and keeps no copy: who takes it closes it last. With
 * --call it asks instead (only root may), and prints the error that comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "handover.h"
#include "lingering.h"

static void check(int r, const char *what)
{
	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", what, strerror(-r));
		exit(1);
	}
}

static void send_signal(sd_bus *bus, const char *to)
{
	sd_bus_message *message;
	int fd = lingering_socket();

	check(sd_bus_message_new_signal(bus, &message, "/x", "x.y.Z", "Q"), "signal");
	check(sd_bus_message_set_destination(message, to), "destination");
	check(sd_bus_message_append(message, "h", fd), "fd");
	check(sd_bus_send(bus, message, NULL), "send");
	sd_bus_message_unref(message);
	check(sd_bus_flush(bus), "flush");
	(void)close(fd);
}

static void call(sd_bus *bus, const char *to)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(bus, to, "/x", "x.y.Z", "Q", &error, NULL, "h",
				   STDIN_FILENO);

	(void)puts(r < 0 ? error.name : "delivered");
	sd_bus_error_free(&error);
}

int main(int argc, char **argv)
{
	bool calls = argc == 3 && strcmp(argv[1], "--call") == 0;
	sd_bus *bus = NULL;

	if (!calls && argc != 3) {
		(void)fprintf(stderr, "usage: busfd COUNT NAME | busfd --call NAME\n");
		return 2;
	}
	check(sd_bus_open_system(&bus), "cannot reach the bus");
	if (calls) {
		call(bus, argv[2]);
		return 0;
	}
	for (int left = atoi(argv[1]); left > 0; left--)
		send_signal(bus, argv[2]);
	(void)puts("sent");
	(void)fflush(stdout);
	/* The peers must be there for as long as a close is to wait. */
	for (;;)
		(void)pause();
}
