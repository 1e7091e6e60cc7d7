/* Vectors from AWS's documentation of Signature Version 4 for S3, and the refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "deploy/cleanup.h"
#include "fetch/sigv4.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct sigv4_request documented(void)
{
	return (struct sigv4_request){
		.method = "GET",
		.host = "examplebucket.s3.amazonaws.com",
		.path = "/",
		.payload_sha256 = EMPTY_SHA256,
		.timestamp = "20130524T000000Z",
		.region = "us-east-1",
		.service = "s3",
		.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	};
}

static void check(const struct sigv4_request *request, const char *target,
		  const char *headers, const char *signature)
{
	cleanup_free char *is_target = NULL, *is = NULL, *wanted = NULL;

	assert_int_equal(sigv4_sign(request, &is_target, &is), 0);
	assert_string_equal(is_target, target);
	assert_true(asprintf(&wanted,
			     "AWS4-HMAC-SHA256 "
			     "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
			     "aws4_request, SignedHeaders=%s, Signature=%s",
			     headers, signature) > 0);
	assert_string_equal(is, wanted);
}

static void query_without_a_value_is_signed(void **state)
{
	const struct sigv4_pair query = {"lifecycle", ""};
	struct sigv4_request request = documented();

	(void)state;
	request.queries = &query;
	request.n_queries = 1;
	check(&request, "/?lifecycle=", "host;x-amz-content-sha256;x-amz-date",
	      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void queries_are_sorted(void **state)
{
	const struct sigv4_pair queries[] = {{"prefix", "J"}, {"max-keys", "2"}};
	struct sigv4_request request = documented();

	(void)state;
	request.queries = queries;
	request.n_queries = 2;
	check(&request, "/?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date",
	      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void headers_are_signed(void **state)
{
	const struct sigv4_pair range = {"range", "bytes=0-9"};
	struct sigv4_request request = documented();

	(void)state;
	request.path = "/test.txt";
	request.headers = &range;
	request.n_headers = 1;
	check(&request, "/test.txt", "host;range;x-amz-content-sha256;x-amz-date",
	      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void path_is_sent_as_it_is(void **state)
{
	cleanup_free char *target = NULL, *authorization = NULL;
	struct sigv4_request request = documented();

	(void)state;
	request.path = "/a//../b c+\xc3\xa4?#%";
	assert_int_equal(sigv4_sign(&request, &target, &authorization), 0);
	assert_string_equal(target, "/a//../b%20c%2B%C3%A4%3F%23%25");
}

static void refuse(const struct sigv4_request *request)
{
	char *target = NULL, *authorization = NULL;

	assert_int_equal(sigv4_sign(request, &target, &authorization), -EINVAL);
	assert_null(target);
	assert_null(authorization);
}

static void what_cannot_be_signed_is_refused(void **state)
{
	static const char *const timestamps[] = {"",
						 "20130524T00000Z",
						 "20130524T000000",
						 "20130524T000000ZZ",
						 "2013-524T000000Z",
						 "20130524 000000Z"};
	cleanup_free char *target = NULL, *authorization = NULL;
	struct sigv4_request request = documented();
	char secret[SIGV4_SECRET_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(timestamps) / sizeof(*timestamps); i++) {
		request.timestamp = timestamps[i];
		refuse(&request);
	}
	request = documented();
	request.path = "a";
	refuse(&request);

	request = documented();
	memset(secret, 'x', sizeof(secret));
	secret[sizeof(secret) - 1] = '\0';
	request.secret_key = secret;
	refuse(&request);
	secret[SIGV4_SECRET_MAX] = '\0';
	assert_int_equal(sigv4_sign(&request, &target, &authorization), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_without_a_value_is_signed),
		cmocka_unit_test(queries_are_sorted),
		cmocka_unit_test(headers_are_signed),
		cmocka_unit_test(path_is_sent_as_it_is),
		cmocka_unit_test(what_cannot_be_signed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
