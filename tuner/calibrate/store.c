/* Machines in the log: stored with their target, found again, and refitted to its results. */
#include "tuner/calibrate/internal.h"
#include "tuner/tuner.h"

#include <math.h>

static const char *const numbers[] = {
#define HONE_MACHINE(name, least, most, text) #name,
#include "costmodel/machine.def"
#undef HONE_MACHINE
};

json_t *hone_calibrate_about(const hone_probe_results *r, uint32_t measured)
{
    json_t *probes = json_object(), *list = json_array();
    for (unsigned k = 0; k < HONE_PROBE_COUNT; k++) {
        const hone_probe_info *info = hone_probe_at((hone_probe_id)k);
        const hone_probe_result *x = &r->of[k];
        json_t *j = json_pack("{s:s, s:f}", "unit", info->unit, "seconds", x->seconds);
        if (x->status == HONE_OK) {
            json_object_set_new(j, "value", json_real(x->value));
            json_object_set_new(j, "spread", json_real(x->spread));
        } else {
            json_object_set_new(j, "status", json_string(hone_status_name(x->status)));
            json_object_set_new(j, "reason", hone_json_string(x->reason));
        }
        json_object_set_new(probes, info->name, j);
    }
    for (unsigned k = 0; k < HONE_LEN(numbers); k++)
        if (measured >> k & 1)
            json_array_append_new(list, json_string(numbers[k]));
    return json_pack("{s:o, s:o}", "probes", probes, "measured", list);
}

double hone_calibrate_noise(const json_t *about)
{
    static const hone_probe_id taken[] = {
        HONE_PROBE_chain,   HONE_PROBE_fma,         HONE_PROBE_load, HONE_PROBE_l2_read,
        HONE_PROBE_l3_read, HONE_PROBE_memory_read, HONE_PROBE_call, HONE_PROBE_parallel};
    const json_t *probes = json_object_get(about, "probes");
    double most = -1;
    for (unsigned k = 0; k < HONE_LEN(taken); k++) {
        const json_t *probe = json_object_get(probes, hone_probe_at(taken[k])->name);
        const json_t *spread = json_object_get(probe, "spread");
        if (json_is_number(spread))
            most = fmax(most, json_number_value(spread) / 2);
    }
    return most < 0 ? INFINITY : most;
}

hone_status hone_calibrate_store(hone_db *db, const hone_target *t, int32_t threads,
                                 const hone_machine *m, const json_t *about, hone_error *err)
{
    int64_t id = 0;
    char *target = hone_target_text(t), *class = hone_target_class(t),
         *numbers_text = hone_machine_text(m), *about_text = hone_json_text(about);
    hone_status st = hone_db_target_put(
        db, &(hone_db_target){.text = target, .threads = threads, .class = class}, &id, err);
    if (st == HONE_OK)
        st = hone_db_machine_put(
            db, &(hone_db_machine){.target_id = id, .numbers = numbers_text, .about = about_text},
            NULL, err);
    free(target);
    free(class);
    free(numbers_text);
    free(about_text);
    return st;
}

hone_status hone_calibrate_find(hone_db *db, const hone_target *t, int32_t threads,
                                hone_machine *ret, hone_error *err)
{
    hone_db_machine row;
    char *target = hone_target_text(t);
    hone_status st = hone_db_machine_latest(db, target, threads, &row, err);
    free(target);
    if (st != HONE_OK)
        return st;
    st = hone_machine_parse(row.numbers, strlen(row.numbers), t, ret, err);
    hone_db_machine_free(&row);
    return st;
}

hone_status hone_calibrate_find_noise(hone_db *db, const hone_target *t, int32_t threads,
                                      double *ret, hone_error *err)
{
    hone_db_machine row;
    json_t *about = NULL;
    char *target = hone_target_text(t);
    hone_status st = hone_db_machine_latest(db, target, threads, &row, err);
    free(target);
    if (st != HONE_OK)
        return st;
    st = hone_json_parse(row.about, strlen(row.about), &about, err);
    if (st == HONE_OK)
        *ret = hone_calibrate_noise(about);
    json_decref(about);
    hone_db_machine_free(&row);
    return st;
}

/* ---- refitting ---------------------------------------------------------------------------------
 */

typedef struct fitting {
    hone_fit *fit;
    const char *target;
    uint64_t task; /* of the kernel at hand */
    bool ours;
} fitting;

static bool take(void *ctx, const hone_history_kernel *k, const hone_history_result *r)
{
    fitting *f = ctx;
    if (f->task != k->task) {
        char *text = hone_target_text(k->target);
        f->ours = strcmp(text, f->target) == 0;
        f->task = k->task;
        free(text);
    }
    if (f->ours && r->status == HONE_OK)
        hone_fit_add(f->fit, k->task, r->features, r->time_ns);
    return true;
}

hone_status hone_calibrate_refit(const hone_calibrate_refit_options *o, hone_machine *m,
                                 hone_fit_report *ret, hone_error *err)
{
    char *class = hone_target_class(o->target), *text = hone_target_text(o->target);
    fitting f = {.fit = hone_fit_new(m), .target = text};
    const hone_history_options h = {.db = o->db,
                                    .target_class = class,
                                    .threads = o->threads,
                                    .most_in_all = o->most,
                                    .machine = m,
                                    .stop = o->stop,
                                    .stop_ctx = o->stop_ctx};
    hone_machine fitted;
    hone_status st = hone_history_read(&h, take, &f, err);
    if (st == HONE_OK) {
        hone_fit_solve(f.fit, &fitted, ret);
        *m = fitted;
    }
    hone_fit_free(f.fit);
    free(class);
    free(text);
    return st;
}
