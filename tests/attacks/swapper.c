/*
 * Exchanges names with links to elsewhere while root works in the same tree: an object
 * that was checked is another one when it is used.
 *
 * usage: swapper SEED A B [A B]...
 *
 * Exchanges A and B of a random pair and back again, until SIGTERM; then prints how
 * often that worked. Skips a pair that does not exist or does not belong to the caller.
 * Most of the time the tree is as it should be, so a program that checks only once goes
 * on. Prints "swapping" at the first exchange.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAUSE_NSEC_MAX 200000

/* As long as a step of the attacked program takes, more or less. */
static void rest(unsigned int *seed)
{
	struct timespec pause = {.tv_nsec = rand_r(seed) % PAUSE_NSEC_MAX};

	(void)nanosleep(&pause, NULL);
}

static unsigned long swap(const char *a, const char *b)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
}

static volatile sig_atomic_t over;

static void on_term(int number)
{
	(void)number;
	over = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_term};
	unsigned int seed = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 0;
	int n_pairs = (argc - 2) / 2;
	unsigned long n_swaps = 0;

	if (n_pairs < 1 || argc != 2 + 2 * n_pairs) {
		(void)fputs("usage: swapper SEED A B [A B]...\n", stderr);
		return 2;
	}
	(void)sigaction(SIGTERM, &action, NULL);
	(void)puts("swapping");
	(void)fflush(stdout);
	while (!over) {
		char **pair = argv + 2 + 2 * (rand_r(&seed) % n_pairs);

		n_swaps += swap(pair[0], pair[1]);
		rest(&seed);
		n_swaps += swap(pair[0], pair[1]);
		rest(&seed);
		rest(&seed);
	}
	(void)printf("%lu swaps\n", n_swaps);
	return 0;
}
