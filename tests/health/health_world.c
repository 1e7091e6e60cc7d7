#include "health_world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct app_config *parse(const char *more)
{
	char text[1024];
	struct diag diag = {0};
	struct config_text texts = {.file = "hello.conf", .text = text};
	struct app_config *config;

	texts.length = (size_t)snprintf(
		text, sizeof(text), "[users]\napp_user = hello\ndeploy_user = d\n%s",
		more);
	config = app_config_parse("hello", &texts, 1, &diag);
	diag_deinit(&diag);
	assert_non_null(config);
	return config;
}

void turn(struct world *world)
{
	(void)uv_run(&world->loop, UV_RUN_DEFAULT);
}

void emit_changed(struct world *world, const char *unit)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/org/freedesktop/systemd1/unit/%s", unit);
	assert_true(sd_bus_emit_signal(world->fake.bus, path,
				       "org.freedesktop.DBus.Properties",
				       "PropertiesChanged", "sa{sv}as",
				       "org.freedesktop.systemd1.Unit", 0, 0) >= 0);
}

unsigned int count_calls(const struct world *world, const char *member)
{
	unsigned int n = 0;

	for (const char *at = world->fake.calls; (at = strstr(at, member)); at++)
		n++;
	return n;
}

void command_ends(struct world *world, int32_t status)
{
	world->fake.unit.active_state = status == 0 ? "inactive" : "failed";
	world->fake.unit.result = status == 0 ? "success" : "exit-code";
	world->fake.unit.exec_main_code = CLD_EXITED;
	world->fake.unit.exec_main_status = status;
	world->fake.log_stays = true;
}
