/*
 * Signs the request of each line of stdin, for a signer that is not ours to compare.
 * A line is fields in hex, a tab behind each: method, host, path, timestamp, region,
 * service, access key, secret key, hash of the payload, token ("": none), number of
 * queries, their names and values, number of headers, theirs. Prints the target, a tab
 * and the authorization.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "fetch/sigv4.h"

#define PAIRS 16

static char *next_field(char **line)
{
	char *hex = strsep(line, "\t"), *out = hex;
	unsigned int byte;

	if (!hex)
		exit(2);
	for (const char *p = hex; sscanf(p, "%2x", &byte) == 1; p += 2)
		*out++ = (char)byte;
	*out = '\0';
	return hex;
}

static size_t read_pairs(char **line, struct sigv4_pair pairs[PAIRS])
{
	const unsigned long n = strtoul(next_field(line), NULL, 10);

	if (n > PAIRS)
		exit(2);
	for (size_t i = 0; i < n; i++) {
		pairs[i].name = next_field(line);
		pairs[i].value = next_field(line);
	}
	return n;
}

static int sign_line(char *line)
{
	struct sigv4_pair queries[PAIRS], headers[PAIRS];
	struct sigv4_request request = {.queries = queries, .headers = headers};
	cleanup_free char *target = NULL, *authorization = NULL;
	const char **const fields[] = {
		&request.method,     &request.host,	  &request.path,
		&request.timestamp,  &request.region,	  &request.service,
		&request.access_key, &request.secret_key, &request.payload_sha256,
		&request.token,
	};
	int r;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		*fields[i] = next_field(&line);
	if (request.token[0] == '\0')
		request.token = NULL;
	request.n_queries = read_pairs(&line, queries);
	request.n_headers = read_pairs(&line, headers);
	r = sigv4_sign(&request, &target, &authorization);
	if (r < 0)
		return r;
	(void)printf("%s\t%s\n", target, authorization);
	return 0;
}

int main(void)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, stdin) > 0)
		r = sign_line(line);
	return r == 0 ? 0 : 1;
}
