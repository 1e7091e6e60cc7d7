#pragma once

#include <stddef.h>

/*
 * AWS Signature Version 4, as S3 and the other services check it. Our own: that of
 * libcurl signs wrongly in several ways, each release of Debian in others. Pure: the
 * time and the secrets come from the caller.
 */

#define SIGV4_SECRET_MAX 256 /* bytes of a secret key */

struct sigv4_pair {
	const char *name, *value; /* as they are, not encoded */
};

struct sigv4_request {
	const char *method;
	const char *host; /* as in the Host header, with a port that is not the usual */
	const char *path; /* as it is; begins with '/' */
	const struct sigv4_pair *queries;
	size_t n_queries;
	/*
	 * To be signed beside Host, X-Amz-Date, X-Amz-Security-Token and, for S3,
	 * X-Amz-Content-Sha256, which the caller sends as well. Names in lower case.
	 */
	const struct sigv4_pair *headers;
	size_t n_headers;
	const char *payload_sha256; /* 64 hex digits */
	const char *timestamp;	    /* YYYYMMDDTHHMMSSZ */
	const char *region;
	const char *service; /* "s3": its path is encoded once, all others' twice */
	const char *access_key, *secret_key;
	const char *token; /* of temporary credentials; NULL: none */
};

/*
 * *ret_target: the path and the query to send, encoded, byte for byte as it was signed.
 * *ret_authorization: the value of the Authorization header. Both are the caller's to
 * free. -EINVAL for a timestamp, path or secret that cannot be signed, -ENOMEM, -EIO
 * when libcrypto fails; then neither is touched.
 */
int sigv4_sign(const struct sigv4_request *request, char **ret_target,
	       char **ret_authorization) __attribute__((nonnull, warn_unused_result));
