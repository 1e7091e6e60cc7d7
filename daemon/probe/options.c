#include "probe/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "util/args.h"

#define STATUS_DEFAULT "200-299"
#define SHOWN_SIZE     128

static const char *const verb_names[] = {"http", "tcp"};
_Static_assert(sizeof(verb_names) / sizeof(*verb_names) == PROBE_VERB_COUNT,
	       "every verb has a name");

static int refuse(struct errinfo *ei, const char *option, const char *value,
		  const char *wanted)
{
	char shown[SHOWN_SIZE];

	return errinfo_refuse(ei, RESULT_FAILED, "--%s='%s': %s", option,
			      names_escape(value, shown, sizeof(shown)), wanted);
}

bool address_parse(const char *text, char ret_host[ADDRESS_HOST_SIZE],
		   uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t length, n_digits;
	unsigned long port;

	if (!colon)
		return false;
	length = (size_t)(colon - text);
	if (text[0] == '[') {
		if (length < 3 || text[length - 1] != ']')
			return false;
		host++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return false;
	}
	if (length == 0 || length > HEALTH_HOST_MAX || memchr(host, '[', length) ||
	    memchr(host, ']', length))
		return false;
	n_digits = strspn(colon + 1, "0123456789");
	if (n_digits == 0 || n_digits > 5 || colon[1 + n_digits] != '\0')
		return false;
	port = strtoul(colon + 1, NULL, 10);
	if (port == 0 || port > UINT16_MAX)
		return false;
	memcpy(ret_host, host, length);
	ret_host[length] = '\0';
	*ret_port = (uint16_t)port;
	return true;
}

bool header_parse(const char *text, struct header_wanted *ret_header)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char blank[] = " \t";
	const size_t name_length = strspn(text, token);
	const char *value;
	size_t length;

	if (name_length == 0 || name_length > HEALTH_HEADER_NAME_MAX ||
	    text[name_length] != ':')
		return false;
	value = text + name_length + 1;
	value += strspn(value, blank);
	length = strlen(value);
	while (length > 0 && strchr(blank, value[length - 1]))
		length--;
	*ret_header = (struct header_wanted){text, name_length, value, length};
	return true;
}

/* --header may be given again and again: taken out before args_parse() sees it. */
static int take_headers(int *argc, char **argv, struct probe_options *options,
			struct errinfo *ei)
{
	static const char prefix[] = "--header=";
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		const char *text = argv[i] + strlen(prefix);

		if (strncmp(argv[i], prefix, strlen(prefix)) != 0) {
			argv[kept++] = argv[i];
			continue;
		}
		if (options->n_headers == HEALTH_HEADERS_MAX)
			return refuse(ei, "header", text, "too many headers");
		if (!header_parse(text, &options->headers[options->n_headers]))
			return refuse(ei, "header", text, "wanted 'Name: value'");
		options->n_headers++;
	}
	*argc = kept;
	return 0;
}

static int parse_http(int argc, char **argv, struct probe_options *options,
		      struct errinfo *ei)
{
	struct args_option list[] = {
		{"url", .text = &options->url},
		{"timeout-ms", &options->timeout_ms, .min = 1,
		 .max = HEALTH_TIMEOUT_MS_MAX},
		{"status", .text = &options->status_text, .optional = true},
		{"body", .text = &options->body, .optional = true},
	};
	int r;

	options->status_text = STATUS_DEFAULT;
	r = take_headers(&argc, argv, options, ei);
	if (r == 0)
		r = args_parse(argc, argv, list, sizeof(list) / sizeof(*list), ei);
	if (r < 0)
		return r;
	if (!status_parse(options->status_text, &options->status))
		return refuse(ei, "status", options->status_text,
			      "wanted codes and ranges like 200,300-399");
	return 0;
}

static int parse_tcp(int argc, char **argv, struct probe_options *options,
		     struct errinfo *ei)
{
	const char *address = "";
	struct args_option list[] = {
		{"address", .text = &address},
		{"timeout-ms", &options->timeout_ms, .min = 1,
		 .max = HEALTH_TIMEOUT_MS_MAX},
	};
	int r;

	r = args_parse(argc, argv, list, sizeof(list) / sizeof(*list), ei);
	if (r < 0)
		return r;
	if (!address_parse(address, options->host, &options->port))
		return refuse(ei, "address", address,
			      "wanted HOST:PORT or [IPV6]:PORT");
	return 0;
}

int options_parse(int argc, char **argv, struct probe_options *ret_options,
		  struct errinfo *ei)
{
	struct probe_options options = {.verb = PROBE_VERB_COUNT};
	int r = -EINVAL;

	for (size_t i = 0; i < PROBE_VERB_COUNT && argc > 1; i++)
		if (strcmp(argv[1], verb_names[i]) == 0)
			options.verb = (enum probe_verb)i;
	switch (options.verb) {
	case PROBE_VERB_HTTP:
		r = parse_http(argc - 1, argv + 1, &options, ei);
		break;
	case PROBE_VERB_TCP:
		r = parse_tcp(argc - 1, argv + 1, &options, ei);
		break;
	case PROBE_VERB_COUNT:
		r = errinfo_refuse(ei, RESULT_FAILED,
				   "usage: deployd-probe http|tcp OPTIONS");
		break;
	}
	if (r == 0)
		*ret_options = options;
	return r;
}
