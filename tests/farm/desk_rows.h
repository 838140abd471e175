/* A farm of rows for tests of the desk: an admin, two users, jobs and devices in all kinds of
 * states. */
#ifndef DESK_ROWS_H
#define DESK_ROWS_H

#include "farm/desk.h"

static inline void desk_put(hone_farm *f, const hone_farm_row *r)
{
    hone_error err = {0};
    if (hone_farm_restore(f, r, &err) != HONE_OK) {
        fprintf(stderr, "restore: %s\n", err.message);
        abort();
    }
}

static inline void desk_user(hone_farm *f, const char *name, unsigned roles, bool revoked)
{
    hone_farm_row r = {
        .kind = HONE_FARM_ROW_USER,
        .user = {.roles = roles, .weight = 1, .revoked = revoked, .spent_ns = 5000000000}};
    snprintf(r.user.name, sizeof r.user.name, "%s", name);
    snprintf(r.user.key, sizeof r.user.key, "key-of-%s", name);
    desk_put(f, &r);
}

static inline void desk_job(hone_farm *f, uint64_t id, const char *user, hone_farm_job_state state)
{
    bool live = hone_farm_job_is_live(state);
    hone_farm_row r = {
        .kind = HONE_FARM_ROW_JOB,
        .job = {.id = id,
                .request = {{id, id}},
                .state = state,
                .why = live ? HONE_FARM_BECAUSE_SUBMITTED : HONE_FARM_BECAUSE_SESSION_OK,
                .class = HONE_FARM_BATCH,
                .filter = "arch=aarch64,label=kitchen",
                .queue_ms = 86400000,
                .created_at = 1000000000,
                .changed_at = 2000000000,
                .done = 12,
                .spent_ns = 3000000000}};
    snprintf(r.job.user, sizeof r.job.user, "%s", user);
    desk_put(f, &r);
}

static inline void desk_worker(hone_farm *f, const char *name, hone_farm_health health,
                               hone_farm_admin_state admin)
{
    hone_farm_row r = {
        .kind = HONE_FARM_ROW_WORKER,
        .worker = {.roles = HONE_FARM_DEVICE,
                   .attrs = "arch=aarch64,class=cortex-a72,label=kitchen",
                   .fingerprint = 7,
                   .epoch = 2,
                   .fence_end = 100,
                   .health = health,
                   .why = HONE_FARM_BECAUSE_CANARY_CLEAN,
                   .score = 70,
                   .admin = admin,
                   .by = "root",
                   .admin_until = INT64_C(100000000000000),
                   .health_until = health == HONE_FARM_HEALTH_GOOD ? 0 : INT64_C(100000000000)}};
    snprintf(r.worker.name, sizeof r.worker.name, "%s", name);
    desk_put(f, &r);
}

static inline hone_farm *desk_farm(void)
{
    hone_farm_limits l;
    hone_farm_limits_init(&l);
    hone_farm *f = hone_farm_new(&l);
    desk_put(f, &(hone_farm_row){.kind = HONE_FARM_ROW_CLOCK, .clock = INT64_C(10000000000)});
    desk_user(f, "root", HONE_FARM_ADMIN, false);
    desk_user(f, "ann", HONE_FARM_USER, false);
    desk_user(f, "bob", HONE_FARM_USER, false);
    desk_user(f, "eve", HONE_FARM_USER, true);
    desk_user(f, "pi4", HONE_FARM_DEVICE, false);
    desk_user(f, "pi5", HONE_FARM_DEVICE, false);
    desk_job(f, 1, "ann", HONE_FARM_JOB_DONE);
    desk_job(f, 2, "ann", HONE_FARM_JOB_QUEUED);
    desk_job(f, 3, "bob", HONE_FARM_JOB_QUEUED);
    desk_worker(f, "pi4", HONE_FARM_HEALTH_GOOD, HONE_FARM_ADMIN_OPEN);
    desk_worker(f, "pi5", HONE_FARM_HEALTH_QUARANTINED, HONE_FARM_ADMIN_DRAINING);
    return f;
}

#endif
