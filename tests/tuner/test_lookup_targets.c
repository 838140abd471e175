/* No answer comes from a target that needs what the one asked for lacks.
 *
 * HONE_LOOKUP_PAIRS: how many pairs of a record and a target are tried (default 1000); HONE_SEED:
 * where they begin. */
#include "lookup_log.h"

#include "targets/preset.h"

#define RECORDS 20 /* of each log */

static const mnk size = {48, 32, 24}, other_size = {48, 48, 24};

static uint64_t number_of(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : usual;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static hone_target like(const char *triple, const char *mcpu, const char *features, int32_t bytes,
                        int32_t registers)
{
    hone_target t = simulated_target();
    snprintf(t.triple, sizeof t.triple, "%s", triple);
    snprintf(t.cpu, sizeof t.cpu, "%s", mcpu);
    snprintf(t.features, sizeof t.features, "%s", features);
    t.vector_bytes = bytes;
    t.vector_registers = registers;
    return t;
}

static void what_is_compatible(void **state)
{
    (void)state;
    static const char linux_pc[] = "x86_64-pc-linux-gnu";
    const hone_target zen4 = like(linux_pc, "znver4", "", 64, 32),
                      haswell = like(linux_pc, "haswell", "", 32, 16),
                      skx = like(linux_pc, "skylake-avx512", "", 64, 32),
                      same = like("x86_64-unknown-linux-gnu", "znver4", "", 64, 32),
                      short_form = like("x86_64-linux-gnu", "znver4", "", 64, 32),
                      windows = like("x86_64-pc-windows-msvc", "znver4", "", 64, 32),
                      arm = like("aarch64-unknown-linux-gnu", "generic", "", 16, 32),
                      no_vnni = like(linux_pc, "znver4", "-avx512vnni", 64, 32),
                      narrow = like(linux_pc, "znver4", "", 32, 32);
    const struct {
        const hone_target *asked, *made_for;
        bool want;
    } cases[] = {{&zen4, &zen4, true},       {&zen4, &haswell, true},  {&haswell, &zen4, false},
                 {&zen4, &skx, true},        {&skx, &zen4, false},     {&zen4, &same, true},
                 {&zen4, &short_form, true}, {&zen4, &windows, false}, {&zen4, &arm, false},
                 {&arm, &zen4, false},       {&no_vnni, &zen4, false}, {&zen4, &no_vnni, true},
                 {&narrow, &zen4, false}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        if (hone_lookup__compatible(cases[k].asked, cases[k].made_for) != cases[k].want)
            fail_msg("case %u", k);
    assert_int_equal(hone_lookup__targets_apart(&zen4, &zen4), 0);
    assert_true(hone_lookup__targets_apart(&zen4, &skx) <
                hone_lookup__targets_apart(&zen4, &haswell));
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static unsigned rows_of_cpus(const hone_preset *p)
{
    unsigned n = 0;
    while (p->cpus[n].name)
        n++;
    return n;
}

/* Any processor of a table, with some features switched on and off. */
static hone_target random_target(hone_rng *rng)
{
    const hone_preset *p = hone_preset_at(hone_rng_below(rng, 4) == 0 ? 1 : 0);
    hone_target t = simulated_target();
    hone_buf list = {0};
    unsigned n = 0;
    while (p->features[n].name)
        n++;
    for (uint64_t k = hone_rng_below(rng, 5); k > 0; k--)
        hone_buf_printf(&list, "%s%c%s", list.n ? "," : "", "+-"[hone_rng_below(rng, 2)],
                        p -> features[hone_rng_below(rng, n)].name);
    snprintf(t.triple, sizeof t.triple, "%s", p->triple);
    unsigned rows = rows_of_cpus(p);
    snprintf(t.cpu, sizeof t.cpu, "%s", rows ? p->cpus[hone_rng_below(rng, rows)].name : "generic");
    snprintf(t.features, sizeof t.features, "%s", list.n ? list.s : "");
    const hone_preset_vectors *v = p->vectors;
    while (v->feature && !hone_target_has(&t, v->feature))
        v++;
    t.vector_bytes = v->bytes;
    t.vector_registers = v->registers;
    t.l2_bytes <<= hone_rng_below(rng, 3);
    hone_buf_free(&list);
    return t;
}

/* By the table alone, feature for feature. */
static bool needs_no_more(const hone_target *asked, const hone_target *made_for)
{
    const hone_preset *p = hone_preset_of(asked);
    if (hone_preset_of(made_for) != p || made_for->vector_bytes > asked->vector_bytes)
        return false;
    for (const hone_preset_feature *f = p->features; f->name; f++)
        if (!f->idle && hone_target_has(made_for, f->name) && !hone_target_has(asked, f->name))
            return false;
    return true;
}

/* Blocks of the answer that are left to an intrinsic: the target must have its features. */
static void check_intrinsics(const hone_lookup_answer *a, const hone_target *asked)
{
    const hone_program *p = &a->sched.prog;
    for (unsigned k = 0; k < hone_intrin_count(a->intrins); k++) {
        const hone_intrin *in = hone_intrin_at(a->intrins, k);
        if (hone_target_has(asked, in->features))
            continue;
        hone_buf text = {0};
        hone_program_print(p, &text);
        assert_null(strstr(text.s, in->name));
        hone_buf_free(&text);
    }
}

static void no_answer_needs_more(void **state)
{
    (void)state;
    uint64_t pairs = number_of("HONE_LOOKUP_PAIRS", 1000), seed = number_of("HONE_SEED", 1);
    unsigned answered = 0, none = 0;
    hone_rng rng;
    for (uint64_t done = 0; done < pairs; seed++) {
        test_log l;
        hone_rng_seed(&rng, seed);
        log_open(&l);
        for (unsigned k = 0; k < RECORDS; k++) {
            hone_target t = random_target(&rng);
            int32_t threads = 1 + (int32_t)hone_rng_below(&rng, 2);
            hone_space *sp = space_for(k % 2 ? size : other_size, &t, threads);
            hone_sched s = {0};
            while (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
                ;
            log_put(&l, k % 2 ? size : other_size, &t, threads, &s.trace,
                    1000 + (int64_t)hone_rng_below(&rng, 1000));
            hone_sched_fini(&s);
            hone_space_free(sp);
        }
        for (unsigned k = 0; k < 5 && done < pairs; k++, done += RECORDS) {
            hone_target t = random_target(&rng), from;
            inquiry q = {size, &t, 1, HONE_RUNG_nearest, true};
            hone_lookup_answer a;
            hone_error e = {0};
            hone_status st = ask_logs(&l.db, 1, &q, &a, &e);
            assert_true(st == HONE_OK || st == HONE_E_NOTFOUND);
            answered += st == HONE_OK;
            none += st != HONE_OK;
            if (st == HONE_OK && a.from_target) {
                SMALL_CHECK(hone_target_parse(a.from_target, &from, err));
                if (!needs_no_more(&t, &from))
                    fail_msg("HONE_SEED=%" PRIu64 ": %s with '%s' answers for %s with '%s'", seed,
                             from.cpu, from.features, t.cpu, t.features);
            }
            if (st == HONE_OK)
                check_intrinsics(&a, &t);
            hone_lookup_free(&a);
        }
        log_close(&l);
    }
    print_message("%u questions answered, %u not\n", answered, none);
    assert_true(answered > 0 && none > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_compatible),
        cmocka_unit_test(no_answer_needs_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
