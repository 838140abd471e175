/* What a session says, as the lines of JSON that `hone tune --json` prints and a service passes on.
 *
 * Threads: those of the session that is told of. */
#ifndef HONE_TUNER_TELL_H
#define HONE_TUNER_TELL_H

#include "tuner/tuner.h"

/* One trial; task: the title of its kernel, when there are several, or NULL. The caller's. */
json_t *hone_tell_trial(const hone_trial *t, const char *task);
/* The same as text, keys sorted; owned by the caller. There are thousands a second in a service. */
char *hone_tell_trial_text(const hone_trial *t, const char *task);
/* {"progress": {"phase", "trials", "budget", "ok", "failed", "rejected_by", "best_ns", "gflops",
 * "elapsed_s", "left_s"}}; left_s only when it is known. The caller's. */
json_t *hone_tell_progress(const hone_progress *p);
/* How a session of these options went, and where; search_ns: spent in steps. st, err: what ended
 * it. The caller's. */
json_t *hone_tell_summary(const hone_session_options *o, const hone_session_result *r,
                          int64_t search_ns, hone_status st, const hone_error *err);

/* The kernels of a task list: titles are for people, sizes as of the kernel. */
typedef struct hone_tell_list {
    const char *name;
    const hone_session_options *each;
    const hone_task_list *tasks;
    const hone_task_kernel *kernels;
    const char *const *titles;
    uint32_t n;
    const hone_choice *choices;
    uint32_t n_choices;
} hone_tell_list;
/* How a list went. The caller's. */
json_t *hone_tell_list_summary(const hone_tell_list *l, double wall_s);
/* {"progress": {"phase": title of what is worked on, or "final races", "trials", "budget",
 * "total_ns", "without"}}. The caller's. */
json_t *hone_tell_list_progress(const hone_tell_list *l, uint64_t budget);

#endif
