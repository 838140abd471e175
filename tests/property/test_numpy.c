/* Random kernels on data of the full range, computed by hone and, again, by numpy_oracle.py, which
 * knows nothing of hone but the text of the program: the interpreter, the code of the program as
 * written and that of a random schedule.
 *
 * HONE_KERNELS=n   how many (60)      HONE_SEED=n   where they start (1)
 *
 * What disagrees is printed with its seed; HONE_SEED=seed HONE_KERNELS=1 is that one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "ir/oracle.h"
#include "tests/property/harness.h"
#include "workers/device/internal.h"

#define MOST_WORK 100000 /* statement instances of a scheduled program */
#define MOST_ARGS 64

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *v = getenv(name);
    return v ? strtoull(v, NULL, 10) : fallback;
}

/* ---- data ------------------------------------------------------------------------------------ */

typedef enum data { MODERATE, MAGNITUDES, BITS, EDGES, N_DATA } data;

/* Largest and smallest normal number of a float dtype. */
static double largest(hone_dtype t)
{
    return t == HONE_F64 ? DBL_MAX : t == HONE_F32 ? FLT_MAX : t == HONE_F16 ? 65504 : 0x1.fep127;
}

static double smallest(hone_dtype t)
{
    return t == HONE_F64 ? DBL_MIN : t == HONE_F16 ? 0x1p-14 : 0x1p-126;
}

static double an_edge(hone_dtype t, hone_rng *rng)
{
    double big = largest(t), small = smallest(t), x = 0;
    switch (hone_rng_below(rng, 11)) {
    case 0:
        x = INFINITY;
        break;
    case 1:
        x = NAN;
        break;
    case 2:
        x = big;
        break;
    case 3:
        x = big / 2;
        break;
    case 4:
        x = small;
        break;
    case 5:
        x = small / 2; /* a denormal */
        break;
    case 6:
        x = small * ldexp(hone_rng_double(rng), -3);
        break;
    case 7:
        x = 1;
        break;
    case 8:
        x = ldexp(1, (int)hone_rng_below(rng, 40) - 20);
        break;
    case 9:
        x = sqrt(big);
        break;
    default:
        break;
    }
    return hone_rng_below(rng, 2) ? -x : x;
}

static void set_float(hone_dtype t, data d, void *array, int64_t i, hone_rng *rng)
{
    size_t bytes = (size_t)hone_dtype_bytes(t);
    uint64_t bits = hone_rng_u64(rng);
    double x = 2 * hone_rng_double(rng) - 1;
    if (d == BITS)
        memcpy((char *)array + (size_t)i * bytes, &bits, bytes);
    else if (d == EDGES && bits % 4 == 0)
        hone_elem_set(t, array, i, an_edge(t, rng));
    else
        hone_elem_set(t, array, i, d == MODERATE ? x : ldexp(x, (int)(bits % 24) - 12));
}

static void set_int(hone_dtype t, data d, void *array, int64_t i, hone_rng *rng)
{
    static const int64_t ends[] = {0,     1,      -1,        2,         127,       128,      -128,
                                   32767, -32768, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    size_t bytes = (size_t)hone_dtype_bytes(t);
    int64_t x = (int64_t)hone_rng_u64(rng);
    if (d == MODERATE || d == MAGNITUDES)
        x %= d == MODERATE ? 8 : 100;
    else if (d == EDGES)
        x = ends[(uint64_t)x % HONE_LEN(ends)];
    if (t == HONE_BOOL)
        x &= 1;
    memcpy((char *)array + (size_t)i * bytes, &x, bytes); /* the low bits */
}

static void fill(const pair_args *a, const hone_program *p, hone_rng *rng)
{
    for (unsigned k = 0; k < a->n; k++) {
        hone_buffer b = {k + 1};
        hone_dtype t = (hone_dtype)hone_buffer_at(p, b)->dtype;
        data d = (data)hone_rng_below(rng, N_DATA);
        if (hone_buffer_at(p, b)->role != HONE_INPUT)
            continue;
        for (int64_t i = 0; i < hone_buffer_count(p, b); i++)
            (hone_dtype_is_float(t) ? set_float : set_int)(t, d, a->at[k], i, rng);
    }
}

/* `to` gets the inputs of `from`, and outputs that are no result. */
static void take_inputs(const hone_program *p, const pair_args *to, const pair_args *from)
{
    for (unsigned k = 0; k < to->n; k++)
        if (hone_buffer_at(p, (hone_buffer){k + 1})->role == HONE_INPUT)
            memcpy(to->at[k], from->at[k], to->bytes[k]);
        else
            memset(to->at[k], 0xa5, to->bytes[k]);
}

/* ---- what goes to the script ------------------------------------------------------------------
 */

static void put_array(FILE *f, const char *what, const char *name, hone_dtype t, const void *array,
                      int64_t n)
{
    fprintf(f, "array %s %s %s %" PRId64 "\n", what, name, hone_dtype_name(t), n);
    fwrite(array, (size_t)hone_dtype_bytes(t), (size_t)n, f);
}

static void put_args(FILE *f, const char *what, hone_role role, const hone_program *p,
                     const pair_args *a)
{
    for (unsigned k = 0; k < a->n; k++) {
        const hone_buffer_row *r = hone_buffer_at(p, (hone_buffer){k + 1});
        if (r->role == role)
            put_array(f, what, hone_sym_text(p, r->name), (hone_dtype)r->dtype, a->at[k],
                      hone_buffer_count(p, (hone_buffer){k + 1}));
    }
}

/* Values and bounds as a device makes use of them. */
static void put_oracle(FILE *f, const hone_program *p, const pair_args *inputs)
{
    hone_program o = {0};
    hone_error err = {0};
    void *at[MOST_ARGS], *written[MOST_ARGS] = {0};
    if (hone_oracle_make(p, &o, &err) != HONE_OK)
        fail_msg("%s", err.message);
    unsigned n = hone_program_n_args(&o), input = 0;
    assert_true(n <= MOST_ARGS);
    for (unsigned k = 0; k < n; k++) {
        const hone_buffer_row *r = hone_buffer_at(&o, (hone_buffer){k + 1});
        size_t bytes = (size_t)hone_buffer_count(&o, (hone_buffer){k + 1}) *
                       (size_t)hone_dtype_bytes((hone_dtype)r->dtype);
        at[k] = hone_xcalloc(bytes + 1, 1);
        if (r->role != HONE_INPUT || !strcmp(hone_sym_text(&o, r->name), HONE_ORACLE_QUANTUM))
            continue;
        while (hone_buffer_at(p, (hone_buffer){input + 1})->role != HONE_INPUT)
            input++;
        memcpy(at[k], inputs->at[input++], bytes);
    }
    if (hone_interp_run(&o, at, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (unsigned k = 0, of = 0; k < n; k++) {
        const hone_buffer_row *r = hone_buffer_at(&o, (hone_buffer){k + 1});
        const char *name = hone_sym_text(&o, r->name), *dot = strrchr(name, '.');
        if (r->role != HONE_OUTPUT || dot)
            continue;
        while (hone_buffer_at(p, (hone_buffer){of + 1})->role != HONE_OUTPUT)
            of++;
        hone_device__expected e = {.elem = r->dtype, .value = at[k]};
        hone_dtype t = (hone_dtype)hone_buffer_at(p, (hone_buffer){++of})->dtype;
        for (unsigned q = k + 1; q < n && q < k + 3; q++) {
            const char *tail = hone_sym_text(&o, hone_buffer_at(&o, (hone_buffer){q + 1})->name);
            if (strncmp(tail, name, strlen(name)) || tail[strlen(name)] != '.')
                break;
            if (!strcmp(tail + strlen(name), HONE_ORACLE_ERROR))
                e.error = at[q];
            else
                written[k] = at[q];
        }
        int64_t count = hone_buffer_count(&o, (hone_buffer){k + 1});
        hone_device__settle_bounds((uint8_t)t, &e, written[k], count);
        put_array(f, "value", name, (hone_dtype)r->dtype, e.value, count);
        if (e.error)
            put_array(f, "bound", name, HONE_F64, e.error, count);
    }
    for (unsigned k = 0; k < n; k++)
        free(at[k]);
    hone_program_fini(&o);
}

/* ---- one kernel ------------------------------------------------------------------------------ */

typedef struct counts {
    const hone_rt_api *rt;
    unsigned kernels, scheduled, unbuilt;
} counts;

static bool put_code(FILE *f, const char *what, pair *p, bool plain, const pair_args *inputs,
                     const hone_rt_api *rt)
{
    hone_error err = {0};
    pair_code c;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .threads = 2, .plain = plain};
    hone_status st = pair_code_new(p->env->codegen, plain ? &p->base : &p->s.prog, &o, &c, &err);
    if (hone_status_is_reject(st))
        return false;
    if (st != HONE_OK)
        fail_msg("%s", err.message);
    take_inputs(&p->base, &p->got, inputs);
    assert_int_equal(pair_code_run(&c, &p->got, rt), 0);
    pair_code_free(&c);
    put_args(f, what, HONE_OUTPUT, &p->base, &p->got);
    return true;
}

/* A candidate of the kernel's space, or instructions at random. */
static bool schedule(pair *p, bool space)
{
    if (!space)
        return pair_generate(p, 4 + (unsigned)hone_rng_below(&p->rng, 16), (hone_inst_kind)0);
    hone_space *sp = NULL;
    hone_error err = {0};
    hone_space_options o = {.target = &p->env->target, .threads = 2};
    if (hone_space_new(&p->base, &o, &sp, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_status st = hone_space_sample(sp, &p->rng, &p->s, &err);
    p->s.rng = &p->rng;
    hone_space_free(sp);
    return st == HONE_OK;
}

static void one(FILE *f, const pair_env *env, pair_report *r, uint64_t seed, counts *ret)
{
    hone_rng rng;
    hone_error err = {0};
    hone_rng_seed(&rng, seed);
    char *text = (seed % 4 ? pair_workload_loose : pair_workload)(&rng);
    pair p;
    bool good = pair_open(&p, env, text, hone_rng_u64(&rng), r);
    free(text);
    if (!good && r->kind[0])
        fail_msg("seed %" PRIu64 ": %s: %s", seed, r->kind, r->detail);
    if (good) {
        hone_buf b = {0};
        hone_program_print(&p.base, &b);
        fprintf(f, "case %" PRIu64 " %zu\n%s", seed, b.n, b.s);
        hone_buf_free(&b);
        fill(&p.want, &p.base, &rng);
        put_args(f, "input", HONE_INPUT, &p.base, &p.want);
        put_oracle(f, &p.base, &p.want);
        take_inputs(&p.base, &p.got, &p.want);
        if (hone_interp_run(&p.base, p.got.at, &err) != HONE_OK)
            fail_msg("seed %" PRIu64 ": %s", seed, err.message);
        put_args(f, "interpreter", HONE_OUTPUT, &p.base, &p.got);
        ret->unbuilt += !put_code(f, "plain", &p, true, &p.want, ret->rt);
        if (schedule(&p, seed % 2) && !p.s.prog.overflow && pair_work(&p.s.prog) <= MOST_WORK)
            ret->scheduled += put_code(f, "scheduled", &p, false, &p.want, ret->rt);
        fputs("end\n", f);
        ret->kernels++;
    }
    pair_close(&p);
}

static void random_kernels(void **state)
{
    (void)state;
    pair_env env;
    pair_report *r = pair_report_new();
    hone_rt_pool *pool = hone_rt_pool_new(2, 0);
    assert_non_null(pool);
    counts n = {.rt = hone_rt_pool_api(pool)};
    uint64_t first = number("HONE_SEED", 1), end = first + number("HONE_KERNELS", 60);
    assert_true(pair_env_init(&env, true));
    env.each = false;
    /* Debian's own interpreter: its numpy is for that one */
    char *command =
        hone_xasprintf("/usr/bin/python3 '%s/tests/property/numpy_oracle.py'", HONE_SOURCE_DIR);
    FILE *f = popen(command, "w");
    assert_non_null(f);
    for (uint64_t k = first; k < end; k++)
        one(f, &env, r, k, &n);
    int status = pclose(f);
    printf("%u kernels, %u schedules of them compiled, %u not built as written\n", n.kernels,
           n.scheduled, n.unbuilt);
    assert_int_equal(status, 0);
    free(command);
    hone_rt_pool_free(pool);
    pair_env_fini(&env);
    pair_report_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
