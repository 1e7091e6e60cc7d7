/*
 * What every program of a sanitizer build does by default. Helpers start with an empty
 * environment, so these options cannot come in ASAN_OPTIONS.
 *
 * The runtime calls these functions before it is initialized: they are not instrumented
 * and call nothing that a sanitizer replaces.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOT_INSTRUMENTED __attribute__((no_sanitize("address", "undefined"), used))

/* deployctl and the helpers exit with other codes. */
#define EXIT_CODE "exitcode=99"

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
int __lsan_is_turned_off(void);

/*
 * handle_...=2: helpers reset all signal handlers (privdrop_begin()), those of the
 * runtime stay. SIGABRT is not among them: systemd sends it to a deployd that hangs.
 */
NOT_INSTRUMENTED const char *__asan_default_options(void)
{
	return EXIT_CODE
		":detect_stack_use_after_return=1:strict_string_checks=1:print_legend=0"
		":handle_segv=2:handle_sigbus=2:handle_sigill=2"
		":handle_sigfpe=2";
}

NOT_INSTRUMENTED const char *__ubsan_default_options(void)
{
	return EXIT_CODE ":print_stacktrace=1";
}

/*
 * LeakSanitizer traces the process, which the kernel allows of dumpable processes only.
 * It asks this when the process exits.
 */
NOT_INSTRUMENTED int __lsan_is_turned_off(void)
{
	return syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0) != 1;
}
