/*
 * A file on a FUSE server that does not respond, as any fd that a client pushes may be.
 * There are two processes. This one serves the file system but never touches it, so it
 * can exit without waiting for anybody; the kernel then ends the connection and wakes
 * every process that waits for it. Its child opens the file and hands it to deployd.
 *
 * It speaks the kernel's protocol itself, so that it sees every request and its caller.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover.h"

#define REQUEST_BYTES (1u << 20)
#define READ_BYTES    (64u << 10)
#define HUNG_AT_ALL   1024
#define ROOT_INODE    1
#define FILE_INODE    2
#define FILE_NAME     "f"

static const char usage[] =
	"fusefile [OPTIONS] SOCKET REQUEST\n"
	"\n"
	"Hands a file whose server does not answer to SOCKET with REQUEST (JSON; its\n"
	"NUL is added). Run it as root, or by unshare -Urm.\n"
	"\n"
	"  --hang OPS       of flush,read,getattr those that are not answered (flush)\n"
	"  --only COMM      to processes of that name; all but its own by default\n"
	"  --size BYTES     of the file (1000)\n"
	"  --user NAME      the client's user, where root mounts\n"
	"Also: answer (what hangs, and all that comes), end (the connection is "
	"aborted)";

enum hang {
	HANG_FLUSH,
	HANG_READ,
	HANG_GETATTR,
	HANG_COUNT,
};

static const struct {
	const char *name;
	uint32_t opcode;
} hangs[HANG_COUNT] = {
	[HANG_FLUSH] = {"flush", FUSE_FLUSH},
	[HANG_READ] = {"read", FUSE_READ},
	[HANG_GETATTR] = {"getattr", FUSE_GETATTR},
};

static struct {
	const char *hang, *only, *user;
	uint64_t size;
} options = {.hang = "flush", .size = 1000};

static struct {
	int fd;
	pid_t client;
	bool answers; /* no more hanging */
	size_t n_hung;
	struct fuse_in_header hung[HUNG_AT_ALL];
} server;

static bool take_option(const char *name, const char *value)
{
	if (strcmp(name, "--hang") == 0)
		options.hang = value;
	else if (strcmp(name, "--only") == 0)
		options.only = value;
	else if (strcmp(name, "--user") == 0)
		options.user = value;
	else if (strcmp(name, "--size") == 0)
		options.size = strtoull(value, NULL, 10);
	else
		return false;
	return true;
}

static void reply(uint64_t unique, int err, const void *data, size_t length)
{
	static char buf[sizeof(struct fuse_out_header) + READ_BYTES];
	struct fuse_out_header *header = (struct fuse_out_header *)buf;

	header->unique = unique;
	header->error = err;
	header->len = (uint32_t)(sizeof(*header) + length);
	if (length > 0)
		memcpy(buf + sizeof(*header), data, length);
	/* ENOENT: the caller was interrupted. */
	if (write(server.fd, buf, header->len) < 0 && errno != ENOENT)
		handover_die("cannot answer the kernel");
}

static struct fuse_attr attributes(uint64_t inode)
{
	if (inode == ROOT_INODE)
		return (struct fuse_attr){
			.ino = inode, .mode = S_IFDIR | 0755, .nlink = 2};
	return (struct fuse_attr){.ino = inode,
				  .mode = S_IFREG | 0666,
				  .nlink = 1,
				  .size = options.size,
				  .blocks = (options.size + 511) / 512};
}

static void answer_init(uint64_t unique)
{
	struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
				    .minor = 31,
				    .max_readahead = READ_BYTES,
				    .max_write = READ_BYTES};

	reply(unique, 0, &out, sizeof(out));
}

static void answer_lookup(uint64_t unique, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_INODE, .entry_valid = 3600, .attr_valid = 0};

	if (strcmp(name, FILE_NAME) != 0) {
		reply(unique, -ENOENT, NULL, 0);
		return;
	}
	out.attr = attributes(FILE_INODE);
	reply(unique, 0, &out, sizeof(out));
}

static void answer_getattr(uint64_t unique, uint64_t inode)
{
	/* Not valid for any time: each fstat() asks again. */
	struct fuse_attr_out out = {.attr = attributes(inode)};

	reply(unique, 0, &out, sizeof(out));
}

static void answer_read(uint64_t unique, const struct fuse_read_in *in)
{
	static const char zeros[READ_BYTES];
	uint64_t left = in->offset < options.size ? options.size - in->offset : 0;

	if (left > in->size)
		left = in->size;
	if (left > READ_BYTES)
		left = READ_BYTES;
	reply(unique, 0, zeros, left);
}

static void answer(const struct fuse_in_header *header, const char *body)
{
	/* Past the page cache: each read() asks. */
	const struct fuse_open_out opened = {.open_flags = FOPEN_DIRECT_IO};

	switch (header->opcode) {
	case FUSE_INIT:
		answer_init(header->unique);
		break;
	case FUSE_LOOKUP:
		answer_lookup(header->unique, body);
		break;
	case FUSE_GETATTR:
		answer_getattr(header->unique, header->nodeid);
		break;
	case FUSE_OPEN:
		reply(header->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_OPENDIR:
		reply(header->unique, 0, &(struct fuse_open_out){0},
		      sizeof(struct fuse_open_out));
		break;
	case FUSE_READ:
		answer_read(header->unique, (const struct fuse_read_in *)body);
		break;
	case FUSE_STATFS:
		reply(header->unique, 0, &(struct fuse_statfs_out){0},
		      sizeof(struct fuse_statfs_out));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		reply(header->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* these have no answer */
	default:
		reply(header->unique, -ENOSYS, NULL, 0);
	}
}

static void read_comm(uint32_t pid, char *comm, size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, comm, size - 1);
		(void)close(fd);
	}
	comm[n > 0 ? n - 1 : 0] = '\0'; /* without the newline */
}

static bool is_to_hang(const struct fuse_in_header *header, const char *name,
		       const char *comm)
{
	if (server.answers || !strstr(options.hang, name))
		return false;
	/* Of the client it would be us who wait, and PID 0 is none that we can see. */
	if ((pid_t)header->pid == server.client || header->nodeid != FILE_INODE)
		return false;
	if (options.only && strcmp(options.only, comm) != 0)
		return false;
	return server.n_hung < HUNG_AT_ALL;
}

static void handle(const struct fuse_in_header *header, const char *body)
{
	char comm[64];

	for (enum hang i = 0; i < HANG_COUNT; i++) {
		if (hangs[i].opcode != header->opcode)
			continue;
		read_comm(header->pid, comm, sizeof(comm));
		if (!is_to_hang(header, hangs[i].name, comm)) {
			handover_say("%s %u %s is answered", hangs[i].name, header->pid,
				     comm);
			break;
		}
		server.hung[server.n_hung++] = *header;
		handover_say("%s %u %s hangs", hangs[i].name, header->pid, comm);
		return;
	}
	answer(header, body);
}

/* False: the connection is gone. */
static bool serve(void)
{
	static union {
		struct fuse_in_header header;
		char bytes[REQUEST_BYTES];
	} buf;
	ssize_t n = read(server.fd, buf.bytes, sizeof(buf.bytes));

	if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
		return true;
	if (n < (ssize_t)sizeof(buf.header))
		return false;
	handle(&buf.header, buf.bytes + sizeof(buf.header));
	return true;
}

static void answer_hung(void)
{
	const struct fuse_read_in nothing = {0};

	server.answers = true;
	for (size_t i = 0; i < server.n_hung; i++)
		answer(&server.hung[i], (const char *)&nothing);
	server.n_hung = 0;
}

/* False: end. What is not for the server is the client's. */
static bool obey(char *text, int client_fd)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strcmp(line, "answer") == 0)
			answer_hung();
		else if (strcmp(line, "end") == 0)
			return false;
		else
			(void)dprintf(client_fd, "%s\n", line);
	}
	return true;
}

static void serve_until_end(int client_fd)
{
	struct pollfd polled[] = {{.fd = server.fd, .events = POLLIN},
				  {.fd = STDIN_FILENO, .events = POLLIN}};
	char text[256];
	ssize_t n;

	while (poll(polled, 2, -1) > 0 || errno == EINTR) {
		if (polled[0].revents && !serve())
			break;
		if (!polled[1].revents)
			continue;
		n = read(STDIN_FILENO, text, sizeof(text) - 1);
		if (n <= 0) {
			polled[1].fd = -1; /* no more commands: stay */
			continue;
		}
		text[n] = '\0';
		if (!obey(text, client_fd))
			break;
	}
	handover_say("end, with %zu that hang", server.n_hung);
}

static void become(const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (!user || initgroups(name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		handover_die("cannot become the user");
}

static void run_client(const struct handover *handover, const char *dir,
		       int commands_fd)
{
	char path[256];
	int fd;

	/* Held here it would keep the connection when the server is gone. */
	(void)close(server.fd);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		handover_die("cannot open the file");
	if (options.user)
		become(options.user);
	handover_run(handover, fd, commands_fd);
	_exit(0);
}

static void mount_at(const char *dir)
{
	char data[128];

	server.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server.fd < 0)
		handover_die("cannot open /dev/fuse");
	(void)snprintf(data, sizeof(data),
		       "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		       server.fd);
	if (mount("fusefile", dir, "fuse", MS_NOSUID | MS_NODEV, data) < 0)
		handover_die("cannot mount");
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/fusefile.XXXXXX";
	struct handover handover;
	int commands[2];

	handover_parse(&handover, argc, argv, usage, take_option);
	if (!mkdtemp(dir) || pipe2(commands, O_CLOEXEC) < 0)
		handover_die("cannot begin");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	mount_at(dir);
	server.client = fork();
	if (server.client < 0)
		handover_die("cannot fork");
	if (server.client == 0) {
		(void)close(commands[1]);
		run_client(&handover, dir, commands[0]);
	}
	(void)close(commands[0]);
	handover_say("server %d", (int)getpid());
	serve_until_end(commands[1]);
	(void)close(server.fd); /* the kernel aborts the connection */
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return 0;
}
