/* What health checks connect to: URLs, addresses, status codes, headers. */
#include "option_net.h"

#include <arpa/inet.h>
#include <string.h>

#include "deploy/limits.h"

#define URL_BYTES_MAX 2000

/* A letter, a digit or one of more; NUL never is. */
static bool is_name(char c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != '\0' && strchr(more, c));
}

/* A name or an address, "[...]" around one of IPv6. */
static bool host_valid(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	size_t n = 0;

	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		if (length - 2 >= sizeof(address))
			return false;
		memcpy(address, text + 1, length - 2);
		address[length - 2] = '\0';
		return inet_pton(AF_INET6, address, &parsed) == 1;
	}
	while (n < length && is_name(text[n], "_.-"))
		n++;
	return n == length && n > 0 && n <= HEALTH_HOST_MAX && text[0] != '-' &&
	       text[0] != '.';
}

static bool port_valid(const char *text, size_t length)
{
	unsigned int port = 0;

	if (length == 0 || length > 5)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned int)(text[i] - '0');
	}
	return port > 0 && port <= 65535;
}

/* HOST, with a port where there is one; HOST:PORT where there must be. */
static bool authority_valid(const char *text, size_t length, bool need_port)
{
	const char *colon = memrchr(text, ':', length);

	if (colon && memchr(colon, ']', length - (size_t)(colon - text)))
		colon = NULL; /* one of the address */
	if (!colon)
		return !need_port && host_valid(text, length);
	return port_valid(colon + 1, length - (size_t)(colon + 1 - text)) &&
	       host_valid(text, (size_t)(colon - text));
}

bool option_address_valid(const char *text)
{
	return authority_valid(text, strlen(text), true);
}

bool option_listen_valid(const char *text)
{
	size_t length = strlen(text);

	if (port_valid(text, length))
		return true;
	return authority_valid(text, length, true) &&
	       (text[0] == '[' || text[strspn(text, "0123456789.:")] == '\0');
}

bool option_url_valid(const char *text)
{
	const char *rest = text;

	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p == 0x7f) /* UTF-8 is negative */
			return false;
	if (strlen(text) > URL_BYTES_MAX)
		return false;
	if (strncmp(text, "http://", 7) == 0)
		rest += 7;
	else if (strncmp(text, "https://", 8) == 0)
		rest += 8;
	else
		return false;
	return authority_valid(rest, strcspn(rest, "/?#"), false) && !strchr(rest, '#');
}

bool option_status_range(const char *text, unsigned int *ret_from, unsigned int *ret_to)
{
	unsigned int code[2] = {0, 0};
	size_t n = strlen(text);

	if ((n != 3 && n != 7) || (n == 7 && text[3] != '-'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i == 3)
			continue;
		if (text[i] < '0' || text[i] > '9')
			return false;
		code[i / 4] = code[i / 4] * 10 + (unsigned int)(text[i] - '0');
	}
	if (n == 3)
		code[1] = code[0];
	if (code[0] < HEALTH_STATUS_MIN || code[1] > HEALTH_STATUS_MAX ||
	    code[0] > code[1])
		return false;
	*ret_from = code[0];
	*ret_to = code[1];
	return true;
}

/* RFC 9110's token, a colon, and text without control bytes. */
bool option_header_valid(const char *text)
{
	size_t n = 0;

	while (is_name(text[n], "!#$%&'*+-.^_`|~"))
		n++;
	if (n == 0 || text[n] != ':')
		return false;
	for (const char *p = text + n; *p; p++)
		if ((*p > 0 && *p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}
