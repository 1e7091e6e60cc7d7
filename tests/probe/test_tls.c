/* https with a certificate that nobody has signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
#define TIME   "--timeout-ms=20000"

static SSL_CTX *context;
static pthread_t thread;
static int listen_fd, port;

static void make_context(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name;

	assert_true(key && certificate);
	name = X509_get_subject_name(certificate);
	assert_int_equal(X509_NAME_add_entry_by_txt(
				 name, "CN", MBSTRING_ASC,
				 (const unsigned char *)"app.example", -1, -1, 0),
			 1);
	assert_int_equal(X509_set_issuer_name(certificate, name), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	context = SSL_CTX_new(TLS_server_method());
	assert_non_null(context);
	assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void *serve(void *argument)
{
	char request[4096];
	int fd;

	(void)argument;
	while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
		SSL *ssl = SSL_new(context);

		if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 &&
		    SSL_read(ssl, request, sizeof(request)) > 0 &&
		    SSL_write(ssl, ANSWER, (int)strlen(ANSWER)) > 0)
			(void)SSL_shutdown(ssl);
		SSL_free(ssl);
		(void)close(fd);
	}
	return NULL;
}

static int set_up(void **state)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t length = sizeof(name);

	(void)state;
	make_context();
	(void)signal(SIGPIPE, SIG_IGN); /* clients that do not like us hang up */
	(void)inet_pton(AF_INET, "127.0.0.1", &name.sin_addr);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&name, length), 0);
	assert_int_equal(listen(listen_fd, 8), 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&name, &length), 0);
	port = ntohs(name.sin_port);
	return pthread_create(&thread, NULL, serve, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	(void)shutdown(listen_fd, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	(void)close(listen_fd);
	SSL_CTX_free(context);
	return 0;
}

static struct run ask(const char *host)
{
	char url[128];

	(void)snprintf(url, sizeof(url), "--url=https://%s:%d/", host, port);
	return PROBE("http", url, TIME, "--body=fine");
}

static void loopback_is_believed(void **state)
{
	static const char *const hosts[] = {"127.0.0.1",     "localhost", "LOCALHOST",
					    "app.localhost", "127.1",	  "0x7f000001"};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		run = ask(hosts[i]);
		assert_int_equal(run_number(&run, "status"), 200);
		run_end(&run, 0);
	}
}

/* Wherever they lead: whoever tells us where they lead need not be trusted. */
static void other_names_are_verified(void **state)
{
	static const char *const hosts[] = {"app.example", "127.0.0.1.example",
					    "localhost.example", "mylocalhost"};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		run = ask(hosts[i]);
		assert_int_equal(run_number(&run, "status"), -1);
		run_end_saying(&run, 1, "certificate");
	}
}

/* Names that lead to us. */
static void enter_mounts(void)
{
	static const char hosts[] = "127.0.0.1 localhost app.example mylocalhost "
				    "127.0.0.1.example localhost.example\n";
	char path[] = "/tmp/deployd-test-XXXXXX";
	const int fd = mkstemp(path);

	if (geteuid() == 0 && fd >= 0 && fchmod(fd, 0644) == 0 &&
	    write(fd, hosts, strlen(hosts)) > 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0) {
		(void)unlink(path);
		(void)close(fd);
		return;
	}
	(void)printf("needs root and namespaces: %s\n", strerror(errno));
	(void)unlink(path);
	exit(77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_believed),
		cmocka_unit_test(other_names_are_verified),
	};

	enter_mounts();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
