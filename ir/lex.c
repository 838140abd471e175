/* Reader's map
 *   words     which are reserved; writing names and texts so that they read back
 *   errors    place, source line and caret
 *   scanning  one token from the text
 *   taking    what parsers ask for: punctuation, words, names, numbers */
#include "ir/lex.h"

#include <float.h>
#include <math.h>

/* ---- words ---------------------------------------------------------------------------------- */

/* Dtypes and functions are no reserved words: what stands before "(" or after ":" is clear. */
static const struct {
    const char *word;
    unsigned languages;
} words[] = {
    {"and", 3},    {"or", 3},   {"not", 3},      {"true", 3},       {"false", 3},
    {"inf", 3},    {"nan", 3},  {"kernel", 1},   {"let", 3},        {"input", 3},
    {"output", 3}, {"temp", 1}, {"const", 3},    {"program", 2},    {"buffer", 2},
    {"local", 2},  {"for", 2},  {"in", 2},       {"block", 2},      {"where", 2},
    {"reduce", 2}, {"init", 2}, {"parallel", 2}, {"vectorized", 2}, {"unrolled", 2},
};

static bool letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(int c)
{
    return c >= '0' && c <= '9';
}

/* Program text has dotted names, such as hone.prepack. */
static bool dotted(int c, int next)
{
    return c == '.' && (letter(next) || digit(next));
}

bool hone_lex__reserved(const char *word, size_t n, unsigned language)
{
    for (size_t k = 0; k < HONE_LEN(words); k++)
        if ((words[k].languages & language) && strlen(words[k].word) == n &&
            memcmp(words[k].word, word, n) == 0)
            return true;
    return false;
}

static void put_escaped(hone_buf *out, const char *s, char quote)
{
    hone_buf_add(out, &quote, 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == quote || c == '\\' || c < ' ' || c == 0x7f)
            hone_buf_printf(out, "\\x%02x", c);
        else
            hone_buf_add(out, s, 1);
    }
    hone_buf_add(out, &quote, 1);
}

void hone_lex__put_text(hone_buf *out, const char *text)
{
    put_escaped(out, text, '"');
}

void hone_lex__put_name(hone_buf *out, const char *name)
{
    size_t n = 0;
    while (letter(name[n]) ||
           (n > 0 && (digit(name[n]) || (name[n] == '.' && dotted('.', name[n + 1])))))
        n++;
    if (n == 0 || name[n] != '\0' || hone_lex__reserved(name, n, HONE_WORDS_PROGRAM))
        put_escaped(out, name, '`');
    else
        hone_buf_add(out, name, n);
}

/* ---- errors --------------------------------------------------------------------------------- */

/* At most `room` bytes of the line around `at`, and the caret below. The source may be hostile:
 * nothing of it but plain ASCII reaches a terminal. */
static void add_snippet(hone_buf *out, const hone_lex *lx, const char *at)
{
    enum { BEFORE = 80, ROOM = 120 };
    const char *end = lx->text + lx->n, *start = at, *stop = at;
    while (start > lx->text && start[-1] != '\n' && at - start < BEFORE)
        start--;
    while (stop < end && *stop != '\n' && stop - start < ROOM)
        stop++;
    hone_buf_puts(out, "\n  ");
    for (const char *c = start; c < stop; c++) {
        char shown = *c == '\t' || (*c >= ' ' && *c < 0x7f) ? *c : '?';
        if (*c == '\r')
            shown = ' ';
        hone_buf_add(out, &shown, 1);
    }
    hone_buf_puts(out, "\n  ");
    for (const char *c = start; c < at; c++)
        hone_buf_puts(out, *c == '\t' ? "\t" : " ");
    hone_buf_puts(out, "^");
}

static void report(hone_lex *lx, hone_status s, const char *at, const char *fmt, va_list ap)
{
    if (lx->status != HONE_OK)
        return;
    lx->status = s;
    lx->tok.kind = T_END;
    if (!lx->err)
        return;
    int line = 1, column = 1;
    for (const char *c = lx->text; c < at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    char text[600];
    vsnprintf(text, sizeof text, fmt, ap);
    hone_buf b = {0};
    add_snippet(&b, lx, at);
    char *file = hone_text_clean(lx->file);
    hone_fail(lx->err, s, "%.120s:%d:%d: error: %s%s", file, line, column, text, b.s);
    free(file);
    hone_buf_free(&b);
    lx->err->line = line;
    lx->err->column = column;
    snprintf(lx->err->where, sizeof lx->err->where, "%s", lx->file);
}

bool hone_lex__fail_at(hone_lex *lx, const char *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(lx, HONE_E_INPUT, at, fmt, ap);
    va_end(ap);
    return false;
}

bool hone_lex__fail_as(hone_lex *lx, hone_status s, const char *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(lx, s, at, fmt, ap);
    va_end(ap);
    return false;
}

bool hone_lex__expected(hone_lex *lx, const char *what)
{
    if (lx->status != HONE_OK)
        return false;
    if (lx->tok.kind == T_END)
        return hone_lex__fail_at(lx, lx->tok.s, "expected %s, found the end of the text", what);
    int n = lx->tok.n < 40 ? (int)lx->tok.n : 40;
    char shown[41];
    for (int k = 0; k < n; k++)
        shown[k] = lx->tok.s[k] >= ' ' && lx->tok.s[k] < 0x7f ? lx->tok.s[k] : '?';
    shown[n] = '\0';
    return hone_lex__fail_at(lx, lx->tok.s, "expected %s, found '%s'", what, shown);
}

/* ---- scanning ------------------------------------------------------------------------------- */

static int peek(const hone_lex *lx, size_t ahead)
{
    return lx->at + ahead < lx->n ? (unsigned char)lx->text[lx->at + ahead] : -1;
}

static void scan_number(hone_lex *lx)
{
    const char *start = lx->text + lx->at;
    size_t n = 0;
    bool whole = true;
    while (digit(peek(lx, n)))
        n++;
    if (peek(lx, n) == '.' && digit(peek(lx, n + 1))) {
        whole = false;
        for (n++; digit(peek(lx, n));)
            n++;
    } else if (peek(lx, n) == '.' && peek(lx, n + 1) != '.') {
        whole = false;
        n++;
    }
    if (peek(lx, n) == 'e' || peek(lx, n) == 'E') {
        size_t sign = peek(lx, n + 1) == '+' || peek(lx, n + 1) == '-' ? 1 : 0;
        if (digit(peek(lx, n + 1 + sign))) {
            whole = false;
            for (n += 1 + sign; digit(peek(lx, n));)
                n++;
        }
    }
    if (letter(peek(lx, n))) {
        hone_lex__fail_at(lx, start + n, "a letter follows a number");
        return;
    }
    lx->tok.n = n;
    lx->tok.kind = whole ? T_INT : T_FLOAT;
    if (!whole) {
        char copy[128];
        if (n >= sizeof copy) {
            hone_lex__fail_at(lx, start, "the number has too many digits");
            return;
        }
        memcpy(copy, start, n);
        copy[n] = '\0';
        lx->tok.f = strtod(copy, NULL);
        if (isinf(lx->tok.f))
            hone_lex__fail_at(lx, start, "%s does not fit f64, whose largest value is %.17g", copy,
                              DBL_MAX);
        return;
    }
    for (size_t k = 0; k < n; k++) {
        uint64_t d = (uint64_t)(start[k] - '0');
        if (lx->tok.i > ((uint64_t)INT64_MAX + 1 - d) / 10) {
            hone_lex__fail_at(lx, start, "the number does not fit 64 bits");
            return;
        }
        lx->tok.i = lx->tok.i * 10 + d;
    }
}

static void scan_quoted(hone_lex *lx, char quote)
{
    const char *start = lx->text + lx->at;
    size_t n = 1;
    while (peek(lx, n) != quote) {
        if (peek(lx, n) < 0 || peek(lx, n) == '\n') {
            hone_lex__fail_at(lx, start, "the closing %c is missing on this line", quote);
            return;
        }
        n++;
    }
    lx->tok.n = n + 1;
    lx->tok.quoted = true;
    lx->tok.kind = quote == '"' ? T_TEXT : T_NAME;
}

static void scan_punct(hone_lex *lx)
{
    static const char *const pairs[] = {"//", "==", "!=", "<=", ">=", "<<", ">>", ".."};
    int a = peek(lx, 0), b = peek(lx, 1);
    lx->tok.kind = T_PUNCT;
    for (size_t k = 0; k < HONE_LEN(pairs); k++)
        if (a == pairs[k][0] && b == pairs[k][1]) {
            lx->tok.punct = HONE_PAIR(a, b);
            lx->tok.n = 2;
            return;
        }
    lx->tok.n = 1;
    lx->tok.punct = a;
    const char *at = lx->text + lx->at;
    if (a == 0 || !strchr("()[]{},:;=<>+-*/%&|^?@", a)) {
        const char *hint = a == '!' ? "; write not(...)" : a == '~' ? "; write x ^ -1" : "";
        if (a > ' ' && a < 0x7f)
            hone_lex__fail_at(lx, at, "unexpected '%c'%s", a, hint);
        else
            hone_lex__fail_at(lx, at, "unexpected byte 0x%02x", (unsigned)a);
    }
}

void hone_lex__next(hone_lex *lx)
{
    if (lx->status != HONE_OK)
        return;
    bool first = lx->at == 0;
    for (;;) {
        int c = peek(lx, 0);
        if (c == '#') {
            while (peek(lx, 0) >= 0 && peek(lx, 0) != '\n')
                lx->at++;
            continue;
        }
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            break;
        first |= c == '\n';
        lx->at++;
    }
    lx->tok = (hone_token){.s = lx->text + lx->at, .first = first};
    int c = peek(lx, 0);
    if (c < 0) {
        lx->tok.kind = T_END;
    } else if (letter(c)) {
        lx->tok.kind = T_NAME;
        for (size_t n = 0;
             letter(peek(lx, n)) || digit(peek(lx, n)) ||
             (lx->language == HONE_WORDS_PROGRAM && dotted(peek(lx, n), peek(lx, n + 1)));)
            lx->tok.n = ++n;
    } else if (digit(c)) {
        scan_number(lx);
    } else if (c == '`' || c == '"') {
        scan_quoted(lx, (char)c);
    } else {
        scan_punct(lx);
    }
    lx->at += lx->tok.n;
}

void hone_lex__start(hone_lex *lx, const char *file, const char *text, size_t n, size_t max,
                     unsigned language, hone_error *err)
{
    *lx = (hone_lex){.file = file, .text = text, .n = n, .language = language, .err = err};
    lx->tok.s = text;
    hone_error_clear(err);
    if (n > max) {
        lx->n = 0;
        hone_lex__fail_at(lx, text, "the text has %zu bytes; the limit is %zu", n, max);
        return;
    }
    hone_lex__next(lx);
}

/* ---- what parsers ask for ------------------------------------------------------------------- */

bool hone_lex__is_word(const hone_lex *lx, const char *word)
{
    return lx->tok.kind == T_NAME && !lx->tok.quoted && strlen(word) == lx->tok.n &&
           memcmp(word, lx->tok.s, lx->tok.n) == 0;
}

bool hone_lex__accept(hone_lex *lx, int punct)
{
    if (!hone_lex__is(lx, punct))
        return false;
    hone_lex__next(lx);
    return true;
}

bool hone_lex__accept_word(hone_lex *lx, const char *word)
{
    if (!hone_lex__is_word(lx, word))
        return false;
    hone_lex__next(lx);
    return true;
}

bool hone_lex__expect(hone_lex *lx, int punct)
{
    if (hone_lex__accept(lx, punct))
        return true;
    char what[8] = {'\'', (char)(punct > 255 ? punct >> 8 : punct),
                    (char)(punct > 255 ? punct & 255 : '\''), punct > 255 ? '\'' : '\0', '\0'};
    return hone_lex__expected(lx, what);
}

bool hone_lex__expect_word(hone_lex *lx, const char *word)
{
    if (hone_lex__accept_word(lx, word))
        return true;
    char what[40];
    snprintf(what, sizeof what, "'%s'", word);
    return hone_lex__expected(lx, what);
}

static int hex(int c)
{
    return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The inside of a quoted token, with \xHH read. */
static bool unescape(hone_lex *lx, char ret[HONE_LEX_MAX_NAME + 1])
{
    const char *s = lx->tok.s + 1, *end = lx->tok.s + lx->tok.n - 1;
    size_t n = 0;
    while (s < end) {
        char c = *s++;
        if (c == '\\') {
            int code = end - s >= 3 && s[0] == 'x' && hex(s[1]) >= 0 && hex(s[2]) >= 0
                           ? hex(s[1]) << 4 | hex(s[2])
                           : 0;
            if (code == 0)
                return hone_lex__fail_at(lx, s - 1, "a backslash must begin \\xHH, not \\x00");
            c = (char)code;
            s += 3;
        } else if (c == '\0') {
            return hone_lex__fail_at(lx, s - 1, "unexpected byte 0x00");
        }
        if (n == HONE_LEX_MAX_NAME)
            return hone_lex__fail_at(lx, lx->tok.s, "longer than %d bytes", HONE_LEX_MAX_NAME);
        ret[n++] = c;
    }
    ret[n] = '\0';
    for (const char *c = ret; *c; c += hone_utf8_length(c))
        if (hone_utf8_length(c) == 0)
            return hone_lex__fail_at(lx, lx->tok.s, "the text in quotes is not UTF-8");
    return true;
}

bool hone_lex__name(hone_lex *lx, const char *what, char ret[HONE_LEX_MAX_NAME + 1])
{
    ret[0] = '\0';
    if (lx->tok.kind != T_NAME)
        return hone_lex__expected(lx, what);
    if (lx->tok.quoted) {
        if (!unescape(lx, ret))
            return false;
        if (ret[0] == '\0')
            return hone_lex__fail_at(lx, lx->tok.s, "a name cannot be empty");
    } else {
        if (lx->tok.n > HONE_LEX_MAX_NAME)
            return hone_lex__fail_at(lx, lx->tok.s, "a name longer than %d bytes",
                                     HONE_LEX_MAX_NAME);
        if (hone_lex__reserved(lx->tok.s, lx->tok.n, lx->language))
            return hone_lex__fail_at(lx, lx->tok.s,
                                     "'%.*s' is a word of the language; %s needs another name",
                                     (int)lx->tok.n, lx->tok.s, what);
        memcpy(ret, lx->tok.s, lx->tok.n);
        ret[lx->tok.n] = '\0';
    }
    hone_lex__next(lx);
    return lx->status == HONE_OK;
}

bool hone_lex__text(hone_lex *lx, char ret[HONE_LEX_MAX_NAME + 1])
{
    ret[0] = '\0';
    if (lx->tok.kind != T_TEXT)
        return hone_lex__expected(lx, "a text in double quotes");
    if (!unescape(lx, ret))
        return false;
    hone_lex__next(lx);
    return lx->status == HONE_OK;
}

bool hone_lex__int(hone_lex *lx, const char *what, int64_t *ret)
{
    *ret = 0;
    const char *at = lx->tok.s;
    bool negative = hone_lex__accept(lx, '-');
    if (lx->tok.kind != T_INT)
        return hone_lex__expected(lx, what);
    uint64_t i = lx->tok.i;
    if (!negative && i > INT64_MAX)
        return hone_lex__fail_at(lx, at, "the number does not fit 64 bits");
    *ret = negative ? (int64_t)(0 - i) : (int64_t)i;
    hone_lex__next(lx);
    return lx->status == HONE_OK;
}
