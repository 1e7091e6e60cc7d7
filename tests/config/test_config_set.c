/*
 * Configuration directories as they may be found on a machine: real files with real
 * owners below a root directory of the test's own, with users and groups of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config_set.h"
#include "util/config_files.h"

#define APP "[users]\ndeploy_user = deploy\n"

static char dir[] = "/tmp/deployd-config-XXXXXX";
static int old_root_fd;
static struct config_set *set;
static struct diag diag;

static void path_of(const char *name, char ret_path[512])
{
	(void)snprintf(ret_path, 512, "%s/%s", dir, name);
}

static void make_dirs(const char *name)
{
	char path[512];

	path_of(name, path);
	for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(path, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*p = '/';
	}
}

static void put(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	make_dirs(name);
	path_of(name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static void put_link(const char *target, const char *name)
{
	char path[512];

	make_dirs(name);
	path_of(name, path);
	assert_int_equal(symlink(target, path), 0);
}

static void mode(const char *name, mode_t bits)
{
	char path[512];

	path_of(name, path);
	assert_int_equal(chmod(path, bits), 0);
}

static void owner(const char *name, uid_t uid)
{
	char path[512];

	path_of(name, path);
	assert_int_equal(chown(path, uid, 0), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/deployd-config-XXXXXX");
	assert_non_null(mkdtemp(dir));
	put("etc/passwd", "root:x:0:0::/:/bin/sh\n"
			  "toor:x:0:0::/:/bin/sh\n"
			  "deploy:x:1001:1001::/:/bin/sh\n"
			  "hello:x:1101:1101::/:/bin/sh\n"
			  "world:x:1102:1102::/:/bin/sh\n"
			  "deployd-intake:x:901:901::/:/bin/sh\n"
			  "deployd-unpack:x:902:902::/:/bin/sh\n"
			  "deployd-probe:x:903:903::/:/bin/sh\n"
			  "deployd-proc:x:904:904::/:/bin/sh\n"
			  "prober:x:903:903::/:/bin/sh\n"
			  "deployd-users:x:905:905::/:/bin/sh\n"
			  "twin:x:901:901::/:/bin/sh\n");
	put("etc/group", "root:x:0:\ntoor:x:0:\ndeploy:x:1001:\nhello:x:1101:\n"
			 "world:x:1102:\nops:x:2001:deploy\n");
	put("etc/nsswitch.conf", "passwd: files\ngroup: files\n");
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	config_set_unref(set);
	set = NULL;
	diag_deinit(&diag);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

/* Everything that configures deployd is read with dir as the root directory. */
static bool strict = true;

static void load(void)
{
	config_set_unref(set);
	diag_deinit(&diag);
	assert_int_equal(chroot(dir), 0);
	set = config_set_load(strict, &diag);
	assert_int_equal(fchdir(old_root_fd), 0);
	assert_int_equal(chroot("."), 0);
	assert_true((set == NULL) == diag.has_errors);
}

static bool told(const char *message)
{
	for (size_t i = 0; i < diag.n_messages; i++)
		if (strcmp(diag.messages[i], message) == 0)
			return true;
	return false;
}

static bool told_of(const char *words)
{
	for (size_t i = 0; i < diag.n_messages; i++)
		if (strstr(diag.messages[i], words))
			return true;
	return false;
}

static void print_messages(void)
{
	for (size_t i = 0; i < diag.n_messages; i++)
		print_message("came: %s\n", diag.messages[i]);
}

/* The messages are these and no others; a NULL ends them. */
static void assert_told(const char *message, ...)
{
	size_t n = 0;
	va_list ap;

	load();
	va_start(ap, message);
	for (; message; message = va_arg(ap, const char *), n++) {
		if (told(message))
			continue;
		print_messages();
		fail_msg("not told: %s", message);
	}
	va_end(ap);
	if (n != diag.n_messages) {
		print_messages();
		fail_msg("%zu messages, not %zu", diag.n_messages, n);
	}
}

static void assert_good(void)
{
	load();
	print_messages();
	assert_non_null(set);
	assert_int_equal(diag.n_messages, 0);
}

static void nothing_at_all_is_a_configuration(void **state)
{
	(void)state;
	assert_good();
	assert_int_equal(set->n_apps, 0);
	assert_int_equal(set->intake_uid, 901);
	assert_int_equal(set->unpack_gid, 902);
}

static void names_become_numbers(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/hello.conf", APP);
	put("etc/deployd/apps.d/world.conf", APP "app_user = world\n");
	assert_good();
	assert_int_equal(set->n_apps, 2);
	assert_string_equal(set->apps[0]->app_name, "hello");
	assert_int_equal(set->apps[0]->app_uid, 1101);
	assert_int_equal(set->apps[0]->deploy_uid, 1001);
	assert_int_equal(set->apps[1]->app_gid, 1102);
	assert_ptr_equal(config_set_app(set, "world"), set->apps[1]);
	assert_null(config_set_app(set, "worl"));
}

static const char *version(void)
{
	return config_set_app(set, "hello")->version;
}

static void the_highest_directory_wins(void **state)
{
	(void)state;
	put("usr/lib/deployd/apps.d/hello.conf", APP "[app]\nversion = usr\n");
	assert_good();
	assert_string_equal(version(), "usr");
	put("run/deployd/apps.d/hello.conf", APP "[app]\nversion = run\n");
	assert_good();
	assert_string_equal(version(), "run");
	put("etc/deployd/apps.d/hello.conf", APP "[app]\nversion = etc\n");
	assert_good();
	assert_string_equal(version(), "etc");
	assert_int_equal(set->n_apps, 1);
}

static void drop_ins_come_by_name_from_all_three(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/hello.conf", APP "[app]\nversion = main\n");
	put("usr/lib/deployd/apps.d/hello.conf.d/30.conf", "[app]\nversion = 30\n");
	put("etc/deployd/apps.d/hello.conf.d/20.conf", "[app]\nversion = 20\n");
	put("run/deployd/apps.d/hello.conf.d/10.conf", "[app]\nversion = 10\n");
	assert_good();
	assert_string_equal(version(), "30");
	put("etc/deployd/apps.d/hello.conf.d/30.conf", "[app]\nmix_env = test\n");
	assert_good();
	assert_string_equal(version(), "20");
	put_link("/dev/null", "etc/deployd/apps.d/hello.conf.d/10.conf");
	put("etc/deployd/apps.d/hello.conf.d/no-suffix", "nonsense");
	put("etc/deployd/apps.d/hello.conf.d/.hidden.conf", "nonsense");
	put("etc/deployd/apps.d/hello.conf.d/20.conf~", "nonsense");
	put("etc/deployd/apps.d/hello.conf.d/20.conf.bak", "nonsense");
	put("etc/deployd/apps.d/hello.conf.d/README", "nonsense");
	put("etc/deployd/policy.d/hello.ini", "nonsense");
	assert_told("/etc/deployd/apps.d/hello.conf.d: warning: 'no-suffix' is not "
		    "read: the name of a file must end in .conf",
		    "/etc/deployd/policy.d: warning: 'hello.ini' is not read: the name "
		    "of a file must end in .conf",
		    NULL);
	assert_non_null(set);
	assert_string_equal(version(), "20");
}

/* The rule for an app whose file has an error is no second fault. */
static void a_refused_app_is_there(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/hello.conf", APP "[app]\nversoin = 1\n");
	put("etc/deployd/policy.d/hello.conf",
	    "[rule a]\nallow = deploy\nuser = root\napp = hello\n");
	assert_told(
		"/etc/deployd/apps.d/hello.conf:4: there is no option 'versoin'; did "
		"you mean 'version'?",
		NULL);
	assert_null(set);
}

static void a_link_to_dev_null_masks(void **state)
{
	(void)state;
	put("usr/lib/deployd/apps.d/hello.conf", APP);
	put("etc/deployd/apps.d/hello.conf.d/10.conf", "[app]\nversion = 1\n");
	put_link("/dev/null", "etc/deployd/apps.d/hello.conf");
	assert_good();
	assert_int_equal(set->n_apps, 0);
}

static void the_daemons_own_file_and_drop_ins(void **state)
{
	(void)state;
	put("usr/lib/deployd/deployd.conf", "[deployd]\nqueue_max = 7\n");
	put("run/deployd/deployd.conf.d/a.conf", "[deployd]\njobs_max = 9\n");
	assert_good();
	assert_int_equal(set->daemon->queue_max, 7);
	assert_int_equal(set->daemon->jobs_max, 9);
	put_link("/dev/null", "etc/deployd/deployd.conf");
	assert_good();
	assert_int_equal(set->daemon->queue_max, 4);
	assert_int_equal(set->daemon->jobs_max, 9);
}

static void other_links_are_refused(void **state)
{
	(void)state;
	put("srv/hello.conf", APP);
	put_link("/srv/hello.conf", "etc/deployd/apps.d/hello.conf");
	put_link("/dev/zero", "etc/deployd/deployd.conf");
	put_link("/srv", "etc/deployd/policy.d");
	assert_told(
		"/etc/deployd/apps.d/hello.conf: is a symbolic link; put the file "
		"itself there (only a link to /dev/null, which masks, may be one)",
		"/etc/deployd/deployd.conf: is a symbolic link; put the file itself "
		"there (only a link to /dev/null, which masks, may be one)",
		"/etc/deployd/policy.d: is not a directory (a link to one is none)",
		NULL);
}

static void what_others_can_write_is_refused(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/a.conf", APP);
	owner("etc/deployd/apps.d/a.conf", 1001);
	put("etc/deployd/apps.d/b.conf", APP);
	mode("etc/deployd/apps.d/b.conf", 0664);
	put("etc/deployd/apps.d/c.conf", APP);
	mode("etc/deployd/apps.d/c.conf", 0602);
	put("etc/deployd/policy.d/x.conf", "");
	mode("etc/deployd/policy.d", 0775);
	assert_told(
		"/etc/deployd/apps.d/a.conf: could be written by others than root "
		"(owner 1001, mode 0644); run: chown root:root "
		"'/etc/deployd/apps.d/a.conf' && chmod go-w "
		"'/etc/deployd/apps.d/a.conf'",
		"/etc/deployd/apps.d/b.conf: could be written by others than root "
		"(owner 0, mode 0664); run: chown root:root "
		"'/etc/deployd/apps.d/b.conf' && chmod go-w "
		"'/etc/deployd/apps.d/b.conf'",
		"/etc/deployd/apps.d/c.conf: could be written by others than root "
		"(owner 0, mode 0602); run: chown root:root "
		"'/etc/deployd/apps.d/c.conf' && chmod go-w "
		"'/etc/deployd/apps.d/c.conf'",
		"/etc/deployd/policy.d: could be written by others than root (owner 0, "
		"mode 0775); run: chown root:root '/etc/deployd/policy.d' && chmod "
		"go-w "
		"'/etc/deployd/policy.d'",
		NULL);
}

static void the_directory_above_counts_too(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/hello.conf", APP);
	mode("etc/deployd", 0777);
	assert_told("/etc/deployd: could be written by others than root (owner 0, mode "
		    "0777); run: chown root:root '/etc/deployd' && chmod go-w "
		    "'/etc/deployd'",
		    NULL);
	mode("etc/deployd", 0755);
	put("etc/deployd/apps.d/hello.conf.d/x.conf", "");
	owner("etc/deployd/apps.d/hello.conf.d", 1001);
	assert_told("/etc/deployd/apps.d/hello.conf.d: could be written by others than "
		    "root (owner 1001, mode 0755); run: chown root:root "
		    "'/etc/deployd/apps.d/hello.conf.d' && chmod go-w "
		    "'/etc/deployd/apps.d/hello.conf.d'",
		    NULL);
}

static void only_regular_files(void **state)
{
	char path[512];

	(void)state;
	put("etc/deployd/apps.d/hello.conf/x", "");
	path_of("etc/deployd/apps.d/pipe.conf", path);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_told("/etc/deployd/apps.d/hello.conf: is not a regular file",
		    "/etc/deployd/apps.d/pipe.conf: is not a regular file", NULL);
}

static void a_file_has_a_limit(void **state)
{
	char path[512];

	(void)state;
	put("etc/deployd/deployd.conf", "# long\n");
	path_of("etc/deployd/deployd.conf", path);
	assert_int_equal(truncate(path, INT64_C(1) << 40), 0);
	assert_told("/etc/deployd/deployd.conf: is larger than 1048576 bytes", NULL);
}

static void a_name_for_no_terminal(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/a\033[31m.conf", APP);
	assert_told("/etc/deployd/apps.d: holds a file with a name that cannot be "
		    "shown, 'a\\x1b[31m.conf'; rename it",
		    NULL);
}

static void unknown_names_have_their_line(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/hello.conf",
	    "[users]\ndeploy_user = nemo\ndeploy_group = deploy\napp_group = sub\n");
	put("etc/deployd/apps.d/ghost.conf", APP);
	put("etc/deployd/deployd.conf.d/x.conf",
	    "[deployd]\nintake_user = nobody-else\n");
	assert_told(
		"/etc/deployd/apps.d/hello.conf:2: deploy_user: there is no user "
		"'nemo'; create it, or name another",
		"/etc/deployd/apps.d/hello.conf:4: app_group: there is no group "
		"'sub'; create it, or name another",
		"/etc/deployd/apps.d/ghost.conf: app_user: there is no user 'ghost'; "
		"create it, or name another",
		"/etc/deployd/deployd.conf.d/x.conf:2: intake_user: no user "
		"'nobody-else'; run systemd-sysusers",
		NULL);
}

static void what_is_not_carried_out_is_no_secret(void **state)
{
	struct app_undone undone;
	const struct app_config *app;

	(void)state;
	put("etc/deployd/apps.d/hello.conf",
	    "[users]\ndeploy_user = root\napp_user = hello\n"
	    "[release]\ndedupe = yes\n"
	    "[hooks]\nfailed = /bin/true\nhook_timeout_sec = 3\n"
	    "[commands]\nmigrate = bin/x\n");
	load();
	assert_null(set);
	assert_true(told_of("hello.conf:5: [release] dedupe is not carried out by this "
			    "version: files are not shared"));
	assert_true(told_of("hello.conf:7: [hooks] failed is not"));
	assert_true(told_of("hello.conf:8: [hooks] hook_timeout_sec is not"));
	assert_true(told_of("hello.conf:10: [commands] migrate is not"));
	strict = false;
	load();
	assert_non_null(set);
	assert_true(told_of("hello.conf:7: warning: [hooks] failed is not"));
	app = config_set_app(set, "hello");
	assert_true(app_config_undone(app, 3, &undone));
	assert_string_equal(undone.name, "migrate");
	assert_false(app_config_undone(app, 4, &undone));
	strict = true;
	put("etc/deployd/apps.d/hello.conf",
	    "[users]\ndeploy_user = root\napp_user = hello\n"
	    "[release]\ndedupe = no\n[hooks]\nfailed =\n");
	load();
	assert_non_null(set);
	assert_false(app_config_undone(config_set_app(set, "hello"), 0, &undone));
}

static void missing_users_of_transient_units_are_told(void **state)
{
	(void)state;
	put("etc/passwd", "root:x:0:0::/:/bin/sh\n"
			  "deployd-intake:x:901:901::/:/bin/sh\n"
			  "deployd-unpack:x:902:902::/:/bin/sh\n"
			  "deployd-proc:x:904:904::/:/bin/sh\n"
			  "deployd-users:x:905:905::/:/bin/sh\n");
	load();
	assert_non_null(set);
	assert_true(told("deployd.conf: warning: no user 'deployd-probe', so no "
			 "http or tcp check can pass; run systemd-sysusers"));
	assert_false(told("deployd.conf: warning: no user 'deployd-proc', so no "
			  "release can be verified; run systemd-sysusers"));
}

static void it_is_the_number_that_counts(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/a.conf", APP "app_user = toor\n");
	put("etc/deployd/apps.d/b.conf", APP "app_user = twin\napp_group = hello\n");
	put("etc/deployd/apps.d/c.conf", "[users]\ndeploy_user = deployd-unpack\n"
					 "deploy_group = deploy\napp_user = world\n");
	put("etc/deployd/apps.d/d.conf", APP "app_user = prober\napp_group = hello\n");
	assert_told(
		"/etc/deployd/apps.d/a.conf:3: app_user: 'toor' is root by another "
		"name",
		"/etc/deployd/apps.d/a.conf: app_group: 'toor' is root's group by "
		"another name",
		"/etc/deployd/apps.d/b.conf:3: app_user: 'twin' is the user of one "
		"of deployd's own processes; make another",
		"/etc/deployd/apps.d/c.conf:2: deploy_user: 'deployd-unpack' is the "
		"user of one of deployd's own processes; make another",
		"/etc/deployd/apps.d/d.conf:3: app_user: 'prober' is the user of one "
		"of deployd's own processes; make another",
		NULL);
	put("etc/deployd/deployd.conf", "[deployd]\nunpack_user = twin\n");
	load();
	assert_true(told("/etc/deployd/deployd.conf:2: unpack_user: 'deployd-intake' "
			 "and 'twin' are one user"));
	put("etc/deployd/deployd.conf", "[deployd]\nunpack_user = toor\n");
	load();
	assert_true(told("/etc/deployd/deployd.conf:2: unpack_user: must not be root"));
	put("etc/deployd/apps.d/b.conf", APP "app_user = deployd-users\n"
					     "app_group = hello\n");
	load();
	assert_true(told("/etc/deployd/apps.d/b.conf:3: app_user: 'deployd-users' is "
			 "the user of one of deployd's own processes; make another"));
}

static void a_large_group_is_found(void **state)
{
	static const char head[] = "root:x:0:\ndeploy:x:1001:\nhello:x:1101:";
	size_t n = sizeof(head) - 1, members = 40000;
	char *text = malloc(n + members * 6 + 2);

	(void)state;
	assert_non_null(text);
	memcpy(text, head, n);
	for (size_t i = 0; i < members; i++)
		n += (size_t)sprintf(text + n, "u%04zu,", i % 10000);
	text[n - 1] = '\n';
	text[n] = '\0';
	put("etc/group", text);
	free(text);
	put("etc/deployd/apps.d/hello.conf", APP);
	assert_good();
	assert_int_equal(set->apps[0]->app_gid, 1101);
}

static void apps_do_not_share(void **state)
{
	(void)state;
	put("etc/deployd/apps.d/hello.conf", APP);
	put("etc/deployd/apps.d/world.conf",
	    APP "app_user = world\n[app]\napp_name = hello\n");
	put("etc/deployd/apps.d/x.conf", APP "app_user = world\n[directories]\n"
					     "deploy_dir = /srv/hello/releases/x\n");
	put("etc/deployd/apps.d/y.conf", APP "app_user = world\n[directories]\n"
					     "flags_dir = /srv/hello/flags\n");
	put("etc/deployd/apps.d/z.conf", APP "app_user = world\n[directories]\n"
					     "deploy_dir = /srv/hello-z\n");
	load();
	print_messages();
	assert_true(told("/etc/deployd/apps.d/world.conf:5: app_name: 'hello' is also "
			 "that of /etc/deployd/apps.d/hello.conf"));
	assert_true(
		told("/etc/deployd/apps.d/world.conf: service_name: hello.service is "
		     "also the unit of /etc/deployd/apps.d/hello.conf"));
	assert_true(told("/etc/deployd/apps.d/world.conf: deploy_dir: '/srv/hello' is, "
			 "holds or lies in a directory of "
			 "/etc/deployd/apps.d/hello.conf"));
	assert_true(told("/etc/deployd/apps.d/x.conf:5: deploy_dir: "
			 "'/srv/hello/releases/x' is, holds or lies in a directory of "
			 "/etc/deployd/apps.d/hello.conf"));
	assert_true(
		told("/etc/deployd/apps.d/y.conf:5: flags_dir: '/srv/hello/flags' is, "
		     "holds or lies in a directory of "
		     "/etc/deployd/apps.d/hello.conf"));
	for (size_t i = 0; i < diag.n_messages; i++)
		assert_null(strstr(diag.messages[i], "z.conf"));
}

static void every_file_is_read_before_it_is_refused(void **state)
{
	(void)state;
	put("etc/deployd/deployd.conf", "[deployd]\nqueue = 1\n");
	put("etc/deployd/apps.d/hello.conf", "[users]\nuser = x\n");
	put("etc/deployd/policy.d/a.conf", "[rule a]\nuser = nemo\n");
	load();
	assert_null(set);
	assert_true(told("/etc/deployd/deployd.conf:2: there is no option 'queue'"));
	assert_true(told("/etc/deployd/apps.d/hello.conf: deploy_user: is missing; set "
			 "it in section [users]"));
	assert_true(diag.n_messages >= 4);
	assert_non_null(strstr(diag.messages[diag.n_messages - 1], "policy.d/a.conf"));
}

static void a_set_lives_as_long_as_it_is_held(void **state)
{
	struct config_set *held;

	(void)state;
	put("etc/deployd/apps.d/hello.conf", APP);
	assert_good();
	held = config_set_ref(set);
	config_set_unref(set);
	assert_string_equal(held->apps[0]->app_name, "hello");
	set = held;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(nothing_at_all_is_a_configuration),
		T(names_become_numbers),
		T(the_highest_directory_wins),
		T(drop_ins_come_by_name_from_all_three),
		T(a_refused_app_is_there),
		T(a_link_to_dev_null_masks),
		T(the_daemons_own_file_and_drop_ins),
		T(other_links_are_refused),
		T(what_others_can_write_is_refused),
		T(the_directory_above_counts_too),
		T(only_regular_files),
		T(a_file_has_a_limit),
		T(a_name_for_no_terminal),
		T(unknown_names_have_their_line),
		T(what_is_not_carried_out_is_no_secret),
		T(missing_users_of_transient_units_are_told),
		T(it_is_the_number_that_counts),
		T(a_large_group_is_found),
		T(apps_do_not_share),
		T(every_file_is_read_before_it_is_refused),
		T(a_set_lives_as_long_as_it_is_held),
	};

	(void)umask(022);
	old_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* chroot and files of other owners; the system tier runs it as root. */
	if (geteuid() != 0 || old_root_fd < 0) {
		(void)printf("needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
