/*
 * One GET by libcurl. What libcurl can do and a health check must not: follow
 * redirects, ask a proxy, keep cookies, decompress, speak other protocols.
 */
#include "probe/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "build_config.h"
#include "deploy/names.h"

#define SHOWN_SIZE	 200
#define STATUS_LINE_SIZE 128

struct exchange {
	const struct probe_options *options;
	CURL *curl;
	CURLU *url;
	char shown_url[SHOWN_SIZE];
	char status_line[STATUS_LINE_SIZE]; /* "500 Internal Server Error", escaped */
	char error[CURL_ERROR_SIZE];
	size_t length; /* of body */
	bool full;     /* body holds all it can; the rest is not read */
};

static char body[HTTP_BODY_MAX];

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *exchange = userdata;
	const size_t length = size * n, room = sizeof(body) - exchange->length;
	const size_t kept = length < room ? length : room;

	memcpy(body + exchange->length, data, kept);
	exchange->length += kept;
	if (kept == length)
		return length;
	exchange->full = true;
	return 0; /* ends the transfer with CURLE_WRITE_ERROR */
}

/* Status lines come here too, first 100 Continue's and the like, last the answer's. */
static size_t on_header(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *exchange = userdata;
	char text[2 * STATUS_LINE_SIZE]; /* so that a cut one ends in dots */
	size_t length = size * n;
	const char *blank = memchr(data, ' ', length);

	if (length < 5 || memcmp(data, "HTTP/", 5) != 0 || !blank)
		return size * n;
	length -= (size_t)(blank + 1 - data);
	while (length > 0 && strchr(" \r\n", blank[length]))
		length--;
	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	memcpy(text, blank + 1, length);
	text[length] = '\0';
	(void)names_escape(text, exchange->status_line, sizeof(exchange->status_line));
	return size * n;
}

static int refuse_url(const char *url, const char *why, struct errinfo *ei)
{
	char shown[SHOWN_SIZE];

	return errinfo_refuse(ei, RESULT_FAILED, "--url='%s': %s",
			      names_escape(url, shown, sizeof(shown)), why);
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	const bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return found;
}

static bool part_is(CURLU *url, CURLUPart part, const char *wanted)
{
	char *text = NULL;
	const bool is = curl_url_get(url, part, &text, 0) == CURLUE_OK &&
			strcasecmp(text, wanted) == 0;

	curl_free(text);
	return is;
}

static int read_url(struct exchange *exchange, struct errinfo *ei)
{
	const char *text = exchange->options->url;
	CURLUcode r;

	exchange->url = curl_url();
	if (!exchange->url)
		return errinfo_set(ei, ENOMEM, "cannot read the URL");
	r = curl_url_set(exchange->url, CURLUPART_URL, text, 0);
	if (r != CURLUE_OK && r != CURLUE_UNSUPPORTED_SCHEME)
		return refuse_url(text, curl_url_strerror(r), ei);
	if (!part_is(exchange->url, CURLUPART_SCHEME, "http") &&
	    !part_is(exchange->url, CURLUPART_SCHEME, "https"))
		return refuse_url(text, "wanted http://... or https://...", ei);
	if (has_part(exchange->url, CURLUPART_USER) ||
	    has_part(exchange->url, CURLUPART_PASSWORD))
		/* Not shown either. */
		return errinfo_refuse(ei, RESULT_FAILED,
				      "--url: a user or password in the URL could be "
				      "read in the list of processes");
	(void)names_escape(text, exchange->shown_url, sizeof(exchange->shown_url));
	return 0;
}

/*
 * By the name, not by where it leads: whoever can change what a name resolves to must
 * not turn the check of its certificate off.
 */
static bool is_loopback(CURLU *url)
{
	static const char tail[] = ".localhost";
	char *host = NULL;
	bool is = false;
	size_t length;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return false;
	length = strlen(host);
	/* libcurl has normalised numbers: "0x7f.1" is "127.0.0.1" here. */
	if (strncmp(host, "127.", 4) == 0)
		is = host[strspn(host, "0123456789.")] == '\0';
	else if (strcmp(host, "[::1]") == 0 || strcasecmp(host, "localhost") == 0)
		is = true;
	else if (length > strlen(tail))
		/* libcurl never asks the DNS for it (RFC 6761 6.3). */
		is = strcasecmp(host + length - strlen(tail), tail) == 0;
	curl_free(host);
	return is;
}

static CURLcode set_up(struct exchange *exchange, struct curl_slist *headers)
{
	const long timeout_ms = (long)exchange->options->timeout_ms;
	const long verify = is_loopback(exchange->url) ? 0 : 1;
	CURL *curl = exchange->curl;
	CURLcode r;

#define SET(option, value)                                                             \
	do {                                                                           \
		r = curl_easy_setopt(curl, option, value);                             \
		if (r != CURLE_OK)                                                     \
			return r;                                                      \
	} while (0)
	SET(CURLOPT_CURLU, exchange->url);
	SET(CURLOPT_ERRORBUFFER, exchange->error);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "deployd-probe/" DEPLOYD_VERSION);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_TIMEOUT_MS, timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
	/* Else a look-up that hangs would hold us beyond the timeout. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_SSL_VERIFYPEER, verify);
	SET(CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, exchange);
#undef SET
	return CURLE_OK;
}

/* What the exchange was doing when its time was up. */
static const char *phase(const struct exchange *exchange)
{
	CURL *curl = exchange->curl;
	curl_off_t resolved = 0, connected = 0, secured = 0, answered = 0;

	(void)curl_easy_getinfo(curl, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
	(void)curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
	(void)curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &secured);
	(void)curl_easy_getinfo(curl, CURLINFO_STARTTRANSFER_TIME_T, &answered);
	if (answered > 0)
		return "in the middle of the answer";
	if (connected > 0 && secured == 0 &&
	    part_is(exchange->url, CURLUPART_SCHEME, "https"))
		return "in the TLS handshake";
	if (connected > 0)
		return "waiting for an answer";
	return resolved > 0 ? "connecting" : "resolving the host's name";
}

static void tell_failure(struct exchange *exchange, CURLcode code,
			 struct finding *finding)
{
	const char *url = exchange->shown_url;
	const char *wanted = exchange->options->status_text;
	char detail[CURL_ERROR_SIZE];
	long os_error = 0;

	(void)names_escape(exchange->error[0] ? exchange->error
					      : curl_easy_strerror(code),
			   detail, sizeof(detail));
	(void)curl_easy_getinfo(exchange->curl, CURLINFO_OS_ERRNO, &os_error);
	if (code == CURLE_OPERATION_TIMEDOUT)
		finding_fail(finding,
			     "GET %s: timed out after %llu ms %s, %zu bytes of the "
			     "body came, wanted %s",
			     url, (unsigned long long)exchange->options->timeout_ms,
			     phase(exchange), exchange->length, wanted);
	else if (code == CURLE_COULDNT_CONNECT && os_error != 0)
		finding_fail(finding, "GET %s: cannot connect: %s, wanted %s", url,
			     strerror((int)os_error), wanted);
	else if (code == CURLE_GOT_NOTHING)
		finding_fail(finding,
			     "GET %s: the connection was closed without an answer, "
			     "wanted %s",
			     url, wanted);
	else if (code == CURLE_PARTIAL_FILE)
		finding_fail(finding,
			     "GET %s: the answer broke off after %zu bytes of the "
			     "body (%s), wanted %s",
			     url, exchange->length, detail, wanted);
	else
		finding_fail(finding, "GET %s: %s%s, wanted %s", url,
			     code == CURLE_WEIRD_SERVER_REPLY ||
					     code == CURLE_UNSUPPORTED_PROTOCOL
				     ? "the answer is not HTTP: "
				     : "",
			     detail, wanted);
}

static void fail_status(struct exchange *exchange, struct finding *finding)
{
	const char *wanted = exchange->options->status_text;
	struct curl_header *location;
	char to[SHOWN_SIZE];

	if (finding->status / 100 == 3 &&
	    curl_easy_header(exchange->curl, "Location", 0, CURLH_HEADER, -1,
			     &location) == CURLHE_OK)
		finding_fail(finding,
			     "GET %s: %s to '%s', wanted %s; redirects are not "
			     "followed",
			     exchange->shown_url, exchange->status_line,
			     names_escape(location->value, to, sizeof(to)), wanted);
	else
		finding_fail(finding, "GET %s: %s, wanted %s", exchange->shown_url,
			     exchange->status_line, wanted);
}

static void fail_header(struct exchange *exchange, const struct header_wanted *header,
			const char *value, struct finding *finding)
{
	char text[SHOWN_SIZE], wanted[SHOWN_SIZE], is[SHOWN_SIZE];

	(void)snprintf(text, sizeof(text), "%.*s: %.*s", (int)header->name_length,
		       header->name, (int)header->value_length, header->value);
	(void)names_escape(text, wanted, sizeof(wanted));
	if (value)
		finding_fail(finding,
			     "GET %s: %s, but header '%.*s' is '%s', wanted '%s'",
			     exchange->shown_url, exchange->status_line,
			     (int)(header->name_length < 64 ? header->name_length : 64),
			     header->name, names_escape(value, is, sizeof(is)), wanted);
	else
		finding_fail(finding, "GET %s: %s, but there is no header '%s'",
			     exchange->shown_url, exchange->status_line, wanted);
}

/* libcurl 7.88 leaves the \r of an empty value. */
static bool is_value(const char *value, const struct header_wanted *header)
{
	size_t length = strlen(value);

	while (length > 0 && strchr(" \t\r", value[length - 1]))
		length--;
	return length == header->value_length &&
	       memcmp(value, header->value, length) == 0;
}

/* One of a header's values must be the wanted one, byte for byte. */
static bool check_header(struct exchange *exchange, const struct header_wanted *header,
			 struct finding *finding)
{
	struct curl_header *found;
	const char *value = NULL;
	char name[SHOWN_SIZE];

	(void)snprintf(name, sizeof(name), "%.*s", (int)header->name_length,
		       header->name);
	for (size_t i = 0; curl_easy_header(exchange->curl, name, i, CURLH_HEADER, -1,
					    &found) == CURLHE_OK;
	     i++) {
		value = found->value;
		if (is_value(value, header))
			return true;
	}
	fail_header(exchange, header, value, finding);
	return false;
}

static void judge(struct exchange *exchange, struct finding *finding)
{
	const struct probe_options *options = exchange->options;
	char wanted[SHOWN_SIZE];

	if (!status_in(&options->status, finding->status)) {
		fail_status(exchange, finding);
		return;
	}
	for (size_t i = 0; i < options->n_headers; i++)
		if (!check_header(exchange, &options->headers[i], finding))
			return;
	if (options->body &&
	    !memmem(body, exchange->length, options->body, strlen(options->body))) {
		finding_fail(finding,
			     "GET %s: %s, but %s %zu bytes of the body do not contain "
			     "'%s'",
			     exchange->shown_url, exchange->status_line,
			     exchange->full ? "the first" : "the", exchange->length,
			     names_escape(options->body, wanted, sizeof(wanted)));
		return;
	}
	finding_pass(finding, "GET %s: %s", exchange->shown_url, exchange->status_line);
}

static void ask(struct exchange *exchange, struct finding *finding)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Connection: close");
	CURLcode r = CURLE_OUT_OF_MEMORY;

	if (headers)
		r = set_up(exchange, headers);
	if (r == CURLE_OK)
		r = curl_easy_perform(exchange->curl);
	if (r == CURLE_WRITE_ERROR && exchange->full)
		r = CURLE_OK;
	(void)curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE,
				&finding->status);
	finding_excerpt(finding, body, exchange->length);
	if (r == CURLE_OK)
		judge(exchange, finding);
	else
		tell_failure(exchange, r, finding);
	curl_slist_free_all(headers);
}

int http_check(const struct probe_options *options, struct finding *ret_finding,
	       struct errinfo *ei)
{
	/* Static: on_body is called in its own good time, also from curl's cleanup. */
	static struct exchange exchange;
	int r;

	exchange = (struct exchange){.options = options};
	r = read_url(&exchange, ei);
	if (r < 0) {
		curl_url_cleanup(exchange.url);
		return r;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		exchange.curl = curl_easy_init();
	if (exchange.curl)
		ask(&exchange, ret_finding);
	else
		finding_fail(ret_finding, "cannot start libcurl");
	/* The process ends here: cleaning up could wait for a look-up that hangs. */
	return 0;
}
