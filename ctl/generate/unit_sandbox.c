/* chroot, paths that the service may use, and paranoia. */
#include <stdlib.h>
#include <string.h>

#include "generate/unit.h"
#include "setup/tree.h"

#define BIND_SINCE 233 /* version of systemd with BindPaths= */

/*
 * A root of its own has what a release needs of the host: programs and libraries, names
 * and certificates. All of it, and the releases, read-only.
 */
static void fill_root(struct text *text)
{
	static const char host[] =
		"/usr -/bin -/sbin -/lib -/lib32 -/lib64 -/libx32 -/etc/alternatives "
		"-/etc/ca-certificates -/etc/group -/etc/hosts -/etc/ld.so.cache "
		"-/etc/localtime -/etc/nsswitch.conf -/etc/passwd -/etc/resolv.conf "
		"-/etc/ssl";
	const char *dir = text->app->deploy_dir;

	if (unit_systemd_version(text) < BIND_SINCE)
		text_error(text, "chroot",
			   "needs systemd %u for a root_directory of its own; set "
			   "systemd_version if the target has it",
			   BIND_SINCE);
	if (strchr(dir, ':'))
		text_error(text, "chroot",
			   "a deploy_dir with a colon cannot be bound into a root");
	text_put(text, "BindReadOnlyPaths=%s\n", host);
	text_words(text, "BindReadOnlyPaths", "", dir);
}

static void put_root(struct text *text)
{
	enum unit_root root = unit_root(text);

	if (root == UNIT_ROOT_HOST)
		return;
	text_setting(text, "RootDirectory", "root_directory",
		     text_option(text, "root_directory"));
	if (unit_systemd_version(text) >= BIND_SINCE &&
	    !text_option_yes(text, "paranoia"))
		text_put(text, "MountAPIVFS=yes\n");
	if (root == UNIT_ROOT_OWN)
		fill_root(text);
	else if (unit_uses_script(text))
		text_warning(text, "chroot",
			     "a release that mix or distillery made has no /bin/sh and "
			     "no libraries to be a root; name an empty directory in "
			     "root_directory, which is filled with what is needed");
}

/* "+": within the root. */
static void put_paths(struct text *text)
{
	static const struct {
		const char *setting, *option;
	} paths[] = {
		{"ReadWritePaths", "read_write_paths"},
		{"ReadOnlyPaths", "read_only_paths"},
		{"InaccessiblePaths", "inaccessible_paths"},
	};
	const char *prefix = unit_root(text) == UNIT_ROOT_HOST ? "" : "+";

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		text_words(text, paths[i].setting, prefix,
			   text_option(text, paths[i].option));
}

/* What mix_systemd has, and what came later and costs no app anything. */
static void put_paranoia(struct text *text)
{
	static const struct {
		const char *line;
		unsigned int since;
	} lines[] = {
		{"NoNewPrivileges=yes", 0},
		{"PrivateDevices=yes", 0},
		{"PrivateTmp=yes", 0},
		{"ProtectHome=yes", 0},
		{"ProtectSystem=full", 0},
		{"RestrictRealtime=yes", 231},
		{"PrivateUsers=yes", 232},
		{"ProtectKernelModules=yes", 232},
		{"ProtectKernelTunables=yes", 232},
		{"ProtectControlGroups=yes", 232},
		{"MountAPIVFS=yes", 233},
		{"RestrictNamespaces=yes", 233},
		{"LockPersonality=yes", 235},
		{"ProtectHostname=yes", 242},
		{"RestrictSUIDSGID=yes", 242},
		{"ProtectKernelLogs=yes", 244},
		{"ProtectClock=yes", 245},
	};
	const char *tmp_dir = text_option(text, "tmp_dir");

	if (!text_option_yes(text, "paranoia"))
		return;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (unit_systemd_version(text) >= lines[i].since)
			text_put(text, "%s\n", lines[i].line);
	/* Else the private one would hide it. */
	if (tree_has_word(text_option(text, "dirs"), "tmp") &&
	    (tree_is_below(tmp_dir, "/var/tmp") || tree_is_below(tmp_dir, "/tmp")) &&
	    unit_systemd_version(text) >= BIND_SINCE && !strchr(tmp_dir, ':'))
		text_words(text, "BindPaths", "", tmp_dir);
}

void unit_sandbox(struct text *text)
{
	put_root(text);
	put_paths(text);
	put_paranoia(text);
}
