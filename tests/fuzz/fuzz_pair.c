/* Coverage-guided search for pairs of a workload and a trace that break a promise, as Tzer (Liu et
 * al., OOPSLA 2022) does for TVM: the program and the list of what is applied to it are mutated in
 * turn, and what reaches new code is kept. An input is a case file (tests/property/harness.h), so
 * that a find is a regression test as it stands.
 *
 * The promises are those of random pairs: the interpreter before and after every instruction, the
 * verifier, print and parse, replay. HONE_FUZZ_COMPILE=n also compiles and runs every n-th input.
 */
#include "tests/property/harness.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*fn)(void));

static pair_env plain, compiling;
static pair_report *report;

/* A crash while mutating is not in the input that the fuzzer then writes. */
static void print_pair(void)
{
    fprintf(stderr, "the pair at hand:\n%s---\n%s\n", report->workload, report->trace);
}

static void start(void)
{
    if (report)
        return;
    report = hone_xcalloc(1, sizeof *report);
    HONE_ASSERT(pair_env_init(&plain, false));
    if (getenv("HONE_FUZZ_COMPILE"))
        HONE_ASSERT(pair_env_init(&compiling, true));
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(print_pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned long count;
    pair_case c;
    start();
    if (!pair_case_parse((const char *)data, size, &c))
        return 0;
    unsigned long every = compiling.codegen ? strtoul(getenv("HONE_FUZZ_COMPILE"), NULL, 10) : 0;
    const pair_env *env = every && count++ % every == 0 ? &compiling : &plain;
    bool good = pair_case_run(env, &c, report);
    pair_case_free(&c);
    if (!good && strcmp(report->kind, "case")) {
        fprintf(stderr, "%s: %s\n", report->kind, report->detail);
        print_pair();
        abort();
    }
    return 0;
}

/* ---- mutations of the program ------------------------------------------------------------------
 */

static char *spliced(const char *text, size_t from, size_t to, const char *middle)
{
    return hone_xasprintf("%.*s%s%s", (int)from, text, middle, text + to);
}

/* Another number, or another word or operator of the same sort, at a random place. */
static char *edit(const char *text, hone_rng *rng)
{
    static const char *const sorts[][8] = {
        {" + ", " - ", " * "},
        {" // ", " % "},
        {" < ", " <= ", " == ", " != ", " > ", " >= "},
        {"sum(", "prod(", "max(", "min("},
        {"f32", "f64", "f16", "bf16", "i32", "i64", "i8", "u8"},
        {"temp ", "output "},
        {"const input ", "input "},
        {" and ", " or "},
        {"floor(", "ceil(", "round(", "abs("},
    };
    static const char *const numbers[] = {"0", "1", "2", "3", "5", "7", "8", "16", "17", "33"};
    size_t n = strlen(text), at = hone_rng_below(rng, n ? n : 1);
    for (size_t k = 0; k < n; k++, at = (at + 1) % n) {
        bool inside = at && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '.');
        if (isdigit((unsigned char)text[at]) && !inside) {
            size_t end = at + strspn(text + at, "0123456789");
            if (text[end] != '.')
                return spliced(text, at, end, numbers[hone_rng_below(rng, HONE_LEN(numbers))]);
        }
        for (size_t s = 0; s < HONE_LEN(sorts); s++) {
            unsigned m = 0, here = 0;
            for (; m < HONE_LEN(sorts[s]) && sorts[s][m]; m++)
                if (!strncmp(text + at, sorts[s][m], strlen(sorts[s][m])))
                    here = m + 1;
            if (here)
                return spliced(text, at, at + strlen(sorts[s][here - 1]),
                               sorts[s][hone_rng_below(rng, m)]);
        }
    }
    return hone_xstrdup(text);
}

/* ---- mutations of the list ------------------------------------------------------------------- */

/* Leaves some instructions out, or adds some, and what then applies is the new trace. */
static void change_trace(pair *p, const hone_trace *t, hone_rng *rng)
{
    bool *drop = hone_xcalloc(t->insts.n + 1, sizeof *drop);
    bool fewer = hone_rng_below(rng, 3) == 0;
    for (uint32_t k = 0; fewer && k < t->insts.n; k++)
        drop[k] = hone_rng_below(rng, t->insts.n) < 2;
    if (pair_replay(p, t, drop) && !fewer)
        for (unsigned more = 1 + (unsigned)hone_rng_below(rng, 3); more--;) {
            hone_inst_kind kind = (hone_inst_kind)(1 + hone_rng_below(rng, HONE_INST_COUNT - 1));
            hone_status st = HONE_REJECT_ARG;
            for (unsigned tries = 0; tries < 4 && st != HONE_OK; tries++)
                if (!pair_generate_one(p, kind, &st)) {
                    more = 0;
                    break;
                }
        }
    free(drop);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    hone_rng rng;
    pair_case c;
    pair p;
    hone_trace t = {0};
    start();
    hone_rng_seed(&rng, seed);
    bool whole = pair_case_parse((const char *)data, size, &c);
    if (whole && hone_rng_below(&rng, 200) == 0) {
        pair_case_free(&c);
        whole = false;
    }
    if (!whole)
        c = (pair_case){hone_xstrdup(""), pair_workload(&rng), hone_xstrdup("[[],[]]")};
    bool program = hone_rng_below(&rng, 3) == 0;
    char *workload = program ? edit(c.workload, &rng) : hone_xstrdup(c.workload);
    bool legal = pair_open(&p, &plain, workload, seed, report);
    if (legal && hone_trace_parse(c.trace, strlen(c.trace), &t, NULL) == HONE_OK) {
        if (program)
            (void)!pair_replay(&p, &t, NULL);
        else
            change_trace(&p, &t, &rng);
        free(c.trace);
        /* where a check failed, with the instruction at fault: the next run then finds it */
        c.trace = report->kind[0] ? hone_xstrdup(report->trace) : hone_trace_text(&p.s.trace);
        free(c.workload);
        c.workload = hone_xstrdup(workload);
    }
    pair_close(&p);
    hone_trace_free(&t);
    char *text = pair_case_text(&c);
    size_t n = strlen(text);
    if (n <= max) {
        memcpy(data, text, n);
        size = n;
    }
    free(text);
    free(workload);
    pair_case_free(&c);
    return size;
}
