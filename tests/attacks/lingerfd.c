/*
 * Hands a TCP socket whose last close() waits (lingering.h) to deployd, keeps no copy,
 * and stays.
 */
#include <signal.h>
#include <unistd.h>

#include "handover.h"
#include "lingering.h"

static const char usage[] = "lingerfd [OPTIONS] SOCKET REQUEST\n"
			    "\n"
			    "Hands a TCP socket whose last close() waits for an hour "
			    "to SOCKET with REQUEST\n"
			    "(JSON; its NUL is added).\n";

int main(int argc, char **argv)
{
	struct handover handover;

	handover_parse(&handover, argc, argv, usage, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	handover.last = true;
	handover_run(&handover, lingering_socket(), STDIN_FILENO);
	/* The peer must be there for as long as the close is to wait. */
	for (;;)
		(void)pause();
}
