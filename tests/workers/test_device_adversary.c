/* The adversary: kernels that are subtly wrong, of which the check must accept none, and kernels
 * that are right but written in another way, of which it must reject none. What each computes is a
 * workload; its oracle is made by the builder, as in a session. adversary/kernels.def is the list.
 * Prints a line for each kernel: by which data a wrong one was found, and after how many elements;
 * how far off a right one is at most, in units of the bound.
 *
 * Without being asked it takes one element type for each kernel, in turn. HONE_ADVERSARY=all takes
 * every type, and HONE_ADVERSARY=name too, of the kernels whose names begin so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/adversary/cases.h"
#include "tests/workers/device_kernels.h"
#include "workers/builder.h"

#define TEXT(size) TEXT2(size)
#define TEXT2(size) #size

enum {
#define WORKLOAD(name, text) W_##name,
#include "tests/workers/adversary/workloads.def"
#undef WORKLOAD
    WORKLOADS
};

static const char *const workloads[] = {
#define WORKLOAD(name, text) text,
#include "tests/workers/adversary/workloads.def"
#undef WORKLOAD
};

typedef enum verdict { WRONG, RIGHT } verdict;

static const struct {
    verdict verdict;
    const char *name;
    int workload;
    unsigned types;
    const char *what;
} kernels[] = {
#define KERNEL_OF(verdict, name, workload, types, what) {verdict, #name, W_##workload, types, what},
#include "tests/workers/adversary/kernels.def"
#undef KERNEL_OF
};

/* By hone_elem: what a type is called, and what sums of it are taken in. */
static const char *const types[] = {"f64", "f32", "f16", "bf16", "i64",
                                    "i32", "i16", "i8",  "u8",   "bool"};
static const char *const wide[] = {"f64", "f32", "f32", "f32", "i64",
                                   "i32", "i32", "i32", "i32", "bool"};

static hone_nursery *nursery;
static hone_builder *builder;
static char *target;
static char *object; /* all kernels */
static size_t object_bytes;
static hone_buf lines[HONE_LEN(kernels)]; /* of the table */
static unsigned bad, tried[2];

static int set_up(void **state)
{
    (void)state;
    hone_error err;
    hone_target t;
    assert_status(hone_nursery_start(SANDBOX, NULL, 0, &nursery, &err), HONE_OK, &err);
    assert_status(hone_target_native(&t, &err), HONE_OK, &err);
    target = hone_target_text(&t);
    builder = hone_builder_new();
    /* the arithmetic that is written, and fused operations where there are instructions for them */
#define FLAGS PLAIN " -O0 -fwrapv -ffp-contract=off -fno-math-errno"
    const char *flags = FLAGS;
#ifdef __x86_64__
    if (hone_target_has(&t, "+fma"))
        flags = FLAGS " -mfma";
#endif
    compile("#include \"tests/workers/adversary/kernels.h\"\n", flags, &object, &object_bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hone_nursery_stop(nursery);
    hone_builder_free(builder);
    free(target);
    free(object);
    for (size_t k = 0; k < HONE_LEN(kernels); k++)
        hone_buf_free(&lines[k]);
    return 0;
}

/* ---- what is computed
 * ---------------------------------------------------------------------------- */

typedef struct kernel {
    hone_manifest manifest;
    hone_artifact oracle;
} kernel;

static char *text_of(int workload, int type)
{
    hone_buf b = {0};
    for (const char *c = workloads[workload]; *c; c++) {
        if (*c != '$') {
            hone_buf_printf(&b, "%c", *c);
            continue;
        }
        c++;
        bool real = type <= HONE_ELEM_BF16;
        hone_buf_puts(&b, *c == 'W' || (*c == 'O' && !real) ? wide[type] : types[type]);
    }
    return b.s;
}

static void fill_manifest(const hone_program *p, hone_manifest *ret)
{
    ret->n_args = hone_program_n_args(p);
    ret->args = hone_xcalloc(ret->n_args, sizeof *ret->args);
    for (unsigned k = 0; k < ret->n_args; k++) {
        hone_buffer b = {k + 1};
        const hone_buffer_row *r = hone_buffer_at(p, b);
        hone_arg *a = &ret->args[k];
        snprintf(a->name, sizeof a->name, "%s", hone_sym_text(p, r->name));
        a->elem = r->dtype;
        a->is_output = r->role == HONE_OUTPUT;
        a->count = hone_buffer_count(p, b);
        if (r->role != HONE_INPUT || !hone_input_range(p, b, &a->lo, &a->hi))
            a->lo = a->hi = 0;
    }
}

static void make(kernel *k, int workload, int type)
{
    hone_error err;
    hone_program p = {0};
    char *text = text_of(workload, type);
    hone_buf program = {0};
    if (hone_workload_parse("adversary", text, strlen(text), "k", NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    hone_program_print(&p, &program);
    fill_manifest(&p, &k->manifest);
    assert_status(hone_builder_build(
                      builder,
                      &(hone_build_job){
                          .workload = program.s, .target = target, .threads = 1, .reference = 1},
                      &k->oracle, &err),
                  HONE_OK, &err);
    hone_buf_free(&program);
    hone_program_fini(&p);
    free(text);
}

/* ---- who computes it
 * ----------------------------------------------------------------------------- */

static hone_artifact candidate(const kernel *k, int type, size_t number)
{
    static const uint32_t first[2] = {0x686f6e65, 0x61647673}; /* `which` of adversary/kernels.h */
    hone_artifact a = {.manifest = k->manifest, .n = object_bytes};
    a.bytes = hone_xmalloc(a.n);
    memcpy(a.bytes, object, a.n);
    uint8_t *at = memmem(a.bytes, a.n, first, sizeof first);
    assert_non_null(at);
    memcpy(at + 8, &(uint32_t){(uint32_t)type}, 4);
    memcpy(at + 12, &(uint32_t){(uint32_t)number}, 4);
    a.hash = hone_hash_bytes(0, a.bytes, a.n);
    return a;
}

/* What the check says; again where the clock was disturbed. */
static hone_status judge(const hone_artifact *a, const kernel *k, hone_measure_result *ret,
                         hone_error *err)
{
    hone_measure_job job = plain_job(a, &k->oracle);
    job.tolerance = HONE_TOLERANCE;
    job.min_samples = job.max_samples = 1;
    hone_status s;
    int tries = 0;
    do
        s = run_job(nursery, &job, ret, err);
    while ((s == HONE_REJECT_IMPOSSIBLE || s == HONE_REJECT_TOO_SHORT) && ++tries < 10);
    return s;
}

/* "full 17": the data that showed it, and how many elements were looked at. */
static void say_where(hone_buf *line, const char *message)
{
    const char *element = strstr(message, "element "), *data = strstr(message, " data)");
    if (!element || !data) {
        hone_buf_puts(line, strstr(message, "byte ") ? "guard" : "fault");
        return;
    }
    const char *kind = data;
    while (kind[-1] != '(')
        kind--;
    hone_buf_printf(line, "%.*s %" PRId64, (int)(data - kind), kind,
                    1 + (int64_t)strtoll(element + 8, NULL, 10));
}

static unsigned sets_of(const char *env)
{
    unsigned n = 0;
    for (const char *c = strstr(env, "data="); c; c = strchr(c + 1, ','))
        n++;
    return n;
}

static void try(size_t number, const kernel *k, int type)
{
    hone_measure_result r;
    hone_error err;
    hone_artifact a = candidate(k, type, number);
    hone_status s = judge(&a, k, &r, &err);
    hone_buf *line = &lines[number];
    bool wrong = kernels[number].verdict == WRONG;
    bool found =
        s == HONE_REJECT_WRONG_RESULT || s == HONE_REJECT_OUT_OF_BOUNDS || s == HONE_REJECT_CRASH;
    hone_buf_printf(line, "%s%s ", line->n ? ", " : "", types[type]);
    if (wrong && found)
        say_where(line, err.message);
    else if (s == HONE_OK)
        hone_buf_printf(line, "%.2f", r.max_error);
    if (wrong ? !found : s != HONE_OK || sets_of(r.env) != HONE_DEVICE__KINDS) {
        hone_buf_puts(line, " !");
        printf("%s of %s: %s: %s\n", kernels[number].name, types[type], hone_status_name(s),
               s == HONE_OK ? r.env : err.message);
        bad++;
    }
    tried[kernels[number].verdict]++;
    free(a.bytes);
}

static bool is_asked_for(size_t n, int workload, int type)
{
    const char *asked = getenv("HONE_ADVERSARY");
    unsigned has = kernels[n].types;
    if (kernels[n].workload != workload || !(has >> type & 1))
        return false;
    if (asked)
        return strcmp(asked, "all") == 0 || strncmp(kernels[n].name, asked, strlen(asked)) == 0;
    /* Kernels of one workload share two types, one of each sort, so that few oracles are made. */
    static const int reals[] = {HONE_ELEM_F32, HONE_ELEM_BF16, HONE_ELEM_F16, HONE_ELEM_F64};
    static const int whole[] = {HONE_ELEM_I8, HONE_ELEM_U8, HONE_ELEM_I32, HONE_ELEM_I16,
                                HONE_ELEM_I64};
    int real = reals[workload % 4], other = whole[workload % 5];
    bool both = (has >> real & 1) && (has >> other & 1);
    if (both)
        return type == (n % 2 ? real : other);
    if ((has >> real & 1) || (has >> other & 1))
        return type == real || type == other;
    return !(has & ((1u << type) - 1)); /* the first it has */
}

static void all_are_told_apart(void **state)
{
    (void)state;
    unsigned names[2] = {0};
    for (int w = 0; w < WORKLOADS; w++) {
        for (int type = 0; type < HONE_ELEM_COUNT; type++) {
            kernel k = {0};
            for (size_t n = 0; n < HONE_LEN(kernels); n++) {
                if (!is_asked_for(n, w, type))
                    continue;
                if (!k.oracle.bytes)
                    make(&k, w, type);
                try(n, &k, type);
            }
            hone_manifest_free(&k.manifest);
            hone_artifact_free(&k.oracle);
        }
    }
    for (verdict v = WRONG; v <= RIGHT; v++) {
        printf("%s\n", v == WRONG ? "wrong: found with which data, after how many elements"
                                  : "right: largest error in units of the bound");
        for (size_t n = 0; n < HONE_LEN(kernels); n++) {
            if (kernels[n].verdict != v || !lines[n].n)
                continue;
            names[v]++;
            printf("  %-24s %s: %s\n", kernels[n].name, kernels[n].what, lines[n].s);
        }
    }
    printf("%u wrong kernels in %u cases, %u right ones in %u, %d data sets: %u mistaken\n",
           names[WRONG], tried[WRONG], names[RIGHT], tried[RIGHT], HONE_DEVICE__KINDS, bad);
    assert_int_equal(bad, 0);
    assert_true(names[WRONG] + names[RIGHT] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_told_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
