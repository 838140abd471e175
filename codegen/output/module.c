/* Objects of WebAssembly (Binary Format, 5.5; tool conventions, Linking.md): what is read from one
 * that was made. */
#include "codegen/internal.h"

/* Bytes of which each read moves on; `bad` once they were too few, and then all is 0. */
typedef struct reader {
    const uint8_t *at, *end;
    bool bad;
} reader;

static uint8_t read_byte(reader *r)
{
    if (r->bad || r->at == r->end) {
        r->bad = true;
        return 0;
    }
    return *r->at++;
}

/* LEB128, up to 35 bits. */
static uint64_t read_number(reader *r)
{
    uint64_t x = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t b = read_byte(r);
        x |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            return x;
        }
    }
    r->bad = true;
    return 0;
}

static reader read_part(reader *r)
{
    uint64_t n = read_number(r);
    if (r->bad || n > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return (reader){NULL, NULL, true};
    }
    reader part = {r->at, r->at + n, false};
    r->at += n;
    return part;
}

bool hone_cg__is_module(const uint8_t *bytes, size_t n)
{
    static const uint8_t magic[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    return n >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static void read_limits(reader *r)
{
    uint8_t flags = read_byte(r);
    read_number(r);
    if (flags & 1) {
        read_number(r);
    }
}

/* Functions and tables, memories, globals, tags, by the kind of an import. */
enum { FUNCTION, TABLE, MEMORY, GLOBAL };

static void scan_imports(reader *r, const char *const *allowed, char ret_undefined[CG_MAX_SYMBOL])
{
    uint64_t n = read_number(r);
    for (uint64_t k = 0; k < n && !r->bad; k++) {
        read_part(r); /* of the module */
        reader name = read_part(r);
        uint8_t kind = read_byte(r);
        if (kind == TABLE) {
            read_byte(r);
        }
        if (kind == TABLE || kind == MEMORY) {
            read_limits(r);
        } else if (kind == GLOBAL) {
            read_byte(r);
            read_byte(r);
        } else {
            read_number(r);
        }
        char text[CG_MAX_SYMBOL];
        snprintf(text, sizeof text, "%.*s", name.bad ? 0 : (int)(name.end - name.at),
                 name.bad ? "" : (const char *)name.at);
        if (kind == FUNCTION && !hone_cg__listed(text, allowed)) {
            memcpy(ret_undefined, text, sizeof text);
        }
    }
}

static bool is_text(reader r, const char *text)
{
    size_t n = strlen(text);
    return !r.bad && (size_t)(r.end - r.at) == n && memcmp(r.at, text, n) == 0;
}

/* Of the section "target_features": each a sign and a name. */
static bool has_features(reader *r, const char *const *names, unsigned n_names)
{
    uint64_t n = read_number(r);
    unsigned found = 0;
    for (uint64_t k = 0; k < n && !r->bad; k++) {
        uint8_t sign = read_byte(r);
        reader name = read_part(r);
        for (unsigned q = 0; q < n_names; q++) {
            found += sign != '-' && is_text(name, names[q]);
        }
    }
    return found == n_names && !r->bad;
}

bool hone_cg__module_shares(const uint8_t *bytes, size_t n)
{
    enum { CUSTOM = 0 };
    static const char *const wanted[] = {"atomics", "bulk-memory", "mutable-globals"};
    bool found = false;
    reader r = {bytes + 8, bytes + n, false};
    while (r.at < r.end && !r.bad) {
        uint8_t section = read_byte(&r);
        reader part = read_part(&r);
        if (section == CUSTOM && !part.bad && is_text(read_part(&part), "target_features")) {
            found |= has_features(&part, wanted, HONE_LEN(wanted));
        }
    }
    return found;
}

void hone_cg__module_scan(const uint8_t *bytes, size_t n, const char *const *allowed,
                          int64_t *ret_code_bytes, char ret_undefined[CG_MAX_SYMBOL])
{
    enum { IMPORTS = 2, CODE = 10 };
    reader r = {bytes + 8, bytes + n, false};
    while (r.at < r.end && !r.bad) {
        uint8_t section = read_byte(&r);
        reader part = read_part(&r);
        if (section == IMPORTS) {
            scan_imports(&part, allowed, ret_undefined);
        } else if (section == CODE && !part.bad) {
            *ret_code_bytes += part.end - part.at;
        }
    }
}
