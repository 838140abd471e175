/* The ZAP handler (ZeroMQ RFC 27): answers libzmq's question whether a connection may be made. It
 * is served by the loop of its owner, reads a table in memory only, and never fails to answer. */
#include "workers/wire/internal.h"

hone_status hone_workers__zap_open(void *zmq, const hone_allow *allow, hone_workers__zap *ret,
                                   hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    ret->allow = allow;
    ret->sock = zmq_socket(zmq, ZMQ_REP);
    int linger = 0;
    if (ret->sock)
        zmq_setsockopt(ret->sock, ZMQ_LINGER, &linger, sizeof linger);
    if (!ret->sock || zmq_bind(ret->sock, "inproc://zeromq.zap.01") != 0) {
        hone_fail(err, HONE_E_IO, "cannot start the key check: %s", zmq_strerror(zmq_errno()));
        hone_workers__zap_close(ret);
        return HONE_E_IO;
    }
    return HONE_OK;
}

void hone_workers__zap_close(hone_workers__zap *z)
{
    if (z->sock)
        zmq_close(z->sock);
    z->sock = NULL;
}

typedef struct request {
    unsigned frames;
    char version[8], id[256], domain[64], address[64], mechanism[16];
    uint8_t key[32];
    int key_bytes;
} request;

static void copy_text(char *ret, size_t n, zmq_msg_t *m)
{
    size_t k = zmq_msg_size(m) < n - 1 ? zmq_msg_size(m) : n - 1;
    memcpy(ret, zmq_msg_data(m), k);
    ret[k] = '\0';
}

static bool receive(void *sock, request *r)
{
    memset(r, 0, sizeof *r);
    for (bool more = true; more; r->frames++) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        if (zmq_msg_recv(&m, sock, ZMQ_DONTWAIT) < 0)
            return false;
        more = zmq_msg_more(&m);
        if (r->frames == 0)
            copy_text(r->version, sizeof r->version, &m);
        else if (r->frames == 1)
            copy_text(r->id, sizeof r->id, &m);
        else if (r->frames == 2)
            copy_text(r->domain, sizeof r->domain, &m);
        else if (r->frames == 3)
            copy_text(r->address, sizeof r->address, &m);
        else if (r->frames == 5)
            copy_text(r->mechanism, sizeof r->mechanism, &m);
        else if (r->frames == 6 && (r->key_bytes = (int)zmq_msg_size(&m)) == 32)
            memcpy(r->key, zmq_msg_data(&m), 32);
        zmq_msg_close(&m);
    }
    return true;
}

static void answer(void *sock, const char *id, const char *code, const char *text, const char *user)
{
    const char *frame[] = {"1.0", id, code, text, user, ""};
    for (size_t i = 0; i < HONE_LEN(frame); i++)
        zmq_send(sock, frame[i], strlen(frame[i]), i + 1 < HONE_LEN(frame) ? ZMQ_SNDMORE : 0);
}

int hone_workers__zap_serve(hone_workers__zap *z, char *ret_text, size_t n)
{
    request r;
    if (!z->sock || !receive(z->sock, &r))
        return 0;
    const char *why = NULL;
    char key[HONE_KEY_TEXT] = "none";
    const hone_allowed *peer = NULL;
    if (strcmp(r.version, "1.0") != 0 || strcmp(r.domain, "hone") != 0)
        why = "not a request for hone";
    else if (strcmp(r.mechanism, "CURVE") != 0 || r.key_bytes != 32)
        why = "it offers no key";
    else {
        zmq_z85_encode(key, r.key, 32);
        if (!(peer = hone_allow_find(z->allow, r.key)))
            why = "the key is not in the allow file";
    }
    if (!why) {
        answer(z->sock, r.id, "200", "OK", peer->key);
        return 1;
    }
    answer(z->sock, r.id, "400", "not on the allow list", "");
    hone_workers__printable(r.address, sizeof r.address, r.address);
    snprintf(ret_text, n, "refused %s with public key %s: %s", r.address, key, why);
    if (!hone_workers__denials_tell(&z->denials, ret_text, n))
        return 1;
    hone_log(HONE_LOG_WARN, "%s", ret_text);
    return 2;
}
