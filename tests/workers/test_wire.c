/* Every message of wire.def: round trip with extreme values, truncation, limits, and the table of
 * docs/PROTOCOL.md. The functions that fill and compare a message come from wire.def as well.
 * `test_workers_wire table` prints that table; `corpus FOLDER` writes seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/wire/wire.h"

/* ---- values: `kind` 0 least, 1 greatest, 2 random ------------------------------------------- */

static hone_rng rng;
static char *owned[512];
static size_t n_owned;

static char *text_of(int kind, size_t max)
{
    size_t n = kind == 0 ? 0 : kind == 1 ? max - 1 : hone_rng_below(&rng, max < 300 ? max : 300);
    char *s = hone_xmalloc(n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = (char)(1 + hone_rng_below(&rng, 255));
    s[n] = '\0';
    assert_true(n_owned < HONE_LEN(owned));
    owned[n_owned++] = s;
    return s;
}

static void free_owned(void)
{
    while (n_owned > 0)
        free(owned[--n_owned]);
}

static uint64_t bits(int kind, uint64_t least, uint64_t greatest)
{
    return kind == 0 ? least : kind == 1 ? greatest : hone_rng_u64(&rng);
}

static double real(int kind)
{
    return kind == 0 ? -1.7976931348623157e308 : kind == 1 ? 5e-324 : hone_rng_double(&rng);
}

static hone_manifest manifest(int kind, hone_arg *room)
{
    hone_manifest m = {.args = room};
    memset(room, 0, HONE_MAX_ARGS * sizeof *room);
    m.n_args = kind == 0 ? 0 : kind == 1 ? HONE_MAX_ARGS : (uint32_t)hone_rng_below(&rng, 5);
    for (uint32_t i = 0; i < m.n_args; i++) {
        hone_arg *a = &m.args[i];
        strcpy(a->name, text_of(kind, sizeof a->name));
        a->elem = (uint8_t)hone_rng_below(&rng, HONE_ELEM_COUNT);
        a->is_output = kind == 1;
        a->count = kind == 1 ? INT64_MAX : 7;
        a->pack_bytes = kind == 1 ? INT64_MAX : 0;
    }
    m.flops = (int64_t)bits(kind, (uint64_t)INT64_MIN, INT64_MAX);
    m.has_pack = kind == 1;
    return m;
}

static hone_error error_of(int kind)
{
    hone_error e;
    memset(&e, 0, sizeof e);
    e.status = kind == 0 ? HONE_OK : kind == 1 ? HONE_STATUS_COUNT - 1 : HONE_E_PEER;
    e.sys = (int)bits(kind, (uint64_t)INT32_MIN, INT32_MAX);
    e.line = (int)bits(kind, (uint64_t)INT32_MIN, INT32_MAX);
    e.column = 3;
    strcpy(e.where, text_of(kind, sizeof e.where));
    strcpy(e.message, text_of(kind, sizeof e.message));
    return e;
}

static hone_wire_lease lease_of(int kind)
{
    return (hone_wire_lease){.realm = bits(kind, 0, UINT64_MAX),
                             .fence = bits(kind, 1, UINT64_MAX) | 1,
                             .unit_a = bits(kind, 0, UINT64_MAX),
                             .unit_b = bits(kind, 0, UINT64_MAX),
                             .epoch = (uint32_t)bits(kind, 0, UINT32_MAX),
                             .phase = kind == 1 ? HONE_WIRE_ENDED
                                                : 1 + (uint32_t)hone_rng_below(&rng, 4),
                             .left_ms = (int64_t)(bits(kind, 0, INT64_MAX) >> 1)};
}

static uint8_t *big; /* the largest artifact */

#define MESSAGE(NAME, member, code, sender, doc)               \
    static void fill_##member(int kind, hone_wire_##member *m) \
    {
#define END(NAME, member) }
#define LATER(f)
#define U8(f, doc) m->f = (uint8_t)bits(kind, 0, UINT8_MAX);
#define U32(f, doc) m->f = (uint32_t)bits(kind, 0, UINT32_MAX);
#define I32(f, doc) m->f = (int32_t)bits(kind, (uint64_t)INT32_MIN, INT32_MAX);
#define U64(f, doc) m->f = bits(kind, 0, UINT64_MAX);
#define I64(f, doc) m->f = (int64_t)bits(kind, (uint64_t)INT64_MIN, INT64_MAX);
#define F64(f, doc) m->f = real(kind);
#define RAW(f, n, doc)          \
    for (int i = 0; i < n; i++) \
        m->f[i] = (uint8_t)bits(kind, 0, UINT8_MAX);
#define TEXT(f, max, doc) m->f = text_of(kind, max);
#define OTEXT(f, max, doc) m->f = kind == 0 ? NULL : text_of(kind, max);
#define BYTES(f, max, doc) \
    m->f = (hone_wire_bytes){kind == 0 ? NULL : big, kind == 0 ? 0 : kind == 1 ? (max) : 100};
#define F64S(f, max, doc)                             \
    m->n_##f = kind == 0 ? 0 : kind == 1 ? (max) : 3; \
    for (uint32_t i = 0; i < m->n_##f; i++)           \
        m->f[i] = real((int)(i % 3));
#define LEASES(f, max, doc)                           \
    m->n_##f = kind == 0 ? 0 : kind == 1 ? (max) : 3; \
    for (uint32_t i = 0; i < m->n_##f; i++)           \
        m->f[i] = lease_of(kind);
#define MANIFEST(f, doc) m->f = manifest(kind, m->f##_room);
#define ERROR(f, doc) m->f = error_of(kind);
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"

static bool same_bytes(hone_wire_bytes a, hone_wire_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_manifest(const hone_manifest *a, const hone_manifest *b)
{
    bool same = a->n_args == b->n_args && a->flops == b->flops && a->has_pack == b->has_pack;
    for (uint32_t i = 0; same && i < a->n_args; i++) {
        const hone_arg *x = &a->args[i], *y = &b->args[i];
        same = strcmp(x->name, y->name) == 0 && x->elem == y->elem &&
               x->is_output == y->is_output && x->count == y->count &&
               x->pack_bytes == y->pack_bytes;
    }
    return same;
}

static bool same_leases(const hone_wire_lease *a, uint32_t n, const hone_wire_lease *b, uint32_t m)
{
    bool same = n == m;
    for (uint32_t i = 0; same && i < n; i++)
        same = a[i].realm == b[i].realm && a[i].fence == b[i].fence && a[i].unit_a == b[i].unit_a &&
               a[i].unit_b == b[i].unit_b && a[i].epoch == b[i].epoch && a[i].phase == b[i].phase &&
               a[i].left_ms == b[i].left_ms;
    return same;
}

static bool same_error(const hone_error *a, const hone_error *b)
{
    return a->status == b->status && a->sys == b->sys && a->line == b->line &&
           a->column == b->column && strcmp(a->where, b->where) == 0 &&
           strcmp(a->message, b->message) == 0;
}

#define MESSAGE(NAME, member, code, sender, doc)                                                  \
    static const char *differs_##member(const hone_wire_##member *a, const hone_wire_##member *b) \
    {
#define END(NAME, member) \
    return NULL;          \
    }
#define IF_NOT(f, same) \
    if (!(same))        \
        return #f;
#define LATER(f)
#define U8(f, doc) IF_NOT(f, a->f == b->f)
#define U32(f, doc) IF_NOT(f, a->f == b->f)
#define I32(f, doc) IF_NOT(f, a->f == b->f)
#define U64(f, doc) IF_NOT(f, a->f == b->f)
#define I64(f, doc) IF_NOT(f, a->f == b->f)
#define F64(f, doc) IF_NOT(f, memcmp(&a->f, &b->f, sizeof a->f) == 0)
#define RAW(f, n, doc) IF_NOT(f, memcmp(a->f, b->f, n) == 0)
#define TEXT(f, max, doc) IF_NOT(f, same_text(a->f, b->f))
#define OTEXT(f, max, doc) IF_NOT(f, same_text(a->f, b->f))
#define BYTES(f, max, doc) IF_NOT(f, same_bytes(a->f, b->f))
#define F64S(f, max, doc) \
    IF_NOT(f, a->n_##f == b->n_##f && memcmp(a->f, b->f, a->n_##f * sizeof a->f[0]) == 0)
#define LEASES(f, max, doc) IF_NOT(f, same_leases(a->f, a->n_##f, b->f, b->n_##f))
#define MANIFEST(f, doc) IF_NOT(f, same_manifest(&a->f, &b->f))
#define ERROR(f, doc) IF_NOT(f, same_error(&a->f, &b->f))
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"

/* What an older sender lacks, as its messages are read; how often fields were added. Those of
 * the from-th time, counted from 1, and later ones are forgotten. */
#define MESSAGE(NAME, member, code, sender, doc)                          \
    static unsigned forget_##member(hone_wire_##member *m, unsigned from) \
    {                                                                     \
        unsigned n = 0;                                                   \
        (void)m, (void)from;
#define END(NAME, member) \
    return n;             \
    }
#define LATER(f) n++;
#define U8(f, doc) \
    if (n >= from) \
        m->f = 0;
#define U32(f, doc) U8(f, doc)
#define I32(f, doc) U8(f, doc)
#define U64(f, doc) U8(f, doc)
#define I64(f, doc) U8(f, doc)
#define F64(f, doc) U8(f, doc)
#define RAW(f, n, doc)
#define TEXT(f, max, doc)
#define OTEXT(f, max, doc) \
    if (n >= from)         \
        m->f = NULL;
#define BYTES(f, max, doc)
#define F64S(f, max, doc)
#define LEASES(f, max, doc) \
    if (n >= from)          \
        m->n_##f = 0;
#define MANIFEST(f, doc)
#define ERROR(f, doc)
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"

/* ---- the whole table ------------------------------------------------------------------------ */

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

static void fill(int kind, unsigned type, hone_wire *m)
{
    memset(m, 0, sizeof *m);
    m->type = (uint8_t)type;
    for (int i = 0; i < 16; i++)
        m->session[i] = (uint8_t)bits(kind, 0, UINT8_MAX);
    m->seq = bits(kind, 0, UINT64_MAX);
    m->deadline_ms = (int64_t)bits(kind, (uint64_t)INT64_MIN, INT64_MAX);
    switch (type) {
#define MESSAGE(NAME, member, code, sender, doc) \
    case code:                                   \
        fill_##member(kind, &m->member);         \
        break;
#include "workers/wire/wire.def"
#undef MESSAGE
    default:
        fail();
    }
}

static const char *differs(const hone_wire *a, const hone_wire *b)
{
    if (a->type != b->type || memcmp(a->session, b->session, 16) != 0 || a->seq != b->seq ||
        a->deadline_ms != b->deadline_ms)
        return "header";
    switch (a->type) {
#define MESSAGE(NAME, member, code, sender, doc) \
    case code:                                   \
        return differs_##member(&a->member, &b->member);
#include "workers/wire/wire.def"
#undef MESSAGE
    default:
        return "type";
    }
}

static unsigned forget(hone_wire *m, unsigned from)
{
    switch (m->type) {
#define MESSAGE(NAME, member, code, sender, doc) \
    case code:                                   \
        return forget_##member(&m->member, from);
#include "workers/wire/wire.def"
#undef MESSAGE
    default:
        return 0;
    }
}

static const uint8_t types[] = {
#define MESSAGE(NAME, member, code, sender, doc) code,
#include "workers/wire/wire.def"
#undef MESSAGE
};
#include "workers/wire/wire_undef.h"

/* A decode of an exact-size copy, so that a sanitizer sees one byte too many. */
static hone_status decode_exact(const hone_buf *b, size_t n, hone_wire *ret, uint8_t **ret_copy,
                                hone_error *err)
{
    *ret_copy = hone_xmalloc(n ? n : 1);
    *ret_copy = hone_xrealloc(*ret_copy, n ? n : 1);
    memcpy(*ret_copy, b->s, n);
    return hone_wire_decode(*ret_copy, n, ret, err);
}

static hone_wire in, out, older;

static void round_trip(void **state)
{
    (void)state;
    hone_rng_seed(&rng, 1);
    for (size_t t = 0; t < sizeof types; t++) {
        for (int kind = 0; kind < 20; kind++) {
            fill(kind < 2 ? kind : 2, types[t], &in);
            hone_buf b = {0};
            hone_error err = {0};
            uint8_t *copy;
            assert_int_equal(hone_wire_encode(&in, &b, &err), HONE_OK);
            assert_true(b.n <= HONE_WIRE_MESSAGE_MAX);
            hone_status s = decode_exact(&b, b.n, &out, &copy, &err);
            if (s != HONE_OK)
                fail_msg("%s: %s", hone_wire_name(types[t]), err.message);
            const char *field = differs(&in, &out);
            if (field)
                fail_msg("%s.%s does not survive", hone_wire_name(types[t]), field);
            free(copy);
            free_owned();
            hone_buf_free(&b);
        }
    }
}

/* A message may end before fields that were added later, and nowhere else. */
static void truncation(void **state)
{
    (void)state;
    hone_rng_seed(&rng, 2);
    for (size_t t = 0; t < sizeof types; t++) {
        fill(2, types[t], &in);
        older = in;
        unsigned taken = 0, laters = forget(&older, 1);
        hone_buf b = {0};
        assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
        for (size_t n = 0; n < b.n; n++) {
            uint8_t *copy;
            memset(&out, 0xa5, sizeof out);
            if (decode_exact(&b, n, &out, &copy, NULL) == HONE_OK) {
                older = in;
                forget(&older, taken + 1);
                const char *field = differs(&older, &out);
                if (field)
                    fail_msg("%s.%s cut at %zu of %zu", hone_wire_name(types[t]), field, n, b.n);
                taken++;
            }
            free(copy);
        }
        if (taken != laters)
            fail_msg("%s cut short was taken %u times", hone_wire_name(types[t]), taken);
        free_owned();
        hone_buf_free(&b);
    }
}

static void one_byte_changed(void **state)
{
    (void)state;
    hone_rng_seed(&rng, 3);
    for (size_t t = 0; t < sizeof types; t++) {
        fill(2, types[t], &in);
        hone_buf b = {0};
        assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
        for (size_t i = 0; i < b.n; i++) {
            char before = b.s[i];
            b.s[i] = (char)hone_rng_u64(&rng);
            uint8_t *copy;
            hone_status s = decode_exact(&b, b.n, &out, &copy, NULL);
            assert_true(s == HONE_OK || s == HONE_E_PROTOCOL || s == HONE_E_VERSION);
            free(copy);
            b.s[i] = before;
        }
        free_owned();
        hone_buf_free(&b);
    }
}

static void trailing_fields_are_ignored(void **state)
{
    (void)state;
    hone_rng_seed(&rng, 4);
    for (size_t t = 0; t < sizeof types; t++) {
        fill(2, types[t], &in);
        hone_buf b = {0};
        uint8_t *copy;
        assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
        hone_buf_add(&b, "a field of a later version", 26);
        assert_int_equal(decode_exact(&b, b.n, &out, &copy, NULL), HONE_OK);
        assert_null(differs(&in, &out));
        free(copy);
        free_owned();
        hone_buf_free(&b);
    }
}

static void foreign_messages(void **state)
{
    (void)state;
    in = (hone_wire){.type = HONE_WIRE_PING, .seq = 77};
    hone_buf b = {0};
    hone_error err;
    assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
    assert_int_equal(b.n, HONE_WIRE_HEADER_BYTES + 8);
    b.s[3] = 99;
    assert_int_equal(hone_wire_decode(b.s, b.n, &out, &err), HONE_E_VERSION);
    assert_string_equal(err.message, "unknown message type 99");
    assert_int_equal(out.seq, 77); /* what a NACK needs */
    b.s[3] = HONE_WIRE_PING;
    b.s[2] = 2;
    assert_int_equal(hone_wire_decode(b.s, b.n, &out, &err), HONE_E_VERSION);
    assert_string_equal(err.message, "message of wire version 2, this hone speaks 1");
    b.s[0] = 'G';
    assert_int_equal(hone_wire_decode(b.s, b.n, &out, &err), HONE_E_PROTOCOL);
    hone_buf_free(&b);
}

static void too_long_is_refused(void **state)
{
    (void)state;
    char *long_text = hone_xmalloc((1 << 20) + 1);
    memset(long_text, 'x', 1 << 20);
    long_text[1 << 20] = '\0'; /* one byte over BUILD's workload, with its NUL */
    in = (hone_wire){.type = HONE_WIRE_BUILD, .build = {.workload = long_text, .target = "t"}};
    hone_buf b = {0};
    hone_error err;
    hone_buf_puts(&b, "kept");
    assert_int_equal(hone_wire_encode(&in, &b, &err), HONE_E_LIMIT);
    assert_string_equal(err.message,
                        "the workload of a BUILD message is longer than the protocol allows");
    assert_string_equal(b.s, "kept");
    long_text[(1 << 20) - 1] = '\0';
    assert_int_equal(hone_wire_encode(&in, &b, &err), HONE_OK);
    hone_buf_free(&b);
    free(long_text);
}

/* Builds a READY-like message by hand, with lengths that lie. */
static void lying_lengths(void **state)
{
    (void)state;
    static const uint32_t lies[] = {0, 1, 5, 257, 0x7fffffff, 0x80000000, 0xffffffff};
    in = (hone_wire){.type = HONE_WIRE_WHO, .who = {"abc"}};
    hone_buf b = {0};
    assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
    for (size_t i = 0; i < HONE_LEN(lies); i++) {
        memcpy(b.s + HONE_WIRE_HEADER_BYTES, &lies[i], 4);
        uint8_t *copy;
        assert_int_equal(decode_exact(&b, b.n, &out, &copy, NULL), HONE_E_PROTOCOL);
        free(copy);
    }
    hone_buf_free(&b);
}

static void readdress(void **state)
{
    (void)state;
    static const uint8_t session[16] = {1, 2, 3, 255};
    in = (hone_wire){.type = HONE_WIRE_PING, .seq = 5, .ping = {9}};
    hone_buf b = {0};
    assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
    hone_wire_readdress(b.s, session, UINT64_C(0x0102030405060708));
    assert_int_equal(hone_wire_decode(b.s, b.n, &out, NULL), HONE_OK);
    assert_memory_equal(out.session, session, 16);
    assert_int_equal(out.seq, UINT64_C(0x0102030405060708));
    assert_int_equal(out.ping.t_ns, 9);
    hone_buf_free(&b);
}

static void status_of_a_newer_peer(void **state)
{
    (void)state;
    in = (hone_wire){.type = HONE_WIRE_BUILT};
    in.built.error.status = HONE_REJECT_BUILD;
    hone_buf b = {0};
    assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
    char *name = b.s + HONE_WIRE_HEADER_BYTES + 8 + 8 + 4;
    assert_string_equal(name, "REJECT_BUILD");
    memcpy(name, "REJECT_BRAND", 12);
    assert_int_equal(hone_wire_decode(b.s, b.n, &out, NULL), HONE_OK);
    assert_int_equal(out.built.error.status, HONE_REJECT_BUILD);
    memcpy(name, "E_SOMETHINGX", 12);
    assert_int_equal(hone_wire_decode(b.s, b.n, &out, NULL), HONE_OK);
    assert_int_equal(out.built.error.status, HONE_E_PROTOCOL);
    hone_buf_free(&b);
}

/* ---- docs/PROTOCOL.md ----------------------------------------------------------------------- */

static char *table(void)
{
    hone_buf b = {0};
#define MESSAGE(NAME, member, code, sender, doc)                                                \
    hone_buf_printf(&b, "\n### %d %s (%s)\n%s.\n\n| field | type | meaning |\n|---|---|---|\n", \
                    code, #NAME, sender, doc);
#define END(NAME, member)
#define LATER(f) hone_buf_puts(&b, "| | | *added later; when absent, 0 or none:* |\n");
#define ROW(f, type, doc) hone_buf_printf(&b, "| %s | %s | %s |\n", #f, type, doc);
#define ROW_MAX(f, type, max, doc) \
    hone_buf_printf(&b, "| %s | %s, at most %d | %s |\n", #f, type, (int)(max), doc);
#define U8(f, doc) ROW(f, "u8", doc)
#define U32(f, doc) ROW(f, "u32", doc)
#define I32(f, doc) ROW(f, "i32", doc)
#define U64(f, doc) ROW(f, "u64", doc)
#define I64(f, doc) ROW(f, "i64", doc)
#define F64(f, doc) ROW(f, "f64", doc)
#define RAW(f, n, doc) hone_buf_printf(&b, "| %s | %d raw bytes | %s |\n", #f, n, doc);
#define TEXT(f, max, doc) ROW_MAX(f, "text", max, doc)
#define OTEXT(f, max, doc) ROW_MAX(f, "optional text", max, doc)
#define BYTES(f, max, doc) ROW_MAX(f, "bytes", max, doc)
#define F64S(f, max, doc) ROW_MAX(f, "f64 list", max, doc)
#define LEASES(f, max, doc) ROW_MAX(f, "lease list", max, doc)
#define MANIFEST(f, doc) ROW(f, "manifest", doc)
#define ERROR(f, doc) ROW(f, "error", doc)
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"
    return hone_buf_take(&b);
}

static void document_is_up_to_date(void **state)
{
    (void)state;
    static const char begin[] = "<!-- wire.def: begin -->\n", end[] = "<!-- wire.def: end -->";
    char *doc, *want = table();
    assert_int_equal(hone_file_read(HONE_SOURCE_DIR "/docs/PROTOCOL.md", 1 << 20, &doc, NULL, NULL),
                     HONE_OK);
    char *from = strstr(doc, begin), *to = strstr(doc, end);
    assert_true(from && to && from < to);
    *to = '\0';
    assert_string_equal(from + strlen(begin), want);
    free(doc);
    free(want);
}

/* ---- main ----------------------------------------------------------------------------------- */

static int write_corpus(const char *folder)
{
    hone_rng_seed(&rng, 5);
    for (size_t t = 0; t < sizeof types; t++) {
        for (int kind = 0; kind <= 2; kind += 2) {
            fill(kind, types[t], &in);
            hone_buf b = {0};
            char *path = hone_xasprintf("%s/%s-%d", folder, hone_wire_name(types[t]), kind);
            bool ok = hone_wire_encode(&in, &b, NULL) == HONE_OK &&
                      hone_file_write(path, b.s, b.n, NULL) == HONE_OK;
            free(path);
            hone_buf_free(&b);
            free_owned();
            if (!ok)
                return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    big = hone_xcalloc(1, HONE_MAX_ARTIFACT_BYTES);
    if (argc == 2 && strcmp(argv[1], "table") == 0) {
        char *t = table();
        fputs(t, stdout);
        free(t);
        free(big);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "corpus") == 0)
        return write_corpus(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(truncation),
        cmocka_unit_test(one_byte_changed),
        cmocka_unit_test(trailing_fields_are_ignored),
        cmocka_unit_test(foreign_messages),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(lying_lengths),
        cmocka_unit_test(readdress),
        cmocka_unit_test(status_of_a_newer_peer),
        cmocka_unit_test(document_is_up_to_date),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(big);
    return rc;
}
