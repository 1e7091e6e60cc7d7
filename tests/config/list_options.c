/* Prints every option of the tables: PAGE, section, name, default ("-" without). */
#include <stdio.h>

#include "../../lib/config/app_table.h"
#include "../../lib/config/daemon_table.h"

static void print(const char *page, const struct option_spec *specs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)printf("%s\t%s\t%s\t%s\n", page, specs[i].section, specs[i].name,
			     specs[i].fallback ? specs[i].fallback : "-");
}

int main(void)
{
	print("deployd.app", app_options, n_app_options);
	print("deployd.app", app_health_check_options, APP_HEALTH_CHECK_OPTIONS);
	print("deployd.app", app_copy_file_options, APP_COPY_FILE_OPTIONS);
	print("deployd.app", app_create_dir_options, APP_CREATE_DIR_OPTIONS);
	print("deployd.conf", daemon_options, n_daemon_options);
	return 0;
}
