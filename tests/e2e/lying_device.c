/* lying_device --connect ENDPOINT --key FILE --allow FILE --device PROGRAM --lie WHAT [--after N]
 *
 * A device that lies: between a coordinator, to which it speaks hone's wire with a real key, and a
 * real hone-device (PROGRAM), which measures. It passes on what both say, and changes results.
 * WHAT:
 *
 *   time    every third result is one that cannot be, in a different way each time
 *   output  from now on everything it computes is wrong, its calibration kernels too
 *   fence   it answers what others were asked as well, with times no one can beat
 *   fast    its candidates take half as long as they do
 *
 * The first N (0) results are true. Sent away, it comes again, as something else would see to.
 * Ended by SIGTERM it prints a line of JSON: what it said. */
#include "workers/wire/internal.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MADE_UP_NS 7 /* what a result takes that was not measured here */
#define NEIGHBOURS 8
#define LINGER_MS 300

static const char *endpoint, *key_file, *allow_file, *program, *what;
static uint64_t after, seq;
static struct {
    uint64_t results, canaries, lies, others, sent_away, lives;
} said;
static volatile sig_atomic_t stop_asked;

typedef struct relay {
    hone_workers__link up, down;
    hone_workers__route child; /* n = 0: it has not spoken yet */
    uint8_t session[16];
    hone_wire in, measure; /* measure: asked last; its texts are gone */
    hone_buf out;
    pid_t pid;
    bool is_up;
} relay;

static void on_term(int sig)
{
    (void)sig;
    stop_asked = 1;
}

static _Noreturn void die(const char *text)
{
    fprintf(stderr, "lying_device: %s\n", text);
    exit(1);
}

/* ---- lies ----------------------------------------------------------------------------------- */

static bool is_canary(const hone_wire_measure *m)
{
    return m->min_samples == 5 && m->max_samples == 5 && !m->incumbent;
}

/* What no device can have measured. */
static void impossible(hone_wire_measured *r, double tolerance)
{
    switch (said.lies % 7) {
    case 0: /* none of its samples is so short */
        r->time_ns = 1;
        break;
    case 1:
        r->sample_ns[0] = NAN;
        break;
    case 2:
        r->time_ns = -5;
        r->sample_ns[0] = -5;
        break;
    case 3:
        r->n_sample_ns = r->n_incumbent_ns = 0;
        break;
    case 4: /* faster than in any turn */
        r->log_ratio = -10;
        break;
    case 5:
        r->max_error = 1e6 * tolerance + 1;
        break;
    default:
        r->spent_ns = -1;
    }
}

static void halve(hone_wire_measured *r)
{
    for (uint32_t i = 0; i < r->n_sample_ns; i++)
        r->sample_ns[i] /= 2;
    r->time_ns = (r->time_ns + 1) / 2;
    if (r->incumbent_ns[0] > 0)
        r->log_ratio -= log(2);
}

static void lie(relay *r, hone_wire_measured *m)
{
    bool canary = is_canary(&r->measure.measure), good = m->error.status == HONE_OK;
    said.canaries += canary;
    said.results += !canary;
    if (said.results <= after || !good || strcmp(what, "fence") == 0)
        return;
    if (strcmp(what, "output") == 0) {
        hone_fail(&m->error, HONE_REJECT_WRONG_RESULT, "a lie");
        m->n_sample_ns = m->n_incumbent_ns = 0;
    } else if (canary) {
        return;
    } else if (strcmp(what, "fast") == 0) {
        halve(m);
    } else if (said.results % 3 == 0) {
        impossible(m, r->measure.measure.tolerance);
    } else {
        return;
    }
    said.lies += !canary;
}

/* ---- what goes up --------------------------------------------------------------------------- */

static void forward(relay *r, const uint8_t session[16], hone_buf *message)
{
    hone_wire_readdress(message->s, session, ++seq);
    int sys = hone_workers__link_send(&r->up, &r->child, message);
    if (sys)
        fprintf(stderr, "lying_device: not sent: %s\n", zmq_strerror(sys));
}

static void say(relay *r, const uint8_t session[16], const hone_wire *m)
{
    hone_error err;
    hone_buf_reset(&r->out);
    if (hone_wire_encode(m, &r->out, &err) != HONE_OK)
        die(err.message);
    forward(r, session, &r->out);
}

/* As if it held what others do; and in somebody else's name. */
static void answer_for_others(relay *r)
{
    const hone_wire_measure *asked = &r->measure.measure;
    uint8_t stranger[16];
    hone_wire *m = hone_xcalloc(1, sizeof *m);
    m->type = HONE_WIRE_MEASURED;
    hone_wire_measured *x = &m->measured;
    x->time_ns = MADE_UP_NS;
    x->spent_ns = x->check_ns = x->run_ns = 1000;
    x->env = "";
    x->n_sample_ns = x->n_incumbent_ns = 3;
    for (uint32_t k = 0; k < x->n_sample_ns; k++) {
        x->sample_ns[k] = MADE_UP_NS;
        x->incumbent_ns[k] = asked->incumbent ? MADE_UP_NS : 0;
    }
    for (int k = -NEIGHBOURS; k <= NEIGHBOURS; k++, said.others++) {
        x->ticket = asked->ticket + (uint64_t)k;
        hone_workers__random(stranger, sizeof stranger);
        say(r, k ? r->session : stranger, m);
    }
    free(m);
}

static void from_child(relay *r, const hone_workers__incoming *in)
{
    zmq_msg_t *payload = (zmq_msg_t *)&in->payload;
    hone_error err;
    r->child = in->from;
    if (hone_wire_decode(zmq_msg_data(payload), zmq_msg_size(payload), &r->in, &err) != HONE_OK)
        die(err.message);
    memcpy(r->session, r->in.session, sizeof r->session);
    if (r->in.type != HONE_WIRE_MEASURED || r->in.measured.ticket != r->measure.measure.ticket) {
        hone_buf_reset(&r->out);
        hone_buf_add(&r->out, zmq_msg_data(payload), zmq_msg_size(payload));
        forward(r, r->in.session, &r->out);
        return;
    }
    if (strcmp(what, "fence") == 0 && !is_canary(&r->measure.measure))
        answer_for_others(r);
    lie(r, &r->in.measured);
    say(r, r->session, &r->in);
}

/* ---- what comes down ------------------------------------------------------------------------ */

static void from_coordinator(relay *r, const hone_workers__incoming *in)
{
    zmq_msg_t *payload = (zmq_msg_t *)&in->payload;
    if (hone_wire_decode(zmq_msg_data(payload), zmq_msg_size(payload), &r->in, NULL) != HONE_OK)
        die("the coordinator says what is no message");
    if (r->in.type == HONE_WIRE_MEASURE)
        r->measure = r->in;
    said.sent_away += r->in.type == HONE_WIRE_NACK;
    hone_buf_reset(&r->out);
    hone_buf_add(&r->out, zmq_msg_data(payload), zmq_msg_size(payload));
    if (r->child.n)
        hone_workers__link_send(&r->down, &r->child, &r->out);
}

/* ---- one life ------------------------------------------------------------------------------- */

static pid_t start_device(const char *at)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl(program, program, "--connect", at, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        die("no process");
    return pid;
}

static void look_at(hone_workers__link *l, bool *up)
{
    char text[256];
    int fd;
    for (hone_workers__change c; (c = hone_workers__link_change(l, &fd, text, sizeof text));) {
        if (c == HONE_WORKERS__CHANGE_DENIED)
            fprintf(stderr, "lying_device: %s\n", text);
        if (up)
            *up = c == HONE_WORKERS__CHANGE_UP;
    }
}

static void serve(relay *r)
{
    bool told = false;
    hone_workers__incoming in;
    for (int st; waitpid(r->pid, &st, WNOHANG) == 0;) {
        zmq_pollitem_t items[] = {{r->up.sock, 0, ZMQ_POLLIN, 0}, {r->down.sock, 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, 2, 50);
        if (stop_asked && !told)
            kill(r->pid, SIGTERM);
        told = stop_asked;
        for (; hone_workers__link_receive(&r->down, &in); zmq_msg_close(&in.payload))
            from_child(r, &in);
        for (; hone_workers__link_receive(&r->up, &in); zmq_msg_close(&in.payload))
            from_coordinator(r, &in);
        look_at(&r->down, NULL);
        look_at(&r->up, &r->is_up);
    }
    while (hone_workers__link_receive(&r->down, &in)) { /* its last words */
        from_child(r, &in);
        zmq_msg_close(&in.payload);
    }
}

static void open_links(relay *r, void *zmq, const hone_workers__identity *id, const char *at)
{
    hone_error err = {0};
    hone_workers__endpoint up, down;
    const hone_workers__identity nobody = {0};
    if (hone_workers__endpoint_parse(endpoint, &up, &err) != HONE_OK ||
        hone_workers__endpoint_parse(at, &down, &err) != HONE_OK ||
        hone_workers__link_open(zmq, &up, false, false, id, &r->up, &err) != HONE_OK ||
        hone_workers__link_open(zmq, &down, true, true, &nobody, &r->down, &err) != HONE_OK)
        die(err.message);
    while (!r->is_up && !stop_asked) {
        look_at(&r->up, &r->is_up);
        usleep(20000);
    }
}

static void live(const hone_workers__identity *id, const char *at)
{
    void *zmq = zmq_ctx_new();
    relay *r = hone_xcalloc(1, sizeof *r);
    open_links(r, zmq, id, at);
    if (!stop_asked) {
        said.lives++;
        r->pid = start_device(at);
        serve(r);
    }
    hone_workers__link_close(&r->up, LINGER_MS);
    hone_workers__link_close(&r->down, LINGER_MS);
    hone_buf_free(&r->out);
    free(r);
    zmq_ctx_term(zmq);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name, **to;
    } options[] = {{"--connect", &endpoint},
                   {"--key", &key_file},
                   {"--allow", &allow_file},
                   {"--device", &program},
                   {"--lie", &what}};
    hone_workers__identity id;
    hone_error err = {0};
    char at[64];
    for (int k = 1; k + 1 < argc; k += 2) {
        for (size_t i = 0; i < HONE_LEN(options); i++)
            if (strcmp(argv[k], options[i].name) == 0)
                *options[i].to = argv[k + 1];
        if (strcmp(argv[k], "--after") == 0)
            after = strtoull(argv[k + 1], NULL, 10);
    }
    if (!endpoint || !program || !what)
        die("--connect, --device and --lie are needed");
    if (hone_workers__identity_read(key_file, allow_file, &id, &err) != HONE_OK)
        die(err.message);
    signal(SIGTERM, on_term);
    snprintf(at, sizeof at, "ipc:///tmp/hone-liar-%d", (int)getpid());
    while (!stop_asked) {
        live(&id, at);
        for (int k = 0; k < 10 && !stop_asked; k++)
            usleep(100000);
    }
    unlink(at + strlen("ipc://"));
    hone_workers__identity_free(&id);
    printf("{\"lie\":\"%s\",\"results\":%" PRIu64 ",\"canaries\":%" PRIu64 ",\"lies\":%" PRIu64
           ",\"for_others\":%" PRIu64 ",\"sent_away\":%" PRIu64 ",\"lives\":%" PRIu64 "}\n",
           what, said.results, said.canaries, said.lies, said.others, said.sent_away, said.lives);
    return 0;
}
