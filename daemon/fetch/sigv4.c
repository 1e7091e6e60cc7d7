#include "fetch/sigv4.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"

#define HASH_BYTES    32
#define HASH_HEX_SIZE (2 * HASH_BYTES + 1)
#define DATE_SIZE     8
#define OWN_HEADERS   4 /* those that are signed unasked */

/* What goes through the steps of signing; the texts are its own. */
struct signing {
	const struct sigv4_request *request;
	char *path, *query; /* encoded, of what is sent */
	struct sigv4_pair *headers;
	size_t n_headers;
	char *names; /* of headers, ';' between them */
	char *scope;
	char hash[HASH_HEX_SIZE]; /* of the canonical request */
};

/* A text that grows; NULL after a failure. */
static char *finish(FILE *out, char **text)
{
	if (!out)
		return NULL;
	if (fclose(out) == 0)
		return *text;
	free(*text);
	return NULL;
}

/* Not isalnum(): that one depends on the locale. */
static bool is_plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
}

static void put_encoded(FILE *out, const char *text, bool keeps_slash)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (is_plain(*p) || (keeps_slash && *p == '/'))
			(void)fputc(*p, out);
		else
			(void)fprintf(out, "%%%02X", *p);
	}
}

static char *encode(const char *text, bool keeps_slash)
{
	char *encoded = NULL;
	size_t size;
	FILE *out = open_memstream(&encoded, &size);

	if (out)
		put_encoded(out, text, keeps_slash);
	return finish(out, &encoded);
}

static int compare_pairs(const void *left, const void *right)
{
	const struct sigv4_pair *a = left, *b = right;
	const int r = strcmp(a->name, b->name);

	return r != 0 ? r : strcmp(a->value, b->value);
}

static void free_pairs(struct sigv4_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((char *)(uintptr_t)pairs[i].name);
		free((char *)(uintptr_t)pairs[i].value);
	}
	free(pairs);
}

/* Sorted as they are sent: encoding changes the order. */
static char *encode_query(const struct sigv4_request *request)
{
	struct sigv4_pair *pairs = calloc(request->n_queries + 1, sizeof(*pairs));
	char *text = NULL;
	bool complete = pairs != NULL;
	size_t size;
	FILE *out;

	for (size_t i = 0; complete && i < request->n_queries; i++) {
		pairs[i].name = encode(request->queries[i].name, false);
		pairs[i].value = encode(request->queries[i].value, false);
		complete = pairs[i].name && pairs[i].value;
	}
	out = complete ? open_memstream(&text, &size) : NULL;
	if (out)
		qsort(pairs, request->n_queries, sizeof(*pairs), compare_pairs);
	for (size_t i = 0; out && i < request->n_queries; i++)
		(void)fprintf(out, "%s%s=%s", i > 0 ? "&" : "", pairs[i].name,
			      pairs[i].value);
	if (pairs)
		free_pairs(pairs, request->n_queries);
	return finish(out, &text);
}

static int collect_headers(struct signing *signing)
{
	const struct sigv4_request *request = signing->request;
	struct sigv4_pair *headers =
		calloc(request->n_headers + OWN_HEADERS, sizeof(*headers));
	size_t n = 0;

	if (!headers)
		return -ENOMEM;
	for (; n < request->n_headers; n++)
		headers[n] = request->headers[n];
	headers[n++] = (struct sigv4_pair){"host", request->host};
	headers[n++] = (struct sigv4_pair){"x-amz-date", request->timestamp};
	if (strcmp(request->service, "s3") == 0)
		headers[n++] = (struct sigv4_pair){"x-amz-content-sha256",
						   request->payload_sha256};
	if (request->token)
		headers[n++] =
			(struct sigv4_pair){"x-amz-security-token", request->token};
	qsort(headers, n, sizeof(*headers), compare_pairs);
	signing->headers = headers;
	signing->n_headers = n;
	return 0;
}

static int name_headers(struct signing *signing)
{
	size_t size;
	FILE *out = open_memstream(&signing->names, &size);

	for (size_t i = 0; out && i < signing->n_headers; i++)
		(void)fprintf(out, "%s%s", i > 0 ? ";" : "", signing->headers[i].name);
	signing->names = finish(out, &signing->names);
	return signing->names ? 0 : -ENOMEM;
}

/* Blanks around it go, and several within it are one. */
static void put_header(FILE *out, const struct sigv4_pair *header)
{
	const char *p = header->value;
	bool is_first = true;

	(void)fprintf(out, "%s:", header->name);
	while (*(p += strspn(p, " \t"))) {
		const size_t n = strcspn(p, " \t");

		(void)fprintf(out, "%s%.*s", is_first ? "" : " ", (int)n, p);
		is_first = false;
		p += n;
	}
	(void)fputc('\n', out);
}

static void to_hex(const unsigned char *bytes, char ret_hex[HASH_HEX_SIZE])
{
	for (size_t i = 0; i < HASH_BYTES; i++)
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
}

static int hash_request(struct signing *signing)
{
	const struct sigv4_request *request = signing->request;
	const bool is_s3 = strcmp(request->service, "s3") == 0;
	cleanup_free char *twice = encode(signing->path, true);
	cleanup_free char *text = NULL;
	unsigned char hash[HASH_BYTES];
	unsigned int length;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out && twice) {
		(void)fprintf(out, "%s\n%s\n%s\n", request->method,
			      is_s3 ? signing->path : twice, signing->query);
		for (size_t i = 0; i < signing->n_headers; i++)
			put_header(out, &signing->headers[i]);
		(void)fprintf(out, "\n%s\n%s", signing->names, request->payload_sha256);
	}
	text = finish(out, &text);
	if (!text || !twice)
		return -ENOMEM;
	length = sizeof(hash);
	if (EVP_Digest(text, size, hash, &length, EVP_sha256(), NULL) != 1)
		return -EIO;
	/* The token is in it. */
	explicit_bzero(text, size);
	to_hex(hash, signing->hash);
	return 0;
}

static bool mac(const void *key, size_t n, const char *text,
		unsigned char ret_mac[HASH_BYTES])
{
	unsigned int length;

	return HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text,
		    strlen(text), ret_mac, &length) != NULL;
}

/* Each step's key is what the one before made. */
static int make_signature(const struct signing *signing, char ret_hex[HASH_HEX_SIZE])
{
	const struct sigv4_request *request = signing->request;
	char first[sizeof("AWS4") + SIGV4_SECRET_MAX], date[DATE_SIZE + 1];
	unsigned char a[HASH_BYTES], b[HASH_BYTES];
	cleanup_free char *text = NULL;
	bool is_made;

	if (asprintf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", request->timestamp,
		     signing->scope, signing->hash) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	(void)snprintf(date, sizeof(date), "%.*s", DATE_SIZE, request->timestamp);
	(void)snprintf(first, sizeof(first), "AWS4%s", request->secret_key);
	is_made = mac(first, strlen(first), date, a) &&
		  mac(a, sizeof(a), request->region, b) &&
		  mac(b, sizeof(b), request->service, a) &&
		  mac(a, sizeof(a), "aws4_request", b) && mac(b, sizeof(b), text, a);
	if (is_made)
		to_hex(a, ret_hex);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(a, sizeof(a));
	explicit_bzero(b, sizeof(b));
	return is_made ? 0 : -EIO;
}

static int sign(struct signing *signing, char **ret_target, char **ret_authorization)
{
	const struct sigv4_request *request = signing->request;
	char signature[HASH_HEX_SIZE];
	cleanup_free char *target = NULL;
	char *authorization;
	int r;

	signing->path = encode(request->path, true);
	signing->query = encode_query(request);
	if (!signing->path || !signing->query)
		return -ENOMEM;
	if (asprintf(&signing->scope, "%.*s/%s/%s/aws4_request", DATE_SIZE,
		     request->timestamp, request->region, request->service) < 0) {
		signing->scope = NULL;
		return -ENOMEM;
	}
	r = collect_headers(signing);
	if (r == 0)
		r = name_headers(signing);
	if (r == 0)
		r = hash_request(signing);
	if (r == 0)
		r = make_signature(signing, signature);
	if (r < 0)
		return r;
	if (asprintf(&target, "%s%s%s", signing->path,
		     request->n_queries > 0 ? "?" : "", signing->query) < 0) {
		target = NULL;
		return -ENOMEM;
	}
	if (asprintf(
		    &authorization,
		    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		    request->access_key, signing->scope, signing->names, signature) < 0)
		return -ENOMEM;
	*ret_target = steal_ptr(&target);
	*ret_authorization = authorization;
	return 0;
}

static bool is_timestamp(const char *text)
{
	static const char form[] = "00000000T000000Z";

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9'
				   : text[i] != form[i])
			return false;
	return true;
}

int sigv4_sign(const struct sigv4_request *request, char **ret_target,
	       char **ret_authorization)
{
	struct signing signing = {.request = request};
	int r;

	if (request->path[0] != '/' || !is_timestamp(request->timestamp) ||
	    strlen(request->secret_key) > SIGV4_SECRET_MAX)
		return -EINVAL;
	r = sign(&signing, ret_target, ret_authorization);
	free(signing.path);
	free(signing.query);
	free(signing.headers);
	free(signing.names);
	free(signing.scope);
	return r;
}
