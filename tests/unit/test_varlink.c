/* Framing, decoding and encoding of Varlink messages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/varlink.h"

#define CALL "{\"method\":\"io.deployd.List\"}"

static int add(struct varlink_buffer *buffer, const char *text)
{
	return varlink_buffer_add(buffer, text, strlen(text) + 1);
}

static void assert_method(struct varlink_buffer *buffer, const char *method)
{
	json_t *message = NULL;

	assert_int_equal(varlink_buffer_take(buffer, &message), 1);
	assert_string_equal(json_string_value(json_object_get(message, "method")),
			    method);
	json_decref(message);
}

static void assert_none(struct varlink_buffer *buffer)
{
	json_t *message = NULL;

	assert_int_equal(varlink_buffer_take(buffer, &message), 0);
	assert_null(message);
}

static void a_buffer_without_bytes(void **state)
{
	struct varlink_buffer buffer = {0};

	(void)state;
	assert_none(&buffer);
	assert_int_equal(varlink_buffer_add(&buffer, "", 0), 0);
	assert_none(&buffer);
	varlink_buffer_deinit(&buffer);
}

static void messages_come_in_order_however_they_are_cut(void **state)
{
	static const char bytes[] = CALL "\0{\"method\":\"a.b.C\"}\0" CALL;

	(void)state;
	for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
		struct varlink_buffer buffer = {0};
		size_t n = 0;
		json_t *message;

		assert_int_equal(varlink_buffer_add(&buffer, bytes, cut), 0);
		while (varlink_buffer_take(&buffer, &message) == 1) {
			json_decref(message);
			n++;
		}
		assert_int_equal(
			varlink_buffer_add(&buffer, bytes + cut, sizeof(bytes) - cut),
			0);
		while (varlink_buffer_take(&buffer, &message) == 1) {
			assert_string_equal(
				json_string_value(json_object_get(message, "method")),
				n == 1 ? "a.b.C" : "io.deployd.List");
			json_decref(message);
			n++;
		}
		assert_int_equal(n, 3);
		assert_none(&buffer);
		varlink_buffer_deinit(&buffer);
	}
}

static void a_bad_message_does_not_take_the_next_with_it(void **state)
{
	static const char *const bad[] = {"",
					  "x",
					  "[]",
					  "1",
					  "{\"a\":1,\"a\":2}",
					  "{} x",
					  "{\"a\":}",
					  "{\"a\":\"\xff\"}",
					  "{\"a\\u0000\":1}",
					  NULL};
	json_t *message = NULL;

	(void)state;
	for (size_t i = 0; bad[i]; i++) {
		struct varlink_buffer buffer = {0};

		assert_int_equal(add(&buffer, bad[i]), 0);
		assert_int_equal(add(&buffer, CALL), 0);
		if (varlink_buffer_take(&buffer, &message) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
		assert_method(&buffer, "io.deployd.List");
		varlink_buffer_deinit(&buffer);
	}
}

static void nested(char *text, size_t depth)
{
	(void)strcpy(text, "{\"a\":");
	for (size_t i = 1; i < depth; i++)
		(void)strcat(text, "[");
	(void)strcat(text, "1");
	for (size_t i = 1; i < depth; i++)
		(void)strcat(text, "]");
	(void)strcat(text, "}");
}

static void depth_has_a_limit(void **state)
{
	struct varlink_buffer buffer = {0};
	json_t *message = NULL;
	char text[200];

	(void)state;
	nested(text, VARLINK_DEPTH_MAX);
	assert_int_equal(add(&buffer, text), 0);
	assert_int_equal(varlink_buffer_take(&buffer, &message), 1);
	json_decref(message);
	nested(text, VARLINK_DEPTH_MAX + 1);
	assert_int_equal(add(&buffer, text), 0);
	assert_int_equal(varlink_buffer_take(&buffer, &message), -EBADMSG);
	/* Brackets in a string are no depth. */
	assert_int_equal(add(&buffer, "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
				      "[[[[[[[[[[[[[\"}"),
			 0);
	assert_int_equal(varlink_buffer_take(&buffer, &message), 1);
	json_decref(message);
	varlink_buffer_deinit(&buffer);
}

/* A message of n bytes without its NUL. */
static char *message_of(size_t n)
{
	static const char head[] = "{\"method\":\"a.b.C\",\"parameters\":{\"x\":\"";
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, 'x', n);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + n - 3, "\"}}", 4);
	return text;
}

static void a_message_has_a_limit(void **state)
{
	struct varlink_buffer buffer = {0};
	char *text = message_of(VARLINK_MESSAGE_BYTES_MAX - 1);

	(void)state;
	assert_int_equal(varlink_buffer_add(&buffer, text, VARLINK_MESSAGE_BYTES_MAX),
			 0);
	assert_method(&buffer, "a.b.C");
	free(text);

	text = message_of(VARLINK_MESSAGE_BYTES_MAX);
	assert_int_equal(varlink_buffer_add(&buffer, text, VARLINK_MESSAGE_BYTES_MAX),
			 0);
	assert_none(&buffer);
	assert_int_equal(varlink_buffer_add(&buffer, "", 1), -EMSGSIZE);
	assert_int_equal(varlink_buffer_add(&buffer, "x", 1), -EMSGSIZE);
	free(text);
	varlink_buffer_deinit(&buffer);
}

/* What is not read for long does not grow for ever. */
static void messages_in_wait_have_a_limit(void **state)
{
	struct varlink_buffer buffer = {0};
	size_t n = 0;

	(void)state;
	while (add(&buffer, CALL) == 0)
		assert_true(++n < 4 * VARLINK_MESSAGE_BYTES_MAX / sizeof(CALL));
	assert_true(n >= VARLINK_MESSAGE_BYTES_MAX / sizeof(CALL));
	assert_true(buffer.capacity <= 4 * VARLINK_MESSAGE_BYTES_MAX);
	for (; n > 0; n--)
		assert_method(&buffer, "io.deployd.List");
	assert_none(&buffer);
	assert_int_equal(add(&buffer, CALL), 0);
	varlink_buffer_deinit(&buffer);
}

static void a_buffer_stays_small_over_many_messages(void **state)
{
	static const char two[] = CALL "\0" CALL;
	struct varlink_buffer buffer = {0};

	(void)state;
	assert_int_equal(varlink_buffer_add(&buffer, CALL, 5), 0);
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(varlink_buffer_add(&buffer, two + 5, sizeof(CALL)), 0);
		assert_method(&buffer, "io.deployd.List");
	}
	assert_true(buffer.capacity <= 4096);
	varlink_buffer_deinit(&buffer);
}

static int decode(const char *text, struct varlink_call *call)
{
	json_t *message = json_loads(text, 0, NULL);

	assert_non_null(message);
	return varlink_call_init(call, message);
}

static void a_call_is_decoded(void **state)
{
	struct varlink_call call;

	(void)state;
	assert_int_equal(
		decode("{\"method\":\"io.deployd.Deploy\",\"parameters\":{\"a\":"
		       "1},\"more\":true,\"oneway\":false}",
		       &call),
		0);
	assert_string_equal(call.method, "io.deployd.Deploy");
	assert_string_equal(call.interface, "io.deployd");
	assert_string_equal(call.member, "Deploy");
	assert_int_equal(json_object_size(call.parameters), 1);
	assert_true(call.more);
	assert_false(call.oneway);
	varlink_call_deinit(&call);
	assert_int_equal(
		decode("{\"method\":\"a.B\",\"parameters\":null,\"more\":null}", &call),
		0);
	assert_int_equal(json_object_size(call.parameters), 0);
	assert_false(call.more);
	varlink_call_deinit(&call);
}

static void what_is_no_call(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"method\":1}",
		"{\"method\":\"\"}",
		"{\"method\":\"List\"}",
		"{\"method\":\".List\"}",
		"{\"method\":\"io.deployd.\"}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"more\":1}",
		"{\"method\":\"a.B\",\"oneway\":\"yes\"}",
		"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.B\",\"upgrade\":true}",
		"{\"method\":\"a.B\",\"error\":\"x\"}",
		NULL};
	struct varlink_call call;
	char text[400];

	(void)state;
	for (size_t i = 0; bad[i]; i++)
		if (decode(bad[i], &call) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
	(void)snprintf(text, sizeof(text), "{\"method\":\"%0255d.B\"}", 1);
	assert_int_equal(decode(text, &call), 0);
	varlink_call_deinit(&call);
	(void)snprintf(text, sizeof(text), "{\"method\":\"%0256d.B\"}", 1);
	assert_int_equal(decode(text, &call), -EBADMSG);
}

static void assert_encoded(char *text, size_t length, const char *wanted)
{
	assert_non_null(text);
	assert_string_equal(text, wanted);
	assert_int_equal(length, strlen(wanted) + 1);
	free(text);
}

static void messages_are_encoded(void **state)
{
	size_t n = 0;
	char *text;

	(void)state;
	text = varlink_encode_call("a.B", NULL, false, &n);
	assert_encoded(text, n, "{\"method\":\"a.B\"}");
	text = varlink_encode_call("a.B", json_pack("{s:i}", "x", 1), true, &n);
	assert_encoded(text, n,
		       "{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true}");
	text = varlink_encode_reply(NULL, false, &n);
	assert_encoded(text, n, "{\"parameters\":{}}");
	text = varlink_encode_reply(json_pack("{s:s}", "x", "y"), true, &n);
	assert_encoded(text, n, "{\"parameters\":{\"x\":\"y\"},\"continues\":true}");
	text = varlink_encode_error("a.Bad", NULL, &n);
	assert_encoded(text, n, "{\"error\":\"a.Bad\"}");
	text = varlink_encode_error("a.Bad", json_pack("{s:s}", "x", "y"), &n);
	assert_encoded(text, n, "{\"error\":\"a.Bad\",\"parameters\":{\"x\":\"y\"}}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_without_bytes),
		cmocka_unit_test(messages_come_in_order_however_they_are_cut),
		cmocka_unit_test(a_bad_message_does_not_take_the_next_with_it),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(a_message_has_a_limit),
		cmocka_unit_test(messages_in_wait_have_a_limit),
		cmocka_unit_test(a_buffer_stays_small_over_many_messages),
		cmocka_unit_test(a_call_is_decoded),
		cmocka_unit_test(what_is_no_call),
		cmocka_unit_test(messages_are_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
