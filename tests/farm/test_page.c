/* The page: who is answered and with what, what those get who are slow or many, what Prometheus
 * makes of the metrics, and how it looks in a browser (page_browser.py). HONE_SHOTS=FOLDER keeps
 * pictures of it. */
#include "desk_rows.h"
#include "farm/page.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "correct-horse-battery"
#define HOSTILE "<img src=x onerror=window.hacked=1>"

static int dial_from(const char *from, unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET},
                       a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(inet_pton(AF_INET, from, &here.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 30},
               sizeof(struct timeval));
    return fd;
}

static int dial(unsigned port)
{
    return dial_from("127.0.0.1", port);
}

/* All that comes until the other side closes; "" when it closed without a word. The caller frees.
 */
static char *read_all(int fd)
{
    hone_buf b = {0};
    char part[4096];
    for (ssize_t n; (n = recv(fd, part, sizeof part, 0)) > 0;)
        hone_buf_add(&b, part, (size_t)n);
    close(fd);
    return hone_buf_take(&b);
}

static char *get(unsigned port, const char *request)
{
    int fd = dial(port);
    assert_true(hone_send_all(fd, request, strlen(request)));
    return read_all(fd);
}

/* A request whose answer begins with this code and has this text. */
static void answers(unsigned port, const char *request, int code, const char *text)
{
    char *a = get(port, request);
    if (strncmp(a, "HTTP/1.1 ", 9) != 0 || atoi(a + 9) != code || (text && !strstr(a, text)))
        fail_msg("'%s' is answered by '%.300s'", request, a);
    free(a);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

static hone_page *start_with(const hone_page_options *o)
{
    hone_page *p = NULL;
    hone_error err = {0};
    if (hone_page_start(o, &p, &err))
        fail_msg("%s", err.message);
    return p;
}

static hone_page *start(const char *token_file)
{
    return start_with(&(hone_page_options){.listen = "127.0.0.1:0", .token_file = token_file});
}

/* ---- who is answered
 * ----------------------------------------------------------------------------- */

static void test_routes(void **state)
{
    (void)state;
    hone_page *p = start(NULL);
    unsigned port = hone_page_port(p);
    answers(port, GET("/healthz"), 503, "starting");
    answers(port, GET("/metrics"), 503, NULL);
    hone_page_publish(p, "{\"v\":1}", "m 1\n", NULL);
    answers(port, GET("/healthz"), 200, "ok");
    answers(port, GET("/metrics"), 200, "\r\n\r\nm 1\n");
    answers(port, GET("/status.json"), 200, "\r\n\r\n{\"v\":1}");
    answers(port, GET("/"), 200, "<h1>Farm</h1>");
    answers(port, GET("/"), 200, "Content-Security-Policy: default-src 'none'");
    answers(port, GET("/../../etc/passwd"), 404, NULL);
    answers(port, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 405, NULL);
    answers(port, "DELETE /status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405, NULL);
    hone_page_publish(p, "{\"v\":2}", "m 2\n", "the disk is full");
    answers(port, GET("/healthz"), 503, "the disk is full");
    answers(port, GET("/status.json"), 200, "{\"v\":2}");
    hone_page_stop(p);
}

/* A name of another site that leads here is not ours: its pages could read this one. */
static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost", "localhost:80", "127.0.0.1:9", "[::1]:9",
                                       "127.1.2.3"};
    static const char *const bad[] = {"evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "10.0.0.1",
                                      "[::2]",
                                      "[::1",
                                      "[::1]x",
                                      ""};
    hone_page *p = start(NULL);
    hone_page_publish(p, "{}", "", NULL);
    for (unsigned k = 0; k < HONE_LEN(good) + HONE_LEN(bad); k++) {
        bool is_good = k < HONE_LEN(good);
        char *r = hone_xasprintf("GET /status.json HTTP/1.1\r\nHost: %s\r\n\r\n",
                                 is_good ? good[k] : bad[k - HONE_LEN(good)]);
        answers(hone_page_port(p), r, is_good ? 200 : 403, NULL);
        free(r);
    }
    hone_page_stop(p);
}

static char *token_file(const char *text)
{
    char *path = hone_xstrdup("/tmp/hone-token-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0 && hone_write_all(fd, text, strlen(text)));
    close(fd);
    return path;
}

static void test_token(void **state)
{
    (void)state;
    char *path = token_file(TOKEN "\n");
    hone_page *p = start(path);
    unsigned port = hone_page_port(p);
    hone_page_publish(p, "{\"v\":1}", "m 1\n", NULL);
    answers(port, GET("/status.json"), 401, "WWW-Authenticate: Bearer");
    answers(port, GET("/"), 401, NULL);
    answers(port, GET("/metrics?token=correct-horse-batterx"), 401, NULL);
    answers(port, GET("/metrics?token=correct-horse-battery1"), 401, NULL);
    answers(port, GET("/metrics?token="), 401, NULL);
    answers(port, GET("/metrics?token=" TOKEN), 200, "m 1");
    answers(port, "GET /metrics HTTP/1.1\r\nHost: farm\r\nAuthorization: Bearer " TOKEN "\r\n\r\n",
            200, "m 1");
    answers(port, "GET /metrics HTTP/1.1\r\nHost: farm\r\nAuthorization: Bearer wrong\r\n\r\n", 401,
            NULL);
    answers(port, GET("/healthz"), 200, "ok");
    hone_page_stop(p);
    unlink(path);
    free(path);
}

static void starts_not(const char *listen, const char *token_file, hone_status st, const char *says)
{
    hone_page *p = NULL;
    hone_error err = {0};
    assert_int_equal(
        hone_page_start(&(hone_page_options){.listen = listen, .token_file = token_file}, &p, &err),
        st);
    assert_null(p);
    assert_non_null(strstr(err.message, says));
}

static void test_starts_not(void **state)
{
    (void)state;
    char *path = token_file("short\n"), *blank = token_file("a token with blanks in it\n");
    starts_not("0.0.0.0:0", NULL, HONE_E_INPUT, "--http-token-file");
    starts_not("[::]:0", NULL, HONE_E_INPUT, "--http-token-file");
    starts_not("127.0.0.1", NULL, HONE_E_INPUT, "HOST:PORT");
    starts_not("127.0.0.1:", NULL, HONE_E_INPUT, "HOST:PORT");
    starts_not("127.0.0.1:99999", NULL, HONE_E_INPUT, "HOST:PORT");
    starts_not("127.0.0.1:8o", NULL, HONE_E_INPUT, "HOST:PORT");
    starts_not(":80", NULL, HONE_E_INPUT, "HOST:PORT");
    starts_not("127.0.0.1:0", path, HONE_E_INPUT, "a token is");
    starts_not("127.0.0.1:0", blank, HONE_E_INPUT, "a token is");
    starts_not("127.0.0.1:0", "/nowhere/token", HONE_E_NOTFOUND, "/nowhere/token");
    hone_page *p = start(NULL);
    char at[32];
    snprintf(at, sizeof at, "127.0.0.1:%u", hone_page_port(p));
    starts_not(at, NULL, HONE_E_BUSY, "cannot listen");
    hone_page_stop(p);
    unlink(path);
    unlink(blank);
    free(path);
    free(blank);
}

/* ---- those who are slow or many
 * ---------------------------------------------------------------------- */

/* One who sends a header line five times a second for ever is cut off; others are answered
 * meanwhile.
 */
static void test_slow(void **state)
{
    (void)state;
    hone_page *p = start_with(&(hone_page_options){.listen = "127.0.0.1:0", .life_s = 2});
    unsigned port = hone_page_port(p);
    hone_page_publish(p, "{}", "", NULL);
    int fd = dial(port);
    int64_t begin = hone_clock_ns();
    assert_true(hone_send_all(fd, "GET / HTTP/1.1\r\n", 16));
    bool cut = false;
    while (!cut && hone_clock_ns() - begin < INT64_C(120000000000)) {
        cut = !hone_send_all(fd, "X-Slow: 1\r\n", 11);
        usleep(200000);
        hone_page_publish(p, "{}", "", NULL);
        answers(port, GET("/healthz"), 200, "ok");
    }
    close(fd);
    assert_true(cut);
    hone_page_stop(p);
}

/* So many that say nothing; the page is there again when they have been waited out. */
static void test_many(void **state)
{
    (void)state;
    hone_page *p = start_with(&(hone_page_options){.listen = "127.0.0.1:0", .idle_s = 1});
    unsigned port = hone_page_port(p);
    hone_page_publish(p, "{}", "", NULL);
    int fds[200];
    for (unsigned k = 0; k < HONE_LEN(fds); k++)
        fds[k] = dial(port);
    bool again = false;
    for (unsigned turn = 0; !again && turn < 600; turn++) {
        char *a = get(port, GET("/healthz"));
        again = strncmp(a, "HTTP/1.1 200", 12) == 0;
        free(a);
        if (!again)
            usleep(200000);
    }
    for (unsigned k = 0; k < HONE_LEN(fds); k++)
        close(fds[k]);
    assert_true(again);
    hone_page_stop(p);
}

/* As many as one address may have, each with half a request: the address gets no more, others do.
 */
static void test_one_address(void **state)
{
    (void)state;
    hone_page *p = start(NULL);
    unsigned port = hone_page_port(p);
    hone_page_publish(p, "{}", "", NULL);
    int fds[16];
    for (unsigned k = 0; k < HONE_LEN(fds); k++) {
        fds[k] = dial(port);
        assert_true(hone_send_all(fds[k], "GET / HTTP/1.1\r\n", 16));
    }
    int fd = dial(port);
    (void)!hone_send_all(fd, GET("/healthz"), strlen(GET("/healthz")));
    char *a = read_all(fd);
    assert_string_equal(a, "");
    free(a);
    fd = dial_from("127.0.0.2", port);
    assert_true(hone_send_all(fd, GET("/healthz"), strlen(GET("/healthz"))));
    a = read_all(fd);
    assert_true(strncmp(a, "HTTP/1.1 200", 12) == 0);
    free(a);
    for (unsigned k = 0; k < HONE_LEN(fds); k++)
        close(fds[k]);
    hone_page_stop(p);
}

static unsigned open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Some who ask for something large and do not read it: they have one copy of it together, and are
 * cut off; others are answered meanwhile. */
static void test_slow_readers(void **state)
{
    (void)state;
    enum { LARGE = 32 << 20, MANY = 12 };
    hone_page *p =
        start_with(&(hone_page_options){.listen = "127.0.0.1:0", .life_s = 2, .idle_s = 60});
    unsigned port = hone_page_port(p), before = open_fds();
    char *large = hone_xmalloc(LARGE);
    memset(large, 'x', LARGE - 1);
    large[LARGE - 1] = '\0';
    hone_page_publish(p, large, "", NULL);
    int fds[MANY];
    for (unsigned k = 0; k < MANY; k++) {
        fds[k] = dial(port);
        assert_true(hone_send_all(fds[k], GET("/status.json"), strlen(GET("/status.json"))));
    }
    answers(port, GET("/healthz"), 200, "ok");
    int64_t begin = hone_clock_ns();
    while (open_fds() > before + MANY && hone_clock_ns() - begin < INT64_C(120000000000)) {
        usleep(200000);
        hone_page_publish(p, "{}", "", NULL);
        answers(port, GET("/healthz"), 200, "ok");
    }
    assert_int_equal(open_fds(), before + MANY); /* theirs here, none there */
    for (unsigned k = 0; k < MANY; k++) {
        char *got = read_all(fds[k]);
        assert_true(strlen(got) < LARGE);
        free(got);
    }
    free(large);
    hone_page_stop(p);
}

/* A header larger than a connection may take, and bytes that are no HTTP. */
static void test_rubbish(void **state)
{
    (void)state;
    hone_page *p = start(NULL);
    unsigned port = hone_page_port(p);
    hone_page_publish(p, "{}", "", NULL);
    char *big = hone_xcalloc(1, (1 << 20) + 64);
    size_t n = (size_t)sprintf(big, "GET / HTTP/1.1\r\nX: ");
    memset(big + n, 'x', 1 << 20);
    int fd = dial(port);
    (void)!hone_send_all(fd, big, strlen(big));
    char *a = read_all(fd);
    assert_true(strncmp(a, "HTTP/1.1 200", 12) != 0);
    free(a);
    free(big);
    fd = dial(port);
    (void)!hone_send_all(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15);
    free(read_all(fd));
    answers(port, GET("/healthz"), 200, "ok");
    hone_page_stop(p);
}

/* ---- what is shown
 * ------------------------------------------------------------------------------------ */

static hone_desk *a_desk(hone_farm *f)
{
    hone_desk *d = hone_desk_new(f, NULL, 1);
    static const char spec[] =
        "{\"tasks\":[{\"name\":\"matmul\",\"title\":\"matmul M=64 " HOSTILE "\"}],\"trials\":64}";
    hone_desk_spec s;
    assert_int_equal(hone_desk_spec_parse(spec, strlen(spec), &s, NULL), HONE_OK);
    for (uint64_t job = 1; job <= 3; job++)
        hone_desk_job(d, job, &s);
    hone_desk_spec_free(&s);
    for (int k = 1; k <= 40; k++) {
        json_t *line = json_pack("{s:i, s:b, s:i}", "trial", k, "best", k % 5 == 1, "compare_ns",
                                 90000 - 1500 * k);
        hone_desk_tell(d, 2, line, 1700000000000 + k * 1000);
        json_decref(line);
        hone_desk_sample(d, 1700000000000 + k * 10000);
    }
    hone_desk_event(d,
                    &(hone_farm_event_row){.seq = 1,
                                           .actor = HOSTILE,
                                           .verb = "drain",
                                           .object = "worker pi5",
                                           .from = "open",
                                           .to = "draining",
                                           .reason = HONE_FARM_BECAUSE_BY_ADMIN},
                    1700000000000);
    return d;
}

static void test_seen(void **state)
{
    (void)state;
    hone_farm *f = desk_farm();
    hone_desk *d = a_desk(f);
    hone_page *p = start(NULL);
    hone_buf metrics = {0};
    json_t *j = hone_desk_status(d, 1700000400000);
    char *status = hone_json_text(j);
    hone_desk_metrics(d, &metrics);
    hone_page_publish(p, status, metrics.s, NULL);
    json_decref(j);
    const char *shots = getenv("HONE_SHOTS");
    char *command = hone_xasprintf("python3 %s/tests/farm/page_browser.py http://127.0.0.1:%u/ "
                                   "'" HOSTILE "' %s",
                                   HONE_SOURCE_DIR, hone_page_port(p), shots ? shots : "");
    assert_int_equal(system(command), 0);
    free(command);
    free(status);
    hone_buf_free(&metrics);
    hone_page_stop(p);
    hone_desk_free(d);
    hone_farm_free(f);
}

/* By Prometheus' own tool, where it is installed; test_metrics.c checks the form itself. */
static void test_promtool(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null") != 0) {
        print_message("no promtool (Debian: prometheus): not asked\n");
        skip();
    }
    hone_farm *f = desk_farm();
    hone_desk *d = a_desk(f);
    hone_buf metrics = {0};
    hone_desk_metrics(d, &metrics);
    FILE *tool = popen("promtool check metrics", "w");
    fwrite(metrics.s, 1, metrics.n, tool);
    assert_int_equal(pclose(tool), 0);
    hone_buf_free(&metrics);
    hone_desk_free(d);
    hone_farm_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_token),       cmocka_unit_test(test_starts_not),
        cmocka_unit_test(test_slow),        cmocka_unit_test(test_many),
        cmocka_unit_test(test_one_address), cmocka_unit_test(test_slow_readers),
        cmocka_unit_test(test_rubbish),     cmocka_unit_test(test_seen),
        cmocka_unit_test(test_promtool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
