/* The HTTP side: what is answered, to whom, and how long anybody may take. */
#include "farm/page.h"
#include "farm/page/internal.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define MAX_OF_ONE 16     /* connections of one address */
#define IDLE_S 5          /* without a byte */
#define LIFE_S 15         /* of a connection, however busy */
#define MEMORY (32 << 10) /* of a connection: what its headers may take */
#define TOKEN_MIN 16
#define TOKEN_MAX 256

/* What was published last, for as long as somebody is being sent it. */
typedef struct snapshot {
    _Atomic unsigned refs;
    size_t n;
    char s[];
} snapshot;

typedef struct visit {
    struct MHD_Connection *connection;
    int64_t since_ns;
} visit;

struct hone_page {
    struct MHD_Daemon *daemon;
    unsigned port, idle_s;
    int64_t life_ns;
    bool loopback;
    char token[TOKEN_MAX + 1]; /* "": none */
    char *frame;
    size_t frame_n;
    pthread_mutex_t lock; /* of what follows */
    snapshot *status, *metrics;
    char trouble[256];
    visit visits[MAX_CONNECTIONS];
};

/* ---- answers ------------------------------------------------------------------------------------
 */

static snapshot *snapshot_of(const char *text)
{
    size_t n = strlen(text);
    snapshot *x = hone_xmalloc(sizeof *x + n);
    atomic_init(&x->refs, 1);
    x->n = n;
    memcpy(x->s, text, n);
    return x;
}

static void snapshot_drop(void *p)
{
    snapshot *x = p;
    if (x && atomic_fetch_sub(&x->refs, 1) == 1)
        free(x);
}

static enum MHD_Result give(struct MHD_Connection *c, unsigned code, const char *type,
                            struct MHD_Response *r)
{
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, "X-Frame-Options", "DENY");
    MHD_add_response_header(r, "Connection", "close");
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'none'; script-src 'unsafe-inline'; "
                            "style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
                            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    if (code == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result done = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return done;
}

/* Copies the text. */
static enum MHD_Result answer(struct MHD_Connection *c, unsigned code, const char *type,
                              const char *text, size_t n)
{
    return give(c, code, type,
                MHD_create_response_from_buffer(n, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY));
}

/* Copies nothing: whoever reads slowly has it with the others. */
static enum MHD_Result answer_shared(struct MHD_Connection *c, const char *type, snapshot *x)
{
    atomic_fetch_add(&x->refs, 1);
    struct MHD_Response *r =
        MHD_create_response_from_buffer_with_free_callback_cls(x->n, x->s, snapshot_drop, x);
    if (!r)
        snapshot_drop(x);
    return give(c, MHD_HTTP_OK, type, r);
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned code, const char *text)
{
    return answer(c, code, "text/plain; charset=utf-8", text, strlen(text));
}

static bool may_look(const hone_page *p, struct MHD_Connection *c)
{
    if (!p->token[0])
        return true;
    const char *header = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    const char *given = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "token");
    if (header && strncmp(header, "Bearer ", 7) == 0)
        given = header + 7;
    return given && hone_page__same(given, p->token);
}

static enum MHD_Result answer_health(hone_page *p, struct MHD_Connection *c)
{
    char text[300];
    pthread_mutex_lock(&p->lock);
    bool starting = !p->status, bad = p->trouble[0] != '\0';
    snprintf(text, sizeof text, "%s\n", starting ? "starting" : bad ? p->trouble : "ok");
    pthread_mutex_unlock(&p->lock);
    return say(c, starting || bad ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, text);
}

static enum MHD_Result answer_snapshot(hone_page *p, struct MHD_Connection *c, bool metrics)
{
    pthread_mutex_lock(&p->lock);
    snapshot *x = metrics ? p->metrics : p->status;
    enum MHD_Result done =
        !x ? say(c, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n")
           : answer_shared(
                 c, metrics ? "text/plain; version=0.0.4; charset=utf-8" : "application/json", x);
    pthread_mutex_unlock(&p->lock);
    return done;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **state)
{
    hone_page *p = ctx;
    (void)version;
    (void)upload;
    static int seen;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return *upload_n ? MHD_NO
                         : say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "this page can be read only\n");
    if (!*state) { /* the headers are there: a body, which nobody wants, is not waited for */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_n)
        return MHD_NO;
    if (strcmp(url, "/healthz") == 0)
        return answer_health(p, c);
    if (p->loopback && !p->token[0] &&
        !hone_page__host_is_local(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host")))
        return say(c, MHD_HTTP_FORBIDDEN, "this name does not belong to this page\n");
    if (!may_look(p, c))
        return say(c, MHD_HTTP_UNAUTHORIZED, "a token is needed\n");
    if (strcmp(url, "/") == 0)
        return answer(c, MHD_HTTP_OK, "text/html; charset=utf-8", p->frame, p->frame_n);
    if (strcmp(url, "/status.json") == 0)
        return answer_snapshot(p, c, false);
    if (strcmp(url, "/metrics") == 0)
        return answer_snapshot(p, c, true);
    return say(c, MHD_HTTP_NOT_FOUND, "there are /, /status.json, /metrics and /healthz\n");
}

/* ---- connections --------------------------------------------------------------------------------
 */

static void on_connection(void *ctx, struct MHD_Connection *c, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    hone_page *p = ctx;
    (void)state;
    bool begins = code == MHD_CONNECTION_NOTIFY_STARTED;
    pthread_mutex_lock(&p->lock);
    for (unsigned k = 0; k < MAX_CONNECTIONS; k++)
        if (p->visits[k].connection == (begins ? NULL : c)) {
            p->visits[k] = (visit){begins ? c : NULL, hone_clock_ns()};
            break;
        }
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock: a connection that is listed has not been closed yet. */
static void end_long_visits(hone_page *p)
{
    int64_t now = hone_clock_ns();
    for (unsigned k = 0; k < MAX_CONNECTIONS; k++) {
        const visit *v = &p->visits[k];
        if (!v->connection || now - v->since_ns < p->life_ns)
            continue;
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(v->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (i)
            shutdown(i->connect_fd, SHUT_RDWR);
    }
}

void hone_page_publish(hone_page *p, const char *status, const char *metrics, const char *trouble)
{
    snapshot *s = snapshot_of(status), *m = snapshot_of(metrics);
    pthread_mutex_lock(&p->lock);
    snapshot *old_s = p->status, *old_m = p->metrics;
    p->status = s;
    p->metrics = m;
    snprintf(p->trouble, sizeof p->trouble, "%s", trouble ? trouble : "");
    end_long_visits(p);
    pthread_mutex_unlock(&p->lock);
    snapshot_drop(old_s);
    snapshot_drop(old_m);
}

/* ---- start and stop -----------------------------------------------------------------------------
 */

static hone_status read_token(hone_page *p, const char *path, hone_error *err)
{
    char *text = NULL;
    size_t n;
    HONE_TRY(hone_file_read(path, 4096, &text, &n, err));
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    bool good = n >= TOKEN_MIN && n <= TOKEN_MAX;
    for (size_t k = 0; k < n; k++)
        good = good && text[k] > ' ' && text[k] < 127;
    if (good)
        memcpy(p->token, text, n + 1);
    free(text);
    return good ? HONE_OK
                : hone_fail(err, HONE_E_INPUT,
                            "%.200s: a token is one line of %d to %d printable characters without "
                            "blanks",
                            path, TOKEN_MIN, TOKEN_MAX);
}

static hone_status serve(hone_page *p, const hone_page__address *a, const char *text,
                         hone_error *err)
{
    int fd;
    HONE_TRY(hone_page__listen(a, text, &fd, &p->port, err));
    p->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, p,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, MAX_OF_ONE, MHD_OPTION_CONNECTION_TIMEOUT, p->idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, p, MHD_OPTION_END);
    if (p->daemon)
        return HONE_OK;
    close(fd);
    return hone_fail(err, HONE_E_IO, "the HTTP library does not start at %.100s", text);
}

hone_status hone_page_start(const hone_page_options *o, hone_page **ret, hone_error *err)
{
    hone_page__address a;
    *ret = NULL;
    HONE_TRY(hone_page__address_read(o->listen, &a, err));
    if (!a.loopback && !o->token_file)
        return hone_fail(
            err, HONE_E_INPUT,
            "at %.100s others can reach the page: give --http-token-file, or 127.0.0.1", o->listen);
    hone_page *p = hone_xcalloc(1, sizeof *p);
    p->loopback = a.loopback;
    p->idle_s = o->idle_s ? o->idle_s : IDLE_S;
    p->life_ns = (o->life_s ? o->life_s : LIFE_S) * INT64_C(1000000000);
    hone_status st = o->token_file ? read_token(p, o->token_file, err) : HONE_OK;
    p->frame = hone_page__frame(&p->frame_n);
    pthread_mutex_init(&p->lock, NULL);
    if (st == HONE_OK)
        st = serve(p, &a, o->listen, err);
    if (st == HONE_OK)
        *ret = p;
    else
        hone_page_stop(p);
    return st;
}

unsigned hone_page_port(const hone_page *p)
{
    return p->port;
}

void hone_page_stop(hone_page *p)
{
    if (!p)
        return;
    if (p->daemon)
        MHD_stop_daemon(p->daemon);
    pthread_mutex_destroy(&p->lock);
    memset(p->token, 0, sizeof p->token);
    free(p->frame);
    snapshot_drop(p->status);
    snapshot_drop(p->metrics);
    free(p);
}
