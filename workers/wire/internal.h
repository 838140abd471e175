/* Inside of workers/: sockets with their security, the ZAP handler, artifacts, the build server. */
#ifndef HONE_WORKERS_WIRE_INTERNAL_H
#define HONE_WORKERS_WIRE_INTERNAL_H

#include "workers/wire/keys.h"
#include "workers/wire/wire.h"

#include <sys/types.h>
#include <zmq.h>

/* ---- artifact.c ----------------------------------------------------------------------------- */

/* Artifacts by key (hone_wire_artifact_key), bounded in number and bytes; the one unused for the
 * longest time goes first. A pointer from _find or _add is borrowed until the next _add. */
typedef struct hone_workers__artifacts {
    struct hone_workers__cached {
        uint64_t key;
        uint64_t used; /* turn of the last use */
        hone_artifact artifact;
    } slots[32];
    uint64_t turn;
    size_t bytes;
} hone_workers__artifacts;
const hone_artifact *hone_workers__artifacts_find(hone_workers__artifacts *c, uint64_t key);
void hone_workers__artifacts_add(hone_workers__artifacts *c, uint64_t key, const hone_manifest *m,
                                 const hone_wire_bytes *bytes);
void hone_workers__artifacts_free(hone_workers__artifacts *c);
/* *ret is overwritten, with copies. */
void hone_workers__artifact_set(hone_artifact *ret, const hone_manifest *m, const void *bytes,
                                size_t n);

/* ---- limits.c: what strangers may not take ------------------------------------------------- */

/* Keeps some descriptors from everything that makes some without being asked, as accepting
 * connections does (false), or lets this process have them for a moment (true). Raises the limit of
 * the process as far as is sensible. Not between threads that do different things with it. */
void hone_workers__reserve(bool use);
/* Connections that may be open without having said anything: a quarter of the descriptors. */
uint32_t hone_workers__strangers_max(void);

/* Some lines at once, and then one in a while. Zeroed: none written yet. */
typedef struct hone_workers__quota {
    int64_t full_ns; /* when as many may be written at once as ever */
    uint32_t left_out;
} hone_workers__quota;
/* May a line be written now? If so, *ret_left_out could not be since the last one. */
bool hone_workers__quota_take(hone_workers__quota *q, int64_t now, uint32_t *ret_left_out);

/* Denials told lately. */
typedef struct hone_workers__denials {
    struct {
        uint64_t what;
        int64_t at_ns;
    } told[16];
    unsigned turn;
    hone_workers__quota quota;
} hone_workers__denials;
/* False: the same was told in the last ten seconds, or too much in all. Else text gets how many
 * were left out before it. */
bool hone_workers__denials_tell(hone_workers__denials *d, char *text, size_t n);

/* ---- sock.c, connect.c, lookup.c, monitor.c: sockets
 * ------------------------------------------------------------- */

typedef struct hone_workers__endpoint {
    char uri[256];
    char host[256]; /* of tcp, without brackets */
    bool ipc;
    bool local; /* ipc or loopback: a closed connection is a dead peer */
    bool ipv6;
} hone_workers__endpoint;
/* "ipc://path" or "tcp://host:port". HONE_E_INPUT. */
hone_status hone_workers__endpoint_parse(const char *text, hone_workers__endpoint *ret,
                                         hone_error *err) HONE_NODISCARD;

/* This side's credentials; all zero without key and allow file. */
typedef struct hone_workers__identity {
    bool have;
    bool insecure_loopback; /* this user said that any user of this machine may connect */
    hone_keys keys;
    hone_allow allow;
} hone_workers__identity;
/* Both files or neither. HONE_E_INPUT, HONE_E_NOTFOUND, HONE_E_IO. */
hone_status hone_workers__identity_read(const char *key_file, const char *allow_file,
                                        hone_workers__identity *ret,
                                        hone_error *err) HONE_NODISCARD;
void hone_workers__identity_free(hone_workers__identity *id);

typedef struct hone_workers__route { /* a ROUTER's address of a connection; not an identity */
    uint8_t n;
    uint8_t id[255];
} hone_workers__route;

#define HONE_WORKERS__ADDRESS 64 /* bytes of one as text */
typedef struct hone_workers__lookup hone_workers__lookup;

typedef struct hone_workers__link {
    hone_workers__endpoint endpoint;
    bool bound, router, curve;
    void *sock, *monitor;
    /* The connecting side. */
    hone_workers__route other; /* how a ROUTER calls the other end */
    bool up;
    char at[384];                 /* what libzmq connects to; "": nothing yet */
    hone_workers__lookup *lookup; /* of the host's name, under way; or NULL */
    int unknown;                  /* why it stands for nothing, as of getaddrinfo; 0: not so */
    int64_t look_ns, again_ns;    /* when it is looked up again while this is not up */
    unsigned n_connects;
    /* The listening side. */
    int port;                /* at which it listens; 0 no tcp */
    char last_from[64];      /* address of the latest accepted connection */
    HONE_VEC(int) strangers; /* accepted and silent until now, the oldest first */
    uint32_t strangers_max;
    hone_workers__denials denials;
} hone_workers__link;
#define HONE_WORKERS__LINK_ITEMS 3
/* Makes a socket (ROUTER or DEALER) with all its options, and binds or connects it; never blocks:
 * what a host's name stands for is looked up meanwhile, and again when nobody is there any more.
 * HONE_E_INPUT (also tcp without keys), HONE_E_BUSY (address in use), HONE_E_IO. */
hone_status hone_workers__link_open(void *zmq, const hone_workers__endpoint *e, bool bind,
                                    bool router, const hone_workers__identity *id,
                                    hone_workers__link *ret, hone_error *err) HONE_NODISCARD;
void hone_workers__link_close(hone_workers__link *l, int linger_ms);
/* What a loop waits for before it takes messages and changes; how many. */
int hone_workers__link_items(const hone_workers__link *l,
                             zmq_pollitem_t ret[HONE_WORKERS__LINK_ITEMS]);
/* Why the host's name leads nowhere, until now; NULL: it does, or is none. */
const char *hone_workers__link_unknown(const hone_workers__link *l);
/* Connects no more. */
void hone_workers__link_give_up(hone_workers__link *l);
/* Never blocks. 0 or an errno: EHOSTUNREACH (connection gone), EAGAIN (its queue is full). */
int hone_workers__link_send(hone_workers__link *l, const hone_workers__route *to,
                            const hone_buf *message);

/* Is the other end of an ipc connection a process of this user? UNKNOWN: the connection has ended,
 * so that only a session's secret number speaks for what came by it. Over tcp the keys decide: YES.
 */
typedef enum hone_workers__trust {
    HONE_WORKERS__TRUST_UNKNOWN,
    HONE_WORKERS__TRUST_NO,
    HONE_WORKERS__TRUST_YES
} hone_workers__trust;

typedef struct hone_workers__incoming {
    hone_workers__route from;
    zmq_msg_t payload;       /* to be closed */
    char key[HONE_KEY_TEXT]; /* User-Id: the peer's public key; "" without CURVE */
    int fd;                  /* of the connection, only to recognise its end; -1 unknown */
    hone_workers__trust trust;
} hone_workers__incoming;
/* Takes one waiting message. Never blocks. */
bool hone_workers__link_receive(hone_workers__link *l, hone_workers__incoming *ret);

typedef enum hone_workers__change {
    HONE_WORKERS__CHANGE_NONE,
    HONE_WORKERS__CHANGE_UP,     /* a handshake succeeded */
    HONE_WORKERS__CHANGE_DOWN,   /* connection `fd` ended */
    HONE_WORKERS__CHANGE_DENIED, /* turned away by, or turning away, the other side; text says why
                                  */
    HONE_WORKERS__CHANGE_BROKEN  /* a handshake ended without a reason */
} hone_workers__change;
/* Takes one waiting event of the connection. Never blocks. A listening side's DENIED is told at
 * most once in ten seconds while its text stays the same, and seldom in all. */
hone_workers__change hone_workers__link_change(hone_workers__link *l, int *ret_fd, char *ret_text,
                                               size_t n);

/* lookup.c: what a name stands for. The thread that asks goes on by itself when it is left. */
hone_workers__lookup *hone_workers__lookup_start(const char *host, bool ipv6);
int hone_workers__lookup_fd(const hone_workers__lookup *l); /* readable when it is over; or -1 */
/* *ret_why: 0, or as of getaddrinfo. */
bool hone_workers__lookup_over(const hone_workers__lookup *l, int *ret_why);
/* Of one that is over; NULL: it has no more. Borrowed. */
const char *hone_workers__lookup_address(const hone_workers__lookup *l, unsigned k);
/* NULL is fine. */
void hone_workers__lookup_leave(hone_workers__lookup *l);

/* connect.c, for sock.c: connects, or begins to look up where to. */
hone_status hone_workers__link_connect(hone_workers__link *l, hone_error *err) HONE_NODISCARD;
/* connect.c, for monitor.c: goes on with that; whether the connection stands. */
void hone_workers__link_tend(hone_workers__link *l);
void hone_workers__link_is_up(hone_workers__link *l, bool up);

/* For sock.c: starts watching the connections; a message came by this one. */
bool hone_workers__monitor_open(void *zmq, hone_workers__link *l);
hone_workers__trust hone_workers__link_heard(hone_workers__link *l, int fd);
/* Of ipc: a connection to whoever listens there, which may stand only later, the caller's to close;
 * -1: nobody does. Never blocks. */
int hone_workers__ipc_connect(const hone_workers__endpoint *e);

void hone_workers__random(void *ret, size_t n);
/* Printable copy of a text that came over the wire. */
void hone_workers__printable(char *ret, size_t n, const char *text);

/* ---- zap.c: who may connect ----------------------------------------------------------------- */

typedef struct hone_workers__zap {
    void *sock; /* NULL: not open */
    const hone_allow *allow;
    hone_workers__denials denials;
} hone_workers__zap;
/* Before the first bind of a CURVE socket in this context. `allow` must outlive it. */
hone_status hone_workers__zap_open(void *zmq, const hone_allow *allow, hone_workers__zap *ret,
                                   hone_error *err) HONE_NODISCARD;
/* Answers one waiting request. 0: none waited; 1: answered; 2: denied, and text (to be shown to
 * people) says who and why; it is in the log already. */
int hone_workers__zap_serve(hone_workers__zap *z, char *ret_text, size_t n);
void hone_workers__zap_close(hone_workers__zap *z);

#endif
