/* Making a failure small: whatever can be left out or made simpler while the same check still
 * fails, is. The trace loses instructions (delta debugging: large parts first, then single ones;
 * what used their results goes too); the text of the workload loses numbers, statements, dimensions
 * and parts of expressions. Most edits make no sense, which the reader of the language tells. */
#include "tests/property/harness.h"

#include <ctype.h>

typedef struct shrinker {
    pair_env env;
    pair_case *c;
    const char *kind;
    pair_report *r;
    int64_t until_ns;
    hone_trace trace; /* c->trace, read */
    bool *drop;
} shrinker;

static bool in_time(const shrinker *s)
{
    return hone_clock_ns() < s->until_ns;
}

/* ---- attempts -------------------------------------------------------------------------------- */

typedef struct attempt {
    const shrinker *s;
    const char *workload;
} attempt;

static bool run_attempt(void *ctx, pair_report *r)
{
    const attempt *a = ctx;
    pair p;
    bool good = pair_open(&p, &a->s->env, a->workload, 1, r);
    if (!good && !r->kind[0])
        return true; /* not a workload: nothing found */
    good = good && pair_replay(&p, &a->s->trace, a->s->drop) && pair_finish(&p);
    pair_close(&p);
    return good;
}

static bool read_trace(shrinker *s)
{
    return hone_trace_parse(s->c->trace, strlen(s->c->trace), &s->trace, NULL) == HONE_OK;
}

static void replace(char **text, const char *by)
{
    char *copy = hone_xstrdup(by);
    free(*text);
    *text = copy;
}

/* Does the case with this workload, and the trace without what s->drop says, fail in the same way?
 * Then that is the case from now on. */
static bool still_fails(shrinker *s, const char *workload)
{
    attempt a = {s, workload};
    if (!in_time(s) || pair_isolated(run_attempt, &a, s->r, 20, true) ||
        strcmp(s->r->kind, s->kind) != 0)
        return false;
    hone_trace t = {0};
    bool readable = hone_trace_parse(s->r->trace, strlen(s->r->trace), &t, NULL) == HONE_OK;
    hone_trace_free(&t);
    if (!readable)
        return false;
    replace(&s->c->workload, s->r->workload);
    replace(&s->c->trace, s->r->trace);
    return true;
}

/* ---- the trace ------------------------------------------------------------------------------- */

static bool drop_instructions(shrinker *s)
{
    bool any = false;
    if (!read_trace(s))
        return false;
    for (uint32_t size = s->trace.insts.n; size > 0; size /= 2) {
        for (uint32_t end = s->trace.insts.n; end > 0 && in_time(s);) {
            uint32_t from = end > size ? end - size : 0;
            s->drop = hone_xcalloc(s->trace.insts.n, sizeof *s->drop);
            for (uint32_t k = from; k < end; k++)
                s->drop[k] = true;
            uint32_t before = s->trace.insts.n;
            if (still_fails(s, s->c->workload) && read_trace(s))
                any |= s->trace.insts.n < before;
            free(s->drop);
            s->drop = NULL;
            end = from < s->trace.insts.n ? from : s->trace.insts.n;
        }
    }
    return any;
}

/* ---- the text -------------------------------------------------------------------------------- */

/* Tries text[0, from) + middle + text[to, end). */
static bool try_splice(shrinker *s, size_t from, size_t to, const char *middle, size_t n)
{
    const char *text = s->c->workload;
    if (to - from == n && !memcmp(text + from, middle, n))
        return false;
    hone_buf b = {0};
    hone_buf_add(&b, text, from);
    hone_buf_add(&b, middle, n);
    hone_buf_puts(&b, text + to);
    bool good = b.n < sizeof s->r->workload && still_fails(s, b.s);
    hone_buf_free(&b);
    return good;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool smaller_numbers(shrinker *s)
{
    bool any = false;
    for (size_t k = 0; s->c->workload[k]; k++) {
        const char *w = s->c->workload;
        if (!isdigit((unsigned char)w[k]) || (k && is_word(w[k - 1])))
            continue;
        size_t end = k + strspn(w + k, "0123456789");
        long v = strtol(w + k, NULL, 10);
        if (w[end] == '.')
            continue;
        const long smaller[] = {0, 1, 2, v / 2, v - 2, v - 1};
        for (size_t q = 0; q < HONE_LEN(smaller); q++) {
            char text[24];
            if (smaller[q] < 0 || smaller[q] >= v)
                continue;
            int n = snprintf(text, sizeof text, "%ld", smaller[q]);
            if (try_splice(s, k, end, text, (size_t)n)) {
                any = true;
                break;
            }
        }
    }
    return any;
}

/* Lines of the text that hold `word`: left out, or with one word of theirs replaced. */
static char *edit_lines(const char *text, const char *word, const char *from, const char *to,
                        bool statements)
{
    hone_buf out = {0};
    size_t len = strlen(word);
    for (const char *line = text; *line;) {
        const char *nl = strchr(line, '\n');
        size_t n = nl ? (size_t)(nl - line) + 1 : strlen(line);
        const char *at = line + strspn(line, " ");
        bool statement = !strncmp(at, word, len) && at[len] == '[';
        const char *colon = memchr(line, ':', n);
        bool declares = colon && colon - line > (ptrdiff_t)len + 1 &&
                        !strncmp(colon - len, word, len) && colon[-(ptrdiff_t)len - 1] == ' ';
        const char *role = declares && from ? strstr(line, from) : NULL;
        if (role && role < line + n) {
            hone_buf_add(&out, line, (size_t)(role - line));
            hone_buf_puts(&out, to);
            role += strlen(from);
            hone_buf_add(&out, role, (size_t)(line + n - role));
        } else if (!(statement && statements) && !(declares && !from)) {
            hone_buf_add(&out, line, n);
        }
        line += n;
    }
    return hone_buf_take(&out);
}

/* Every buffer: left out, made an input, made an output. */
static bool fewer_buffers(shrinker *s)
{
    bool any = false;
    for (unsigned k = 0; k < 64; k++) {
        static const struct {
            const char *from, *to;
            bool statements;
        } edits[] = {{NULL, NULL, true},
                     {"temp ", "input ", true},
                     {"output ", "input ", true},
                     {"temp ", "output ", false},
                     {"const input ", "input ", false}};
        for (size_t e = 0; e < HONE_LEN(edits); e++)
            for (unsigned prefix = 0; prefix < 2; prefix++) {
                char word[16];
                snprintf(word, sizeof word, "%c%u", "TA"[prefix], k);
                if (!strstr(s->c->workload, word))
                    continue;
                char *text = edit_lines(s->c->workload, word, edits[e].from, edits[e].to,
                                        edits[e].statements);
                if (strcmp(text, s->c->workload) && still_fails(s, text))
                    any = true;
                free(text);
            }
    }
    return any;
}

/* The end of the bracket that opens at k; 0: none. */
static size_t closing(const char *w, size_t k)
{
    int depth = 0;
    for (size_t e = k; w[e] && w[e] != '\n'; e++) {
        depth += w[e] == '(' || w[e] == '[';
        depth -= w[e] == ')' || w[e] == ']';
        if (!depth)
            return e;
    }
    return 0;
}

/* Ends of the parts of w[from, to) between commas and operators at its own level. */
static unsigned parts(const char *w, size_t from, size_t to, size_t ret[][2], unsigned max)
{
    static const char *const between[] = {", ",   " + ", " - ",   " * ",  " / ",
                                          " // ", " % ", " and ", " or ", " < ",
                                          " <= ", " > ", " >= ",  " == ", " != "};
    unsigned n = 0;
    size_t start = from;
    int depth = 0;
    for (size_t k = from; k < to; k++) {
        depth += w[k] == '(' || w[k] == '[';
        depth -= w[k] == ')' || w[k] == ']';
        for (size_t b = 0; !depth && b < HONE_LEN(between); b++) {
            size_t len = strlen(between[b]);
            if (k + len <= to && !strncmp(w + k, between[b], len) && n + 1 < max) {
                ret[n][0] = start;
                ret[n++][1] = k;
                start = k + len;
                k = start - 1;
                break;
            }
        }
    }
    ret[n][0] = start;
    ret[n++][1] = to;
    return n;
}

/* w[from, to) becomes one of the parts inside [in, out), or a constant. */
static bool keep_one_part(shrinker *s, size_t from, size_t to, size_t in, size_t out)
{
    size_t part[24][2];
    const char *w = s->c->workload;
    unsigned n = parts(w, in, out, part, HONE_LEN(part));
    for (unsigned k = 0; k < n; k++) {
        char *middle = hone_xasprintf("%.*s", (int)(part[k][1] - part[k][0]), w + part[k][0]);
        bool good = try_splice(s, from, to, middle, strlen(middle));
        free(middle);
        if (good)
            return true;
    }
    return false;
}

static bool smaller_expressions(shrinker *s)
{
    bool any = false;
    for (size_t k = 0; s->c->workload[k] && in_time(s); k++) {
        const char *w = s->c->workload;
        size_t end = w[k] == '(' || w[k] == '[' ? closing(w, k) : 0;
        if (!strncmp(w + k, "] = ", 4)) { /* a right side */
            end = k + strcspn(w + k, "\n");
            any |= keep_one_part(s, k + 4, end, k + 4, end);
            continue;
        }
        if (!end)
            continue;
        size_t name = k;
        while (name && is_word(w[name - 1]))
            name--;
        if (w[k] == '(') {
            bool good = keep_one_part(s, name, end + 1, k + 1, end) ||
                        (name < k && keep_one_part(s, k + 1, end, k + 1, end));
            if (good)
                k--; /* the same place again */
            any |= good;
        } else {
            size_t part[8][2];
            unsigned n = parts(w, k + 1, end, part, HONE_LEN(part));
            for (unsigned q = 0; q < n; q++)
                any |= try_splice(s, part[q][0], part[q][1], "0", 1) ||
                       keep_one_part(s, part[q][0], part[q][1], part[q][0], part[q][1]);
        }
    }
    return any;
}

/* Removes one dimension of a buffer everywhere. */
static char *without_dim(const char *text, const char *word, unsigned dim)
{
    hone_buf out = {0};
    size_t len = strlen(word);
    for (size_t k = 0; text[k]; k++) {
        bool starts = !strncmp(text + k, word, len) && !(k && is_word(text[k - 1]));
        const char *open = starts ? strchr(text + k, '[') : NULL;
        bool here = open && (open == text + k + len || text[k + len] == ':');
        size_t end = here ? closing(text, (size_t)(open - text)) : 0;
        if (!end) {
            hone_buf_add(&out, text + k, 1);
            continue;
        }
        hone_buf_add(&out, text + k, (size_t)(open - text) + 1 - k);
        unsigned at = 0;
        int depth = 0;
        bool wrote = false;
        for (size_t q = (size_t)(open - text) + 1; q < end; q++) {
            depth += text[q] == '(' || text[q] == '[';
            depth -= text[q] == ')' || text[q] == ']';
            if (text[q] == ',' && !depth) {
                at++;
                q++;
                if (at != dim && wrote)
                    hone_buf_puts(&out, ", ");
                continue;
            }
            if (at != dim) {
                hone_buf_add(&out, text + q, 1);
                wrote = true;
            }
        }
        hone_buf_puts(&out, "]");
        k = end;
    }
    return hone_buf_take(&out);
}

static bool fewer_dims(shrinker *s)
{
    bool any = false;
    for (unsigned k = 0; k < 64; k++)
        for (unsigned dim = 0; dim < 5; dim++)
            for (unsigned prefix = 0; prefix < 2; prefix++) {
                char word[16];
                snprintf(word, sizeof word, "%c%u", "TA"[prefix], k);
                if (!strstr(s->c->workload, word))
                    continue;
                char *text = without_dim(s->c->workload, word, dim);
                if (strcmp(text, s->c->workload) && still_fails(s, text))
                    any = true;
                free(text);
            }
    return any;
}

/* Compiling is the slow part; only what it finds needs it. */
static bool needs_code(const char *kind)
{
    static const char *const kinds[] = {"code",   "plain code", "build", "watched build", "access",
                                        "signal", "hang",       "exit",  "watched code"};
    for (size_t k = 0; k < HONE_LEN(kinds); k++)
        if (!strncmp(kind, kinds[k], strlen(kinds[k])))
            return true;
    return false;
}

void pair_shrink(const pair_env *env, pair_case *c, const char *kind, unsigned seconds)
{
    shrinker s = {.env = pair_case_env(env, c),
                  .c = c,
                  .kind = kind,
                  .r = pair_report_new(),
                  .until_ns = hone_clock_ns() + (int64_t)seconds * 1000000000};
    if (!needs_code(kind))
        s.env.codegen = NULL;
    s.env.plain = !strcmp(kind, "plain code");
    if (read_trace(&s))
        for (bool again = true; again && in_time(&s);) {
            again = drop_instructions(&s);
            again |= read_trace(&s) && fewer_buffers(&s);
            again |= read_trace(&s) && smaller_expressions(&s);
            again |= read_trace(&s) && fewer_dims(&s);
            again |= read_trace(&s) && smaller_numbers(&s);
        }
    hone_trace_free(&s.trace);
    pair_report_free(s.r);
}
