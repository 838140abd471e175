/* What watched machine code may touch, and in which order.
 *
 * Every byte it may access lies in a region: an argument, a packed input, scratch, a temporary on
 * the stack. Around each there is space that belongs to nobody. The iterations of a parallel loop
 * run one after the other, in order or backwards, and each byte remembers which of them wrote or
 * read it: two that touch the same byte, one of them to write it, would race, whatever the order
 * and the values are this time. */
#include "tests/property/harness.h"

#define AROUND 64
#define PATTERN 0x5c
#define MAX_REGIONS 4096

enum { NOBODY = -1, SEVERAL = -2 };

typedef struct cell {
    uint32_t loop; /* in which it was touched last */
    int32_t writer, reader;
} cell;

typedef struct region {
    char *at;
    size_t n;
    const char *what;
    cell *cells; /* NULL: not touched in a parallel loop yet */
    char *own;   /* memory to free */
    bool read_only;
} region;

static struct {
    region v[MAX_REGIONS];
    uint32_t n, last, shared; /* those from `shared` on belong to the iteration */
    uint32_t loop;
    int32_t iteration;
    bool backwards;
    char wrong[512];
} w;

static void wrong(const char *fmt, ...) HONE_PRINTF(1, 2);
static void wrong(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!w.wrong[0])
        vsnprintf(w.wrong, sizeof w.wrong, fmt, ap);
    va_end(ap);
}

static region *add(void *at, size_t n, const char *what, bool read_only)
{
    HONE_ASSERT(w.n < MAX_REGIONS);
    w.v[w.n] = (region){.at = at, .n = n, .what = what, .read_only = read_only};
    return &w.v[w.n++];
}

static bool holds(const region *r, const char *p, size_t n)
{
    return p >= r->at && p + n <= r->at + r->n;
}

static region *find(const char *p, size_t n)
{
    if (w.last < w.n && holds(&w.v[w.last], p, n))
        return &w.v[w.last];
    for (w.last = w.n; w.last-- > 0;)
        if (holds(&w.v[w.last], p, n))
            return &w.v[w.last];
    return NULL;
}

static void outside(const char *p, size_t n, bool is_store)
{
    const region *near = NULL;
    ptrdiff_t distance = 0;
    for (uint32_t k = 0; k < w.n; k++) {
        ptrdiff_t d = p < w.v[k].at ? w.v[k].at - p : p - w.v[k].at - (ptrdiff_t)w.v[k].n;
        if (!near || d < distance) {
            near = &w.v[k];
            distance = d;
        }
    }
    wrong("%zu bytes are %s at byte %td of %s, which has %zu", n, is_store ? "written" : "read",
          near ? p - near->at : 0, near ? near->what : "nothing", near ? near->n : 0);
}

static void race(const region *r, size_t at, bool is_store, bool was_store, int32_t other)
{
    char who[32] = "several others";
    if (other >= 0)
        snprintf(who, sizeof who, "iteration %d", other);
    wrong("iteration %d of a parallel loop %s byte %zu of %s, which %s %s", w.iteration,
          is_store ? "writes" : "reads", at, r->what, who, was_store ? "wrote" : "read");
}

static void touch(region *r, size_t at, size_t n, bool is_store)
{
    if (!r->cells)
        r->cells = hone_xcalloc(r->n, sizeof *r->cells);
    for (size_t k = at; k < at + n; k++) {
        cell *c = &r->cells[k];
        if (c->loop != w.loop)
            *c = (cell){w.loop, NOBODY, NOBODY};
        if (c->writer != NOBODY && c->writer != w.iteration)
            race(r, k, is_store, true, c->writer);
        if (is_store && c->reader != NOBODY && c->reader != w.iteration)
            race(r, k, true, false, c->reader);
        if (is_store)
            c->writer = w.iteration;
        else
            c->reader = c->reader == NOBODY || c->reader == w.iteration ? w.iteration : SEVERAL;
    }
}

static void on_access(char *p, int64_t bytes, pair_access sort)
{
    size_t n = (size_t)bytes;
    bool is_store = sort == PAIR_STORE;
    region *r = find(p, n);
    if (!r)
        outside(p, n, is_store);
    else if (is_store && r->read_only)
        wrong("%s, an input, is written", r->what);
    else if (sort != PAIR_LOAD_WHOLE && w.iteration >= 0 && r - w.v < w.shared && !r->read_only)
        touch(r, (size_t)(p - r->at), n, is_store);
}

static void on_masked(char *p, int64_t bytes, int64_t lanes, const uint8_t *on, pair_access sort)
{
    for (int64_t k = 0; k < lanes; k++)
        if (on[k])
            on_access(p + k * bytes, bytes, sort);
}

static int64_t on_enter(void)
{
    return w.n;
}

static void on_leave(int64_t n)
{
    for (; w.n > n; w.n--) {
        free(w.v[w.n - 1].cells);
        free(w.v[w.n - 1].own);
    }
}

static void on_stack(char *p, int64_t bytes)
{
    memset(p, PATTERN, (size_t)bytes);
    add(p, (size_t)bytes, "a temporary on the stack", false);
}

static void *get_scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes)
{
    (void)rt;
    (void)slot;
    size_t n = ((size_t)bytes + 63) / 64 * 64 + 2 * AROUND;
    char *own = aligned_alloc(64, n);
    HONE_ASSERT(own);
    memset(own, PATTERN, n);
    add(own + AROUND, (size_t)bytes, "scratch memory", false)->own = own;
    return own + AROUND;
}

static int32_t one_by_one(const hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure)
{
    (void)rt;
    int32_t result = 0;
    HONE_ASSERT(w.iteration == NOBODY && n < INT32_MAX);
    w.loop++;
    w.shared = w.n;
    for (int64_t k = 0; k < n && !result; k++) {
        int64_t at = w.backwards ? n - 1 - k : k;
        w.iteration = (int32_t)at;
        result = task(closure, at, at + 1);
    }
    w.iteration = NOBODY;
    return result;
}

const char *pair_code_watch(const pair_code *c, const hone_program *p, const pair_args *a,
                            bool backwards, int32_t *ret_result)
{
    static const hone_rt_api rt = {HONE_RT_ABI, 2, one_by_one, get_scratch};
    void *args[PAIR_MAX_ARGS], *to[PAIR_MAX_ARGS] = {0};
    const void *from[PAIR_MAX_ARGS] = {0};
    c->watch[0] = (void *)(uintptr_t)on_access;
    c->watch[1] = (void *)(uintptr_t)on_masked;
    c->watch[2] = (void *)(uintptr_t)on_enter;
    c->watch[3] = (void *)(uintptr_t)on_leave;
    c->watch[4] = (void *)(uintptr_t)on_stack;
    w.n = w.last = w.shared = w.loop = 0;
    w.iteration = NOBODY;
    w.backwards = backwards;
    w.wrong[0] = '\0';
    add((void *)(uintptr_t)&rt, sizeof rt, "the runtime's functions", true);
    add(args, sizeof args, "the arguments", true);
    add(from, sizeof from, "the arguments", true);
    add(to, sizeof to, "the arguments", true);
    for (unsigned k = 0; k < a->n; k++) {
        const hone_buffer_row *row = hone_buffer_at(p, (hone_buffer){k + 1});
        add(a->at[k], a->bytes[k], hone_sym_text(p, row->name), row->role != HONE_OUTPUT);
        args[k] = a->at[k];
    }
    for (unsigned k = 0; k < c->code.n_args && c->pack; k++)
        if (c->code.pack_bytes[k]) {
            from[k] = a->at[k];
            args[k] = to[k] = get_scratch(&rt, 0, c->code.pack_bytes[k]);
            w.v[w.n - 1].what = "a packed input";
        }
    *ret_result = c->pack ? c->pack(from, to, &rt) : 0;
    if (!*ret_result)
        *ret_result = c->kernel(args, &rt);
    on_leave(0);
    return w.wrong[0] ? w.wrong : NULL;
}
