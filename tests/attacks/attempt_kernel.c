/* Sockets, and the parts of the kernel that have been ways to root before. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "attempt.h"

#define ABSTRACT_NAME	   "deployd-attack" /* the test listens there */
#define TCP_PORT	   4999		    /* and there */
#define SYSLOG_SIZE_BUFFER 10
#define KEYRING_OF_SESSION KEY_SPEC_SESSION_KEYRING
#define X32_BIT		   0x40000000
#define GETPID_OF_I386	   20

static long connect_unix(const char *name, size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	memcpy(address.sun_path, name, length);
	return connect(fd, (const struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static long connect_abstract(void)
{
	return connect_unix("\0" ABSTRACT_NAME, sizeof(ABSTRACT_NAME));
}

static long connect_bus(void)
{
	static const char path[] = "/run/dbus/system_bus_socket";

	return connect_unix(path, sizeof(path));
}

static long connect_systemd(void)
{
	static const char path[] = "/run/systemd/private";

	return connect_unix(path, sizeof(path));
}

static long connect_deployd(void)
{
	static const char path[] = "/run/deployd/io.deployd";

	return connect_unix(path, sizeof(path));
}

static long connect_tcp(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(TCP_PORT),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

static long open_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static long open_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static long make_socketpair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static long send_over_socketpair(void)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return -1;
	return sendmsg(fds[0], &message, MSG_NOSIGNAL);
}

/* The report is a socket of libuv's: what could it carry besides bytes? */
static long send_over_report(void)
{
	char byte = ' ';
	struct iovec iov = {&byte, 1};
	const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	return sendmsg(STDERR_FILENO + 1, &message, MSG_NOSIGNAL);
}

static long add_to_keyring(void)
{
	return syscall(SYS_add_key, "user", "deployd-attack", "x", 1,
		       KEYRING_OF_SESSION);
}

static long find_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEYRING_OF_SESSION, 1);
}

static long request_key_of_others(void)
{
	long r = syscall(SYS_request_key, "user", "deployd-attack", NULL, 0);

	return r < 0 && errno == ENOKEY ? 0 : r;
}

static long set_up_uring(void)
{
	struct io_uring_params params = {0};

	return syscall(SYS_io_uring_setup, 4, &params);
}

static long make_bpf_map(void)
{
	union bpf_attr attr = {0};

	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 4;
	attr.max_entries = 1;
	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long open_perf_event(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long open_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long read_kernel_log(void)
{
	return klogctl(SYSLOG_SIZE_BUFFER, NULL, 0);
}

static long watch_all_files(void)
{
	return fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
}

static long watch_files(void)
{
	return inotify_init1(IN_CLOEXEC);
}

static long set_hostname(void)
{
	char name[64];

	if (gethostname(name, sizeof(name)) < 0)
		return -1;
	return sethostname(name, strlen(name));
}

static long type_into_terminal(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static long make_pty(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static long open_fuse(void)
{
	return open("/dev/fuse", O_RDWR | O_CLOEXEC);
}

static long share_memory(void)
{
	return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
}

static long make_message_queue(void)
{
	return msgget(IPC_PRIVATE, IPC_CREAT | 0600);
}

static long ask_about_filter(void)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
		       &(uint32_t){SECCOMP_RET_ALLOW});
}

static long resize_pipe(void)
{
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	return fcntl(fds[1], F_SETPIPE_SZ, 4096);
}

static long splice_memory(void)
{
	static char byte = ' ';
	const struct iovec iov = {&byte, 1};
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	return vmsplice(fds[1], &iov, 1, 0);
}

#if defined(__x86_64__)
/* The numbers mean something else there: a filter has to look at the ABI, too. */
static long call_as_i386(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(GETPID_OF_I386) : "memory");
	errno = ENOSYS;
	return r > 0 ? 0 : -1;
}

static long call_as_x32(void)
{
	return syscall(X32_BIT | SYS_getpid);
}

static long get_io_ports(void)
{
	return iopl(3);
}

static long change_segments(void)
{
	char buf[16];

	return syscall(SYS_modify_ldt, 0, buf, sizeof(buf));
}
#endif

const struct attempt attempts_on_kernel[] = {
	{"connect-abstract", connect_abstract},
	{"connect-bus", connect_bus},
	{"connect-systemd", connect_systemd},
	{"connect-deployd", connect_deployd},
	{"connect-tcp", connect_tcp},
	{"open-netlink", open_netlink},
	{"open-packet", open_packet},
	{"make-socketpair", make_socketpair},
	{"send-over-socketpair", send_over_socketpair},
	{"send-over-report", send_over_report},
	{"add-to-keyring", add_to_keyring},
	{"find-keyring", find_keyring},
	{"request-key", request_key_of_others},
	{"set-up-uring", set_up_uring},
	{"make-bpf-map", make_bpf_map},
	{"open-perf-event", open_perf_event},
	{"open-userfaultfd", open_userfaultfd},
	{"read-kernel-log", read_kernel_log},
	{"watch-all-files", watch_all_files},
	{"watch-files", watch_files},
	{"set-hostname", set_hostname},
	{"type-into-terminal", type_into_terminal},
	{"make-pty", make_pty},
	{"open-fuse", open_fuse},
	{"share-memory", share_memory},
	{"make-message-queue", make_message_queue},
	{"ask-about-filter", ask_about_filter},
	{"resize-pipe", resize_pipe},
	{"vmsplice", splice_memory},
#if defined(__x86_64__)
	{"call-as-i386", call_as_i386},
	{"call-as-x32", call_as_x32},
	{"get-io-ports", get_io_ports},
	{"change-segments", change_segments},
#endif
	{NULL, NULL},
};
