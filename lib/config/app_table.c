/* Every option of an app's file. deployd.app(5) explains each; a test compares. */
#include "app_table.h"

#include <string.h>

#include "deploy/limits.h"

#define MANY_BYTES (UINT64_C(1) << 50)

#define UNDONE_HOOK                                                                    \
	"hooks are not run; run the command from ExecStartPre= of the unit, or "       \
	"around "                                                                      \
	"`deployctl deploy`"

const struct option_spec app_options[] = {
	{"app", "app_name", NULL, .type = OPTION_TYPE_APP_NAME},
	{"app", "module_name", NULL, .type = OPTION_TYPE_WORD},
	{"app", "ext_name", NULL, .type = OPTION_TYPE_COMPONENT},
	{"app", "release_name", "{app_name}", .type = OPTION_TYPE_COMPONENT},
	{"app", "service_name", "{ext_name}", .type = OPTION_TYPE_SERVICE},
	{"app", "version", NULL, .type = OPTION_TYPE_WORD},
	{"app", "release_system", "mix", .type = OPTION_TYPE_ENUM,
	 .choices = "mix distillery"},
	{"app", "systemd_version", "252", .type = OPTION_TYPE_INT, .min = 1,
	 .max = 9999},
	{"app", "mix_env", "prod", .type = OPTION_TYPE_WORD},
	{"app", "env_lang", "en_US.utf8", .type = OPTION_TYPE_WORD},
	{"app", "target_prefix", "deploy-", .type = OPTION_TYPE_COMPONENT},

	{"users", "deploy_user", NULL, .type = OPTION_TYPE_USER},
	{"users", "deploy_group", "{deploy_user}", .type = OPTION_TYPE_USER},
	{"users", "app_user", "{ext_name}", .type = OPTION_TYPE_USER},
	{"users", "app_group", "{app_user}", .type = OPTION_TYPE_USER},
	{"users", "sudo_deploy", "no", .type = OPTION_TYPE_BOOL},
	{"users", "sudo_app", "no", .type = OPTION_TYPE_BOOL},

	{"directories", "base_dir", "/srv", .type = OPTION_TYPE_PATH},
	{"directories", "deploy_dir", "{base_dir}/{ext_name}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "scripts_dir", "{deploy_dir}/bin", .type = OPTION_TYPE_PATH},
	{"directories", "current_dir", "{deploy_dir}/current",
	 .type = OPTION_TYPE_PATH},
	{"directories", "releases_dir", "{deploy_dir}/releases",
	 .type = OPTION_TYPE_PATH},
	{"directories", "flags_dir", "{deploy_dir}/flags", .type = OPTION_TYPE_PATH},
	{"directories", "etc_dir", "{deploy_dir}/etc", .type = OPTION_TYPE_PATH},
	{"directories", "dirs", NULL, .type = OPTION_TYPE_ENUM,
	 .choices = "runtime configuration state cache logs tmp", .list = true,
	 .words = true},
	{"directories", "runtime_dir", "{runtime_directory_base}/{runtime_directory}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "runtime_directory", "{service_name}",
	 .type = OPTION_TYPE_RELATIVE},
	{"directories", "runtime_directory_base", "/run", .type = OPTION_TYPE_PATH},
	{"directories", "runtime_directory_mode", "750", .type = OPTION_TYPE_MODE},
	{"directories", "configuration_dir",
	 "{configuration_directory_base}/{configuration_directory}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "configuration_directory", "{service_name}",
	 .type = OPTION_TYPE_RELATIVE},
	{"directories", "configuration_directory_base", "/etc",
	 .type = OPTION_TYPE_PATH},
	{"directories", "configuration_directory_mode", "750",
	 .type = OPTION_TYPE_MODE},
	{"directories", "state_dir", "{state_directory_base}/{state_directory}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "state_directory", "{service_name}",
	 .type = OPTION_TYPE_RELATIVE},
	{"directories", "state_directory_base", "/var/lib", .type = OPTION_TYPE_PATH},
	{"directories", "state_directory_mode", "750", .type = OPTION_TYPE_MODE},
	{"directories", "cache_dir", "{cache_directory_base}/{cache_directory}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "cache_directory", "{service_name}",
	 .type = OPTION_TYPE_RELATIVE},
	{"directories", "cache_directory_base", "/var/cache", .type = OPTION_TYPE_PATH},
	{"directories", "cache_directory_mode", "750", .type = OPTION_TYPE_MODE},
	{"directories", "logs_dir", "{logs_directory_base}/{logs_directory}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "logs_directory", "{service_name}",
	 .type = OPTION_TYPE_RELATIVE},
	{"directories", "logs_directory_base", "/var/log", .type = OPTION_TYPE_PATH},
	{"directories", "logs_directory_mode", "750", .type = OPTION_TYPE_MODE},
	{"directories", "tmp_dir", "{tmp_directory_base}/{tmp_directory}",
	 .type = OPTION_TYPE_PATH},
	{"directories", "tmp_directory", "{service_name}",
	 .type = OPTION_TYPE_RELATIVE},
	{"directories", "tmp_directory_base", "/var/tmp", .type = OPTION_TYPE_PATH},
	{"directories", "tmp_directory_mode", "750", .type = OPTION_TYPE_MODE},
	{"directories", "runtime_directory_preserve", "no", .type = OPTION_TYPE_ENUM,
	 .choices = "no yes restart"},

	{"release", "keep", "5", .type = OPTION_TYPE_INT, .min = 2, .max = 1000},
	{"release", "max_archive_bytes", "4G", .type = OPTION_TYPE_BYTES, .min = 1,
	 .max = MANY_BYTES},
	{"release", "max_release_bytes", "8G", .type = OPTION_TYPE_BYTES, .min = 1,
	 .max = MANY_BYTES},
	{"release", "max_file_bytes", "4G", .type = OPTION_TYPE_BYTES, .min = 1,
	 .max = MANY_BYTES},
	{"release", "max_entries", "500000", .type = OPTION_TYPE_INT, .min = 1,
	 .max = 10000000},
	{"release", "max_ratio", "200", .type = OPTION_TYPE_INT, .min = 1,
	 .max = 100000},
	{"release", "max_depth", "64", .type = OPTION_TYPE_INT, .min = 1,
	 .max = RELEASE_DEPTH_MAX},
	{"release", "unpack_sec", "600", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = UNPACK_SEC_MAX},
	{"release", "require_files", NULL, .type = OPTION_TYPE_RELATIVE, .list = true,
	 .words = true},
	{"release", "link_targets", "/usr", .type = OPTION_TYPE_PATH, .list = true,
	 .words = true},
	{"release", "strip_components", "0", .type = OPTION_TYPE_INT,
	 .max = STRIP_COMPONENTS_MAX},
	{"release", "linked_dirs", NULL, .type = OPTION_TYPE_RELATIVE, .list = true,
	 .words = true},
	{"release", "linked_files", NULL, .type = OPTION_TYPE_RELATIVE, .list = true,
	 .words = true},
	{"release", "require_sha256", "no", .type = OPTION_TYPE_BOOL},
	{"release", "require_signature", NULL, .type = OPTION_TYPE_PATH,
	 .undone = "signatures are not verified; require_sha256 = yes and a checksum "
		   "from a source that you trust come nearest"},
	{"release", "dedupe", "no", .type = OPTION_TYPE_BOOL,
	 .undone = "files are not shared between releases; remove the line"},

	{"restart", "restart_method", "systemctl", .type = OPTION_TYPE_ENUM,
	 .choices = "systemctl systemd_flag touch"},
	{"restart", "activate_method", "restart", .type = OPTION_TYPE_ENUM,
	 .choices = "restart reload none"},
	{"restart", "require_verified", "auto", .type = OPTION_TYPE_ENUM,
	 .choices = "auto yes no"},
	{"restart", "daemon_reload", "no", .type = OPTION_TYPE_BOOL},
	{"restart", "job_timeout_sec", "90", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 86400},
	{"restart", "stop_timeout_sec", "10min", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 86400},
	{"restart", "service_type", "simple", .type = OPTION_TYPE_ENUM,
	 .choices = "simple exec notify notify-reload forking"},
	{"restart", "pid_file", "{runtime_dir}/{app_name}.pid",
	 .type = OPTION_TYPE_PATH},
	{"restart", "flag_debounce_ms", "100", .type = OPTION_TYPE_MS, .min = 10,
	 .max = 10000},
	{"restart", "flag_burst", "3", .type = OPTION_TYPE_INT, .min = 1, .max = 100},
	{"restart", "flag_interval_sec", "10", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 3600},
	{"restart", "flag_on_start", "restart", .type = OPTION_TYPE_ENUM,
	 .choices = "restart ignore"},
	{"restart", "touch_timeout_sec", "60", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 3600},

	{"health", "auto_rollback", "yes", .type = OPTION_TYPE_BOOL},
	{"health", "min_healthy_sec", "2", .type = OPTION_TYPE_SECONDS, .max = 3600},
	{"health", "healthy_deadline_sec", "60", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 86400},
	{"health", "bake_sec", "5", .type = OPTION_TYPE_SECONDS, .max = 86400},

	{"environment", "env_vars", NULL, .type = OPTION_TYPE_ENV_VAR, .list = true},
	{"environment", "env_files", NULL, .type = OPTION_TYPE_ENV_FILE, .list = true},
	{"environment", "conform_conf_path", NULL, .type = OPTION_TYPE_PATH},

	{"hooks", "pre_activate", NULL, .type = OPTION_TYPE_TEXT, .list = true,
	 .undone = UNDONE_HOOK},
	{"hooks", "post_activate", NULL, .type = OPTION_TYPE_TEXT, .list = true,
	 .undone = UNDONE_HOOK},
	{"hooks", "finished", NULL, .type = OPTION_TYPE_TEXT, .list = true,
	 .undone = UNDONE_HOOK},
	{"hooks", "failed", NULL, .type = OPTION_TYPE_TEXT, .list = true,
	 .undone = UNDONE_HOOK},
	{"hooks", "hook_timeout_sec", "5min", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 86400, .undone = UNDONE_HOOK},

	{"unit", "exec_start", NULL, .type = OPTION_TYPE_EXEC},
	{"unit", "exec_start_pre", NULL, .type = OPTION_TYPE_EXEC, .list = true},
	{"unit", "exec_start_wrap", NULL, .type = OPTION_TYPE_EXEC},
	{"unit", "exec_stop", NULL, .type = OPTION_TYPE_EXEC},
	{"unit", "start_command", NULL, .type = OPTION_TYPE_WORD},
	{"unit", "restart", "always", .type = OPTION_TYPE_ENUM,
	 .choices = "always on-failure on-abnormal on-watchdog on-abort on-success no"},
	{"unit", "restart_sec", NULL, .type = OPTION_TYPE_SPAN},
	{"unit", "timeout_start_sec", NULL, .type = OPTION_TYPE_SPAN},
	{"unit", "limit_nofile", "65535", .type = OPTION_TYPE_LIMIT},
	{"unit", "limit_core", NULL, .type = OPTION_TYPE_LIMIT},
	{"unit", "umask", "0027", .type = OPTION_TYPE_MODE},
	{"unit", "syslog_identifier", "{service_name}", .type = OPTION_TYPE_WORD},
	{"unit", "working_dir", "{current_dir}", .type = OPTION_TYPE_PATH},
	{"unit", "listen_stream", NULL, .type = OPTION_TYPE_LISTEN, .list = true,
	 .words = true},
	{"unit", "unit_after_targets", NULL, .type = OPTION_TYPE_UNIT, .list = true,
	 .words = true},
	{"unit", "runtime_environment_unit_after_targets", NULL,
	 .type = OPTION_TYPE_UNIT, .list = true, .words = true},
	{"unit", "runtime_environment_service", "no", .type = OPTION_TYPE_BOOL},
	{"unit", "runtime_environment_service_script", NULL, .type = OPTION_TYPE_PATH},
	{"unit", "chroot", "no", .type = OPTION_TYPE_BOOL},
	{"unit", "root_directory", "{deploy_dir}/current", .type = OPTION_TYPE_PATH},
	{"unit", "read_write_paths", NULL, .type = OPTION_TYPE_PATH, .list = true,
	 .words = true},
	{"unit", "read_only_paths", NULL, .type = OPTION_TYPE_PATH, .list = true,
	 .words = true},
	{"unit", "inaccessible_paths", NULL, .type = OPTION_TYPE_PATH, .list = true,
	 .words = true},
	{"unit", "paranoia", "no", .type = OPTION_TYPE_BOOL},
};
const size_t n_app_options = sizeof(app_options) / sizeof(*app_options);

const struct option_spec app_health_check_options[APP_HEALTH_CHECK_OPTIONS] = {
	{"health_check", "type", NULL, .type = OPTION_TYPE_ENUM,
	 .choices = "http tcp exec"},
	{"health_check", "url", NULL, .type = OPTION_TYPE_URL},
	{"health_check", "status", "200", .type = OPTION_TYPE_STATUS, .list = true,
	 .words = true},
	{"health_check", "body", NULL, .type = OPTION_TYPE_TEXT},
	{"health_check", "header", NULL, .type = OPTION_TYPE_HEADER, .list = true},
	{"health_check", "address", NULL, .type = OPTION_TYPE_ADDRESS},
	{"health_check", "command", NULL, .type = OPTION_TYPE_COMMAND},
	{"health_check", "interval_sec", "1", .type = OPTION_TYPE_SEC_MS, .min = 100,
	 .max = 3600000},
	{"health_check", "timeout_sec", "5", .type = OPTION_TYPE_SEC_MS, .min = 100,
	 .max = HEALTH_TIMEOUT_MS_MAX},
	{"health_check", "successes", "1", .type = OPTION_TYPE_INT, .min = 1,
	 .max = 100},
};

const struct option_spec app_copy_file_options[APP_COPY_FILE_OPTIONS] = {
	{"copy_file", "src", NULL, .type = OPTION_TYPE_ANY_PATH},
	{"copy_file", "dst", NULL, .type = OPTION_TYPE_PATH},
	{"copy_file", "user", "{deploy_user}", .type = OPTION_TYPE_USER},
	{"copy_file", "group", "{app_group}", .type = OPTION_TYPE_USER},
	{"copy_file", "mode", "640", .type = OPTION_TYPE_MODE},
	{"copy_file", "enabled", "yes", .type = OPTION_TYPE_BOOL},
};

const struct option_spec app_create_dir_options[APP_CREATE_DIR_OPTIONS] = {
	{"create_dir", "path", NULL, .type = OPTION_TYPE_PATH},
	{"create_dir", "user", "{deploy_user}", .type = OPTION_TYPE_USER},
	{"create_dir", "group", "{app_group}", .type = OPTION_TYPE_USER},
	{"create_dir", "mode", "750", .type = OPTION_TYPE_MODE},
	{"create_dir", "comment", NULL, .type = OPTION_TYPE_TEXT},
	{"create_dir", "enabled", "yes", .type = OPTION_TYPE_BOOL},
};

static bool has(const struct option_spec *specs, size_t n_specs, const char *name)
{
	for (size_t i = 0; i < n_specs; i++)
		if (strcmp(specs[i].name, name) == 0)
			return true;
	return false;
}

const char *app_named_section_of(const char *option)
{
	if (has(app_health_check_options, APP_HEALTH_CHECK_OPTIONS, option))
		return "health_check";
	if (has(app_copy_file_options, APP_COPY_FILE_OPTIONS, option))
		return "copy_file";
	if (has(app_create_dir_options, APP_CREATE_DIR_OPTIONS, option))
		return "create_dir";
	return NULL;
}

static const struct app_foreign_option foreign[] = {
	{"copy_files", "write a section [copy_file NAME] for each file"},
	{"create_dirs", "write a section [create_dir NAME] for each directory"},
	{"bin_dir", NULL},
	{"build_path", NULL},
	{"expand_keys", NULL},
	{"expand_keys_extra", NULL},
	{"output_dir", NULL},
	{"template_dir", NULL},
	{"templates", NULL},
};

const struct app_foreign_option *app_foreign_option(const char *name)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (strcmp(foreign[i].name, name) == 0)
			return &foreign[i];
	return NULL;
}
