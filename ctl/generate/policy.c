/* Who may do what: rules of deployd.policy(5), and the sudoers file they stand in for.
 */
#include <ctype.h>
#include <string.h>

#include "generate/generate.h"
#include "generate/text.h"

static void put_rule(struct text *text, const char *title, const char *rights,
		     const char *user)
{
	text_put(text, "\n[rule %s %s]\nallow = %s\nuser = %s\napp = %s\n", title,
		 text->app->app_name, rights, user, text->app->app_name);
}

char *generate_policy(const struct app_config *app, struct diag *diag)
{
	struct text text;

	if (!text_begin(&text, app, diag))
		return NULL;
	text_header(&text);
	text_put(&text,
		 "# An example: see deployd.policy(5). It goes to "
		 "/etc/deployd/policy.d/%s.conf.\n",
		 app->app_name);
	put_rule(&text, "who deploys may ship",
		 "deploy stage activate rollback confirm cancel restart reload start "
		 "stop enable status history logs hold",
		 app->deploy_user);
	text_put(&text, "\n# What sudo_deploy = yes and sudo_app = yes say; those in "
			"the app's file need no rule here.\n");
	if (app->sudo_deploy)
		put_rule(&text, "sudo_deploy of", "start stop restart status",
			 app->deploy_user);
	if (app->sudo_app)
		put_rule(&text, "sudo_app of", "start stop restart status",
			 app->app_user);
	return text_end(&text);
}

/* Two apps never have the same. */
static void put_alias(struct text *text)
{
	const char *name = text->app->app_name;

	if (!islower((unsigned char)name[0]))
		text_put(text, "APP_");
	for (; *name; name++) {
		if (*name == '-')
			text_put(text, "__");
		else
			text_put(text, "%c", toupper((unsigned char)*name));
	}
	text_put(text, "_SYSTEMCTL");
}

/* In sudoers some characters mean something within an argument too. */
static void put_service(struct text *text)
{
	for (const char *p = text->app->service_name; *p; p++)
		text_put(text, "%s%c", strchr(",:=", *p) ? "\\" : "", *p);
}

static void put_user(struct text *text, const char *user)
{
	text_put(text, "\nDefaults:%s !requiretty\n%s ALL=(ALL) NOPASSWD: ", user,
		 user);
	put_alias(text);
	text_put(text, "\n");
}

char *generate_sudoers(const struct app_config *app, struct diag *diag)
{
	static const char *const commands[] = {"start", "stop", "restart", "status",
					       "is-active"};
	const size_t n = sizeof(commands) / sizeof(*commands);
	struct text text;

	if (!text_begin(&text, app, diag))
		return NULL;
	if (!app->sudo_deploy && !app->sudo_app)
		text_error(&text, "sudo_deploy",
			   "neither sudo_deploy nor sudo_app is yes: there is nothing "
			   "for a sudoers file to allow");
	/* Arguments are patterns; what a backslash does in one is not worth it. */
	if (strchr(app->service_name, '\\'))
		text_error(&text, "service_name",
			   "has a backslash, which sudoers cannot name safely; use "
			   "rules of deployd.policy(5)");
	text_header(&text);
	text_put(&text, "# deployctl and the rules of deployd.policy(5) need no "
			"sudo.\n\nCmnd_Alias ");
	put_alias(&text);
	text_put(&text, " = \\\n");
	for (size_t i = 0; i < n; i++) {
		text_put(&text, "\t/bin/systemctl %s ", commands[i]);
		put_service(&text);
		text_put(&text, i + 1 < n ? ", \\\n" : "\n");
	}
	if (app->sudo_deploy)
		put_user(&text, app->deploy_user);
	if (app->sudo_app &&
	    !(app->sudo_deploy && strcmp(app->app_user, app->deploy_user) == 0))
		put_user(&text, app->app_user);
	return text_end(&text);
}
