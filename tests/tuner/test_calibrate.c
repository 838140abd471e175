/* Probes as kernels that compute what they say, and the numbers that are made of what they measure.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "space/space.h"
#include "tests/space/prim_test.h"
#include "tuner/calibrate/calibrate.h"

static hone_target target(int64_t l3)
{
    hone_target t = some_cpu;
    snprintf(t.features, sizeof t.features, "+avx512f,+fma");
    t.l3_bytes = l3;
    return t;
}

/* ---- probes ------------------------------------------------------------------------------------
 */

static unsigned count_kind(const hone_program *p, hone_loop_kind kind)
{
    unsigned n = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        n += hone_is_loop(p, s) && hone_stmt_at(p, s)->loop_kind == kind;
    return n;
}

/* Every probe is a program and a trace that a builder can read and replay: on CPUs with wide
 * vectors and without any, with one thread and several. */
static void every_probe_can_be_built(void **state)
{
    (void)state;
    hone_target wide = target(32 << 20), narrow = wide;
    narrow.vector_bytes = 4;
    narrow.vector_registers = 8;
    narrow.l2_bytes = 128 << 10;
    const struct {
        const hone_target *t;
        int32_t threads;
    } on[] = {{&wide, 1}, {&wide, 4}, {&narrow, 2}};
    for (unsigned q = 0; q < HONE_LEN(on); q++)
        for (unsigned k = 0; k < HONE_PROBE_COUNT; k++) {
            hone_probe_plan plan;
            hone_error err = {0};
            hone_status st = hone_probe_make((hone_probe_id)k, on[q].t, on[q].threads, &plan, &err);
            if (st == HONE_E_NOTFOUND) {
                assert_true(k == HONE_PROBE_parallel && on[q].threads == 1);
                continue;
            }
            if (st != HONE_OK)
                fail_msg("%s: %s", hone_probe_at((hone_probe_id)k)->name, err.message);
            assert_true(plan.work >= 1 && plan.threads >= 1 && plan.threads <= on[q].threads);
            hone_program p = load_program(plan.workload);
            hone_trace t = {0};
            hone_sched s = {0};
            assert_int_equal(hone_trace_parse(plan.trace, strlen(plan.trace), &t, &err), HONE_OK);
            assert_int_equal(hone_trace_replay(&t, &p, &s, NULL, false, &err), HONE_OK);
            assert_true(hone_trace_search_part(&t) > 0); /* else it would be built plainly */
            assert_int_equal(hone_verify(&s.prog, &err), HONE_OK);
            assert_int_equal(count_kind(&s.prog, HONE_PARALLEL), plan.threads > 1);
            assert_true(count_kind(&s.prog, HONE_VECTORIZED) > 0);
            hone_sched_fini(&s);
            hone_trace_free(&t);
            hone_program_fini(&p);
            hone_probe_plan_free(&plan);
        }
}

static void what_is_not_there_is_not_measured(void **state)
{
    (void)state;
    hone_target none = target(0), small = target(2 << 20);
    hone_probe_plan plan;
    hone_error err = {0};
    assert_int_equal(hone_probe_make(HONE_PROBE_l3_read, &none, 1, &plan, &err), HONE_E_NOTFOUND);
    assert_int_equal(hone_probe_make(HONE_PROBE_l3_read, &small, 4, &plan, &err), HONE_E_NOTFOUND);
    assert_int_equal(hone_probe_make(HONE_PROBE_parallel, &none, 1, &plan, &err), HONE_E_NOTFOUND);
    assert_non_null(strstr(err.message, "one thread"));
}

/* ---- solving -----------------------------------------------------------------------------------
 */

static hone_probe_results measured(void)
{
    hone_probe_results r = {0};
    r.of[HONE_PROBE_chain].value = 2; /* a latency of 4 cycles: 2 GHz */
    r.of[HONE_PROBE_fma].value = 3;   /* in a ns: 1.5 in a cycle */
    r.of[HONE_PROBE_load].value = 4;  /* 2 in a cycle */
    r.of[HONE_PROBE_l2_read].value = 100;
    r.of[HONE_PROBE_l3_read].value = 30;
    r.of[HONE_PROBE_memory_read].value = 10;
    r.of[HONE_PROBE_call].value = 5;
    r.of[HONE_PROBE_parallel].value = 3005;
    return r;
}

static void each_number_from_its_probes(void **state)
{
    (void)state;
    hone_target t = target(32 << 20);
    hone_probe_results r = measured();
    hone_machine m, preset;
    uint32_t bits;
    hone_machine_preset(&t, &preset);
    hone_calibrate_solve(&t, &r, &m, &bits);
    assert_true(m.clock_ghz == 2 && m.fma_per_cycle == 1.5 && m.loads_per_cycle == 2);
    assert_true(m.l2_bytes_per_ns == 100 && m.l3_bytes_per_ns == 30);
    assert_true(m.memory_bytes_per_ns == 10 && m.fixed_ns == 5 && m.parallel_ns == 3000);
    assert_true(m.loop_cycles == preset.loop_cycles && m.compute_factor == 1);
    assert_true(bits >> HONE_MACHINE_clock_ghz & 1);
    assert_true(bits >> HONE_MACHINE_parallel_ns & 1);
    assert_false(bits >> HONE_MACHINE_loop_cycles & 1);
    assert_false(bits >> HONE_MACHINE_compute_factor & 1);
}

/* One probe at a time is missing or says what no machine does: only what it tells is the preset's.
 */
static void a_probe_that_failed_leaves_the_preset(void **state)
{
    (void)state;
    hone_target t = target(32 << 20);
    hone_machine m, preset;
    uint32_t bits;
    hone_machine_preset(&t, &preset);
    for (int how = 0; how < 4; how++) {
        hone_probe_results r = measured();
        hone_probe_result *x = &r.of[HONE_PROBE_l2_read];
        if (how == 0)
            x->status = HONE_REJECT_WRONG_RESULT;
        else
            x->value = how == 1 ? NAN : how == 2 ? -1 : INFINITY;
        hone_calibrate_solve(&t, &r, &m, &bits);
        assert_true(m.l2_bytes_per_ns == preset.l2_bytes_per_ns);
        assert_false(bits >> HONE_MACHINE_l2_bytes_per_ns & 1);
        assert_true(m.l3_bytes_per_ns == 30 && m.memory_bytes_per_ns == 10);
    }
    hone_probe_results r = measured();
    r.of[HONE_PROBE_chain].value = 1e-3; /* 4000 GHz */
    hone_calibrate_solve(&t, &r, &m, &bits);
    assert_true(m.clock_ghz == preset.clock_ghz && !(bits >> HONE_MACHINE_clock_ghz & 1));
    /* what times are made of holds all the same */
    assert_true(fabs(m.fma_per_cycle * m.clock_ghz - 3) < 1e-12);
    r = measured();
    r.of[HONE_PROBE_parallel].value = 4; /* faster than the call in it */
    hone_calibrate_solve(&t, &r, &m, &bits);
    assert_true(m.parallel_ns == preset.parallel_ns && m.fixed_ns == 5);
    for (unsigned k = 0; k < HONE_PROBE_COUNT; k++)
        r.of[k].status = HONE_E_PEER;
    hone_calibrate_solve(&t, &r, &m, &bits);
    assert_memory_equal(&m, &preset, sizeof m);
    assert_int_equal(bits, 0);
}

static void further_away_is_no_faster(void **state)
{
    (void)state;
    hone_target t = target(32 << 20);
    hone_probe_results r = measured();
    hone_machine m;
    uint32_t bits;
    r.of[HONE_PROBE_l3_read].value = 120;
    r.of[HONE_PROBE_memory_read].value = 130;
    hone_calibrate_solve(&t, &r, &m, &bits);
    assert_true(m.l2_bytes_per_ns == 100 && m.l3_bytes_per_ns == 100);
    assert_true(m.memory_bytes_per_ns == 120);
    r.of[HONE_PROBE_l3_read].status = HONE_E_NOTFOUND;
    hone_calibrate_solve(&t, &r, &m, &bits);
    assert_true(m.memory_bytes_per_ns == 100);
}

/* ---- told --------------------------------------------------------------------------------------
 */

static void what_is_stored_says_how(void **state)
{
    (void)state;
    hone_probe_results r = measured();
    r.of[HONE_PROBE_fma].status = HONE_REJECT_BUILD;
    snprintf(r.of[HONE_PROBE_fma].reason, sizeof r.of[0].reason, "no \"way\"");
    json_t *j = hone_calibrate_about(&r, UINT32_C(1) << HONE_MACHINE_clock_ghz);
    json_t *probes = json_object_get(j, "probes"), *fma = json_object_get(probes, "fma");
    assert_int_equal(json_object_size(probes), HONE_PROBE_COUNT);
    assert_string_equal(json_string_value(json_object_get(fma, "status")), "REJECT_BUILD");
    assert_string_equal(json_string_value(json_object_get(fma, "reason")), "no \"way\"");
    assert_null(json_object_get(fma, "value"));
    assert_true(json_number_value(json_object_get(json_object_get(probes, "chain"), "value")) == 2);
    json_t *list = json_object_get(j, "measured");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "clock_ghz");
    json_decref(j);
}

/* Of the probes that numbers are made of. */
static void noise_is_the_largest(void **state)
{
    (void)state;
    hone_probe_results r = measured();
    for (unsigned k = 0; k < HONE_PROBE_COUNT; k++)
        r.of[k].spread = 0.1;
    r.of[HONE_PROBE_call].spread = 0.5;
    r.of[HONE_PROBE_pages_64].spread = 8; /* told, not used */
    json_t *j = hone_calibrate_about(&r, 0);
    assert_true(fabs(hone_calibrate_noise(j) - 0.25) < 1e-9);
    json_decref(j);
    r.of[HONE_PROBE_call].status = HONE_E_TOOL;
    j = hone_calibrate_about(&r, 0);
    assert_true(fabs(hone_calibrate_noise(j) - 0.05) < 1e-9);
    json_decref(j);
    j = json_object(); /* what others may have written */
    assert_true(isinf(hone_calibrate_noise(j)));
    json_decref(j);
}

static void stored_and_found(void **state)
{
    (void)state;
    char folder[] = "/tmp/hone-calibrate-XXXXXX", path[64], lock[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.db", folder);
    snprintf(lock, sizeof lock, "%s.lock", path);
    hone_target t = target(32 << 20), other = target(0);
    hone_probe_results r = measured();
    hone_machine m, got;
    uint32_t bits;
    hone_db *db = NULL;
    hone_error err = {0};
    assert_int_equal(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &err), HONE_OK);
    hone_calibrate_solve(&t, &r, &m, &bits);
    json_t *about = hone_calibrate_about(&r, bits);
    assert_int_equal(hone_calibrate_find(db, &t, 2, &got, &err), HONE_E_NOTFOUND);
    assert_int_equal(hone_calibrate_store(db, &t, 2, &m, about, &err), HONE_OK);
    assert_int_equal(hone_calibrate_find(db, &t, 2, &got, &err), HONE_OK);
    assert_memory_equal(&m, &got, sizeof m);
    double noise = -1;
    assert_int_equal(hone_calibrate_find_noise(db, &t, 2, &noise, &err), HONE_OK);
    assert_true(noise == hone_calibrate_noise(about));
    assert_int_equal(hone_calibrate_find_noise(db, &t, 1, &noise, &err), HONE_E_NOTFOUND);
    assert_int_equal(hone_calibrate_find(db, &t, 1, &got, &err), HONE_E_NOTFOUND);
    assert_int_equal(hone_calibrate_find(db, &other, 2, &got, &err), HONE_E_NOTFOUND);
    json_decref(about);
    hone_db_close(db);
    remove(path);
    remove(lock);
    remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_probe_can_be_built),
        cmocka_unit_test(what_is_not_there_is_not_measured),
        cmocka_unit_test(each_number_from_its_probes),
        cmocka_unit_test(a_probe_that_failed_leaves_the_preset),
        cmocka_unit_test(further_away_is_no_faster),
        cmocka_unit_test(what_is_stored_says_how),
        cmocka_unit_test(noise_is_the_largest),
        cmocka_unit_test(stored_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
