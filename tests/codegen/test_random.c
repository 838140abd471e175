/* Random schedules of small products: splits that do not divide, any order and kind of loops, tiles
 * kept in registers, on the stack or in scratch memory. Each computes what the interpreter says. */
#include "codegen_test.h"

#define PROGRAMS 40

typedef struct axis {
    char name;
    int64_t extent;
    unsigned n; /* loops it is split into */
    int64_t factor[3];
    int64_t outer; /* loops [0, outer) are shared by all blocks */
} axis;

static int64_t between(hone_rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)hone_rng_below(r, (uint64_t)(hi - lo + 1));
}

static axis random_axis(hone_rng *r, char name)
{
    axis a = {name, between(r, 1, 30), (unsigned)between(r, 1, 3), {1, 1, 1}, 0};
    int64_t rest = a.extent;
    for (unsigned k = a.n; k-- > 1;) {
        a.factor[k] = between(r, 1, 9);
        rest = (rest + a.factor[k] - 1) / a.factor[k];
    }
    a.factor[0] = rest;
    return a;
}

static int64_t stride_of(const axis *a, unsigned k)
{
    int64_t s = 1;
    for (unsigned m = k + 1; m < a->n; m++)
        s *= a->factor[m];
    return s;
}

static void index_of(const axis *a, hone_buf *out)
{
    for (unsigned k = 0; k < a->n; k++)
        hone_buf_printf(out, "%s%c%u*%" PRId64, k ? " + " : "", a->name, k, stride_of(a, k));
}

static void where(const axis *axes, unsigned n, hone_buf *out)
{
    bool any = false;
    for (unsigned k = 0; k < n; k++) {
        if (stride_of(&axes[k], 0) * axes[k].factor[0] > axes[k].extent) {
            hone_buf_puts(out, any ? " and " : " where ");
            index_of(&axes[k], out);
            hone_buf_printf(out, " < %" PRId64, axes[k].extent);
            any = true;
        }
    }
}

/* Opens the axes' loops [outer or 0, n or outer) in a random order of axes; returns how many. */
static unsigned open_loops(hone_rng *r, const axis *axes, unsigned n, bool shared, bool par,
                           hone_buf *out)
{
    static const char *const kinds[] = {"", "", "unrolled", "vectorized"};
    unsigned next[3], opened = 0, left = 0;
    for (unsigned k = 0; k < n; k++) {
        next[k] = shared ? 0 : (unsigned)axes[k].outer;
        left += (shared ? (unsigned)axes[k].outer : axes[k].n) - next[k];
    }
    int64_t copies = 1;
    while (left) {
        unsigned k = (unsigned)hone_rng_below(r, n);
        unsigned end = shared ? (unsigned)axes[k].outer : axes[k].n;
        if (next[k] == end)
            continue;
        const char *kind = kinds[hone_rng_below(r, shared ? 3 : 4)];
        int64_t extent = axes[k].factor[next[k]];
        if (copies * extent > 60)
            kind = "";
        if (*kind)
            copies *= extent;
        if (par && !opened && axes[k].name != 'k')
            kind = "parallel";
        hone_buf_printf(out, "for %c%u in %" PRId64 " %s {\n", axes[k].name, next[k], extent, kind);
        next[k]++;
        opened++;
        left--;
    }
    return opened;
}

static void close_loops(unsigned n, hone_buf *out)
{
    while (n--)
        hone_buf_puts(out, "}\n");
}

static void block(const char *name, const axis *a, unsigned n, const char *body, hone_buf *out)
{
    hone_buf_printf(out, "block %s(", name);
    for (unsigned k = 0; k < n; k++) {
        hone_buf_printf(out, "%s%sv%c: %" PRId64 " = ", k ? ", " : "", k == 2 ? "reduce " : "",
                        a[k].name, a[k].extent);
        index_of(&a[k], out);
    }
    hone_buf_puts(out, ")");
    where(a, n, out);
    hone_buf_printf(out, " { %s }\n", body);
}

static char *random_program(hone_rng *r)
{
    axis a[3] = {random_axis(r, 'i'), random_axis(r, 'j'), random_axis(r, 'k')};
    hone_buf out = {0};
    bool tiled = hone_rng_below(r, 3) > 0, par = hone_rng_below(r, 2);
    const char *scope = hone_rng_below(r, 2) ? "local" : "";
    hone_buf_printf(&out,
                    "program random {\nbuffer A: f32[%" PRId64 ", %" PRId64 "] input\n"
                    "buffer B: f32[%" PRId64 ", %" PRId64 "] input\n"
                    "buffer C: f32[%" PRId64 ", %" PRId64 "] output\n"
                    "buffer T: f32[%" PRId64 ", %" PRId64 "] %s\n",
                    a[0].extent, a[2].extent, a[2].extent, a[1].extent, a[0].extent, a[1].extent,
                    a[0].extent, a[1].extent, scope);
    if (!tiled) {
        unsigned n = open_loops(r, a, 3, false, par, &out);
        block("c", a, 3, "init 0.0\nC[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]", &out);
        close_loops(n, &out);
    } else {
        a[0].outer = between(r, 0, a[0].n);
        a[1].outer = between(r, 0, a[1].n);
        unsigned n = open_loops(r, a, 2, true, par, &out);
        unsigned m = open_loops(r, a, 2, false, false, &out);
        block("zero", a, 2, "T[vi, vj] = 0.5", &out);
        close_loops(m, &out);
        m = open_loops(r, a, 3, false, false, &out);
        block("update", a, 3,
              "T[vi, vj] = T[vi, vj] + select(vi < vk + 5, A[vi, vk], 0.25) * "
              "B[vk, vj]",
              &out);
        close_loops(m, &out);
        m = open_loops(r, a, 2, false, false, &out);
        block("put", a, 2, "C[vi, vj] = T[vi, vj]", &out);
        close_loops(m + n, &out);
    }
    hone_buf_puts(&out, "}\n");
    return hone_buf_take(&out);
}

static void random_schedules(void **state)
{
    (void)state;
    const char *seed = getenv("HONE_TEST_SEED"), *count = getenv("HONE_TEST_COUNT");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    uint64_t n = count ? strtoull(count, NULL, 10) : PROGRAMS;
    for (uint64_t k = first; k < first + n; k++) {
        hone_rng r;
        hone_rng_seed(&r, k);
        char *text = random_program(&r);
        hone_program p = parse_text(text);
        if (seed)
            print_message("seed %" PRIu64 "\n%s", k, text);
        check_program(&p, &(run_options){.emit = {.plain = k % 5 == 0}});
        hone_program_fini(&p);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_schedules)};
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
