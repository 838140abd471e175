/* Encode and decode of every message of wire.def. The decoder trusts nothing: each length is
 * checked against its limit and against the bytes that are left before it is used. */
#include "workers/wire/wire.h"

#include <math.h>

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct writer {
    hone_buf *b;
    const char *too_long; /* first field over its limit */
} writer;

static void put_le(writer *w, uint64_t x, unsigned n)
{
    uint8_t raw[8];
    for (unsigned i = 0; i < n; i++)
        raw[i] = (uint8_t)(x >> (8 * i));
    hone_buf_add(w->b, raw, n);
}

static void put_f64(writer *w, double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    put_le(w, u, 8);
}

static void put_bytes(writer *w, const char *field, const void *p, size_t n, size_t max)
{
    if (n > max) {
        if (!w->too_long)
            w->too_long = field;
        return;
    }
    put_le(w, n, 4);
    hone_buf_add(w->b, p, n);
}

static void put_text(writer *w, const char *field, const char *s, size_t max)
{
    s = s ? s : "";
    put_bytes(w, field, s, strlen(s) + 1, max);
}

static void put_manifest(writer *w, const char *field, const hone_manifest *m)
{
    if (m->n_args > HONE_MAX_ARGS) {
        if (!w->too_long)
            w->too_long = field;
        return;
    }
    put_le(w, m->n_args, 4);
    for (uint32_t i = 0; i < m->n_args; i++) {
        const hone_arg *a = &m->args[i];
        put_text(w, field, a->name, sizeof a->name);
        put_le(w, a->elem, 1);
        put_le(w, a->is_output, 1);
        put_le(w, (uint64_t)a->count, 8);
        put_le(w, (uint64_t)a->pack_bytes, 8);
        put_f64(w, a->lo);
        put_f64(w, a->hi);
    }
    put_le(w, (uint64_t)m->flops, 8);
    put_le(w, m->has_pack, 1);
}

static void put_error(writer *w, const char *field, const hone_error *e)
{
    put_text(w, field, hone_status_name(e->status), 64);
    put_le(w, (uint32_t)e->sys, 4);
    put_le(w, (uint32_t)e->line, 4);
    put_le(w, (uint32_t)e->column, 4);
    put_text(w, field, e->where, sizeof e->where);
    put_text(w, field, e->message, sizeof e->message);
}

static void put_lease(writer *w, const hone_wire_lease *l)
{
    put_le(w, l->realm, 8);
    put_le(w, l->fence, 8);
    put_le(w, l->unit_a, 8);
    put_le(w, l->unit_b, 8);
    put_le(w, l->epoch, 4);
    put_le(w, l->phase, 4);
    put_le(w, (uint64_t)l->left_ms, 8);
}

#define MESSAGE(NAME, member, code, sender, doc)                        \
    static void encode_##member(writer *w, const hone_wire_##member *m) \
    {
#define END(NAME, member) }
#define LATER(f)
#define U8(f, doc) put_le(w, m->f, 1);
#define U32(f, doc) put_le(w, m->f, 4);
#define I32(f, doc) put_le(w, (uint32_t)m->f, 4);
#define U64(f, doc) put_le(w, m->f, 8);
#define I64(f, doc) put_le(w, (uint64_t)m->f, 8);
#define F64(f, doc) put_f64(w, m->f);
#define RAW(f, n, doc) hone_buf_add(w->b, m->f, n);
#define TEXT(f, max, doc) put_text(w, #f, m->f, max);
#define OTEXT(f, max, doc)          \
    if (m->f)                       \
        put_text(w, #f, m->f, max); \
    else                            \
        put_le(w, 0, 4);
#define BYTES(f, max, doc) put_bytes(w, #f, m->f.p, m->f.n, max);
#define F64S(f, max, doc)                   \
    HONE_ASSERT(m->n_##f <= (max));         \
    put_le(w, m->n_##f, 4);                 \
    for (uint32_t i = 0; i < m->n_##f; i++) \
        put_f64(w, m->f[i]);
#define LEASES(f, max, doc)                 \
    HONE_ASSERT(m->n_##f <= (max));         \
    put_le(w, m->n_##f, 4);                 \
    for (uint32_t i = 0; i < m->n_##f; i++) \
        put_lease(w, &m->f[i]);
#define MANIFEST(f, doc) put_manifest(w, #f, &m->f);
#define ERROR(f, doc) put_error(w, #f, &m->f);
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct reader {
    const uint8_t *p;
    size_t left;
    const char *field; /* the field being read */
} reader;

static bool get_le(reader *r, uint64_t *ret, unsigned n)
{
    if (r->left < n)
        return false;
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++)
        x |= (uint64_t)r->p[i] << (8 * i);
    r->p += n;
    r->left -= n;
    *ret = x;
    return true;
}

static bool get_u8(reader *r, uint8_t *ret)
{
    uint64_t x;
    if (!get_le(r, &x, 1))
        return false;
    *ret = (uint8_t)x;
    return true;
}

static bool get_u32(reader *r, uint32_t *ret)
{
    uint64_t x;
    if (!get_le(r, &x, 4))
        return false;
    *ret = (uint32_t)x;
    return true;
}

static bool get_i32(reader *r, int32_t *ret)
{
    uint32_t x;
    if (!get_u32(r, &x))
        return false;
    *ret = (int32_t)x;
    return true;
}

static bool get_u64(reader *r, uint64_t *ret)
{
    return get_le(r, ret, 8);
}

static bool get_i64(reader *r, int64_t *ret)
{
    uint64_t x;
    if (!get_le(r, &x, 8))
        return false;
    *ret = (int64_t)x;
    return true;
}

static bool get_f64(reader *r, double *ret)
{
    uint64_t x;
    if (!get_le(r, &x, 8))
        return false;
    memcpy(ret, &x, sizeof x);
    return true;
}

static bool get_raw(reader *r, uint8_t *ret, size_t n)
{
    if (r->left < n)
        return false;
    memcpy(ret, r->p, n);
    r->p += n;
    r->left -= n;
    return true;
}

static bool get_bytes(reader *r, hone_wire_bytes *ret, size_t max)
{
    uint32_t n;
    if (!get_u32(r, &n) || n > max || n > r->left)
        return false;
    *ret = (hone_wire_bytes){n ? r->p : NULL, n};
    r->p += n;
    r->left -= n;
    return true;
}

static bool get_text(reader *r, const char **ret, size_t max, bool optional)
{
    hone_wire_bytes b;
    if (!get_bytes(r, &b, max))
        return false;
    *ret = NULL;
    if (b.n == 0)
        return optional;
    if (memchr(b.p, 0, b.n) != b.p + b.n - 1)
        return false;
    *ret = (const char *)b.p;
    return true;
}

static bool get_chars(reader *r, char *ret, size_t max)
{
    const char *s;
    if (!get_text(r, &s, max, false))
        return false;
    memcpy(ret, s, strlen(s) + 1);
    return true;
}

static bool get_f64s(reader *r, uint32_t *ret_n, double *ret, uint32_t max)
{
    if (!get_u32(r, ret_n) || *ret_n > max || r->left / 8 < *ret_n)
        return false;
    for (uint32_t i = 0; i < *ret_n; i++)
        if (!get_f64(r, &ret[i]))
            return false;
    return true;
}

#define LEASE_BYTES 48

/* Nobody holds what was not leased, or what is neither in hand nor ended. */
static bool get_leases(reader *r, uint32_t *ret_n, hone_wire_lease *ret, uint32_t max)
{
    if (!get_u32(r, ret_n) || *ret_n > max || r->left / LEASE_BYTES < *ret_n)
        return false;
    for (uint32_t i = 0; i < *ret_n; i++) {
        hone_wire_lease *l = &ret[i];
        if (!get_u64(r, &l->realm) || !get_u64(r, &l->fence) || !get_u64(r, &l->unit_a) ||
            !get_u64(r, &l->unit_b) || !get_u32(r, &l->epoch) || !get_u32(r, &l->phase) ||
            !get_i64(r, &l->left_ms))
            return false;
        if (l->fence == 0 || l->phase < HONE_WIRE_FETCHING || l->phase > HONE_WIRE_ENDED ||
            l->left_ms < 0)
            return false;
    }
    return true;
}

/* room: for HONE_MAX_ARGS. */
static bool get_manifest(reader *r, hone_arg *room, hone_manifest *ret)
{
    ret->args = room;
    if (!get_u32(r, &ret->n_args) || ret->n_args > HONE_MAX_ARGS)
        return false;
    for (uint32_t i = 0; i < ret->n_args; i++) {
        hone_arg *a = &room[i];
        memset(a, 0, sizeof *a);
        if (!get_chars(r, a->name, sizeof a->name) || !get_u8(r, &a->elem) ||
            !get_u8(r, &a->is_output) || !get_i64(r, &a->count) || !get_i64(r, &a->pack_bytes) ||
            !get_f64(r, &a->lo) || !get_f64(r, &a->hi))
            return false;
        if (a->elem >= HONE_ELEM_COUNT || a->is_output > HONE_ARG_CONSTANT || a->count < 0 ||
            a->pack_bytes < 0 || isnan(a->lo) || isnan(a->hi))
            return false;
    }
    return get_i64(r, &ret->flops) && get_u8(r, &ret->has_pack) && ret->has_pack <= 1;
}

static bool get_error(reader *r, hone_error *ret)
{
    const char *name;
    if (!get_text(r, &name, 64, false) || !get_i32(r, &ret->sys) || !get_i32(r, &ret->line) ||
        !get_i32(r, &ret->column) || !get_chars(r, ret->where, sizeof ret->where) ||
        !get_chars(r, ret->message, sizeof ret->message))
        return false;
    ret->status = hone_status_parse(name);
    if (ret->status == HONE_STATUS_COUNT) /* a newer peer's: some kind of no */
        ret->status = strncmp(name, "REJECT_", 7) == 0 ? HONE_REJECT_BUILD : HONE_E_PROTOCOL;
    return true;
}

#define MESSAGE(NAME, member, code, sender, doc)                  \
    static bool decode_##member(reader *r, hone_wire_##member *m) \
    {                                                             \
        bool ok = true;
#define END(NAME, member) \
    return ok;            \
    }
#define GET(f, call) ok = ok && (r->field = #f, call);
#define LATER(f)                                                     \
    if (ok && r->left == 0) {                                        \
        memset(&m->f, 0, (size_t)((char *)(m + 1) - (char *)&m->f)); \
        return true;                                                 \
    }
#define U8(f, doc) GET(f, get_u8(r, &m->f))
#define U32(f, doc) GET(f, get_u32(r, &m->f))
#define I32(f, doc) GET(f, get_i32(r, &m->f))
#define U64(f, doc) GET(f, get_u64(r, &m->f))
#define I64(f, doc) GET(f, get_i64(r, &m->f))
#define F64(f, doc) GET(f, get_f64(r, &m->f))
#define RAW(f, n, doc) GET(f, get_raw(r, m->f, n))
#define TEXT(f, max, doc) GET(f, get_text(r, &m->f, max, false))
#define OTEXT(f, max, doc) GET(f, get_text(r, &m->f, max, true))
#define BYTES(f, max, doc) GET(f, get_bytes(r, &m->f, max))
#define F64S(f, max, doc) GET(f, get_f64s(r, &m->n_##f, m->f, max))
#define LEASES(f, max, doc) GET(f, get_leases(r, &m->n_##f, m->f, max))
#define MANIFEST(f, doc) GET(f, get_manifest(r, m->f##_room, &m->f))
#define ERROR(f, doc) GET(f, get_error(r, &m->f))
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"
#undef GET

/* ---- the message as a whole ----------------------------------------------------------------- */

#define LATER(f)
#define U8(f, doc)
#define U32(f, doc)
#define I32(f, doc)
#define U64(f, doc)
#define I64(f, doc)
#define F64(f, doc)
#define RAW(f, n, doc)
#define TEXT(f, max, doc)
#define OTEXT(f, max, doc)
#define BYTES(f, max, doc)
#define F64S(f, max, doc)
#define LEASES(f, max, doc)
#define MANIFEST(f, doc)
#define ERROR(f, doc)
#define END(NAME, member)

const char *hone_wire_name(unsigned type)
{
    switch (type) {
#define MESSAGE(NAME, member, code, sender, doc) \
    case code:                                   \
        return #NAME;
#include "workers/wire/wire.def"
#undef MESSAGE
    default:
        return "?";
    }
}

static bool encode_body(writer *w, const hone_wire *m)
{
    switch (m->type) {
#define MESSAGE(NAME, member, code, sender, doc) \
    case code:                                   \
        encode_##member(w, &m->member);          \
        return true;
#include "workers/wire/wire.def"
#undef MESSAGE
    default:
        return false;
    }
}

static int decode_body(reader *r, hone_wire *m)
{
    switch (m->type) {
#define MESSAGE(NAME, member, code, sender, doc) \
    case code:                                   \
        return decode_##member(r, &m->member);
#include "workers/wire/wire.def"
#undef MESSAGE
    default:
        return -1;
    }
}
#include "workers/wire/wire_undef.h"

hone_status hone_wire_encode(const hone_wire *m, hone_buf *ret, hone_error *err)
{
    size_t before = ret->n;
    writer w = {ret, NULL};
    hone_buf_add(ret, "HN", 2);
    put_le(&w, HONE_WIRE_VERSION, 1);
    put_le(&w, m->type, 1);
    hone_buf_add(ret, m->session, sizeof m->session);
    put_le(&w, m->seq, 8);
    put_le(&w, (uint64_t)m->deadline_ms, 8);
    HONE_ASSERT(encode_body(&w, m));
    if (!w.too_long)
        return HONE_OK;
    ret->n = before;
    ret->s[before] = '\0';
    return hone_fail(err, HONE_E_LIMIT, "the %s of a %s message is longer than the protocol allows",
                     w.too_long, hone_wire_name(m->type));
}

hone_status hone_wire_decode(const void *bytes, size_t n, hone_wire *ret, hone_error *err)
{
    memset(ret, 0, offsetof(hone_wire, hello));
    reader r = {bytes, n, "header"};
    uint64_t magic;
    if (!get_le(&r, &magic, 2) || magic != ('H' | 'N' << 8))
        return hone_fail(err, HONE_E_PROTOCOL, "not a message of hone");
    if (!get_u8(&r, &ret->version) || !get_u8(&r, &ret->type) ||
        !get_raw(&r, ret->session, sizeof ret->session) || !get_u64(&r, &ret->seq) ||
        !get_i64(&r, &ret->deadline_ms))
        return hone_fail(err, HONE_E_PROTOCOL, "message cut off in its header");
    if (ret->version != HONE_WIRE_VERSION)
        return hone_fail(err, HONE_E_VERSION, "message of wire version %u, this hone speaks %u",
                         ret->version, HONE_WIRE_VERSION);
    int ok = decode_body(&r, ret);
    if (ok < 0)
        return hone_fail(err, HONE_E_VERSION, "unknown message type %u", ret->type);
    if (!ok)
        return hone_fail(err, HONE_E_PROTOCOL, "bad %s in a %s message", r.field,
                         hone_wire_name(ret->type));
    return HONE_OK;
}

void hone_wire_readdress(void *bytes, const uint8_t session[16], uint64_t seq)
{
    uint8_t *p = bytes;
    memcpy(p + 4, session, 16);
    for (unsigned i = 0; i < 8; i++)
        p[20 + i] = (uint8_t)(seq >> (8 * i));
}

uint64_t hone_wire_artifact_key(const hone_manifest *m, const void *bytes, size_t n)
{
    hone_buf b = {0};
    writer w = {&b, NULL};
    put_manifest(&w, "manifest", m);
    uint64_t key = hone_hash_mix(hone_hash_bytes(0, bytes, n), hone_hash_bytes(0, b.s, b.n));
    hone_buf_free(&b);
    return key ? key : 1; /* 0 is "none" in MEASURE */
}
