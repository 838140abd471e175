/* A sitting, inside: what its thread knows of a job (sitting.c), what it and the loop say to each
 * other (sitting_loop.c), and what its sessions want (wants.c). */
#ifndef HONE_FARM_SERVICE_SITTING_H
#define HONE_FARM_SERVICE_SITTING_H

#include "farm/service/crew.h"

#include <stdatomic.h>

#define MS INT64_C(1000000)
#define HELD 8 /* artifacts that are likely to be sent again */

typedef struct asked {
    uint64_t tag;
    unsigned k; /* its session */
} asked;

typedef struct held {
    blob *blob;
    hone_farm_key content;
    uint64_t used;
} held;

enum { GO_ON, STOP, LEAVE };

struct sitting {
    mailbox *box;
    _Atomic uint32_t able[2]; /* to build, to run */
    _Atomic int wish;         /* what the loop wants of it */
    uint64_t number, id;      /* its own, its job's */
    const seat *at;
    char *text;                  /* of spec */
    bool has_spec, opened, over; /* over: SAID_OVER is said */
    hone_desk_spec spec;
    hone_target target;
    hone_model *prior;
    hone_task_kernel *kernels; /* as many as tasks */
    hone_program *programs;
    char **sizes;
    hone_session_options each;
    hone_task_list *list; /* NULL: one kernel */
    hone_session *one[1];
    scribe *scribe;
    int64_t opened_ns, step_ns;
    uint64_t trials;        /* since it was opened */
    uint64_t used_trials;   /* before */
    int64_t used_ms;        /* likewise */
    int64_t noted_ns;       /* when that was stored last */
    int64_t told_ns;        /* when progress was told last */
    uint64_t noted_trials;  /* what was stored then */
    hone_progress progress; /* not told yet: has_progress */
    bool has_progress;
    uint32_t life; /* how often it was opened again: what it was given before is forgotten */
    HONE_VEC(asked) asked;
    held held[HELD];
    uint64_t turn;
    bool lost;          /* what it wrote did not become durable: it is to be opened again */
    int64_t again_ns;   /* not opened before */
    const given *taken; /* what a session is being told; NULL: time passes */
};

/* ---- sitting_loop.c */
/* To the loop; line is given away, and may be NULL. */
void hone_service__say(const sitting *j, int kind, uint64_t tag, json_t *line);
/* As hone_tell_trial has it. */
void hone_service__say_trial(const sitting *j, const hone_trial *t, const char *task);
/* SAID_OVER, the first time. */
void hone_service__sitting_over(sitting *j, hone_status st, const hone_error *err);
/* Nothing of it matters any more. */
bool hone_service__sitting_left(const sitting *j);

/* ---- wants.c */
void hone_service__ask(sitting *j, unsigned k, const hone_session_action *a);
/* False: it is not wanted any more. */
bool hone_service__take_asked(sitting *j, uint64_t tag, asked *ret);
/* Keeps an artifact that it will send, which the caller gives away. */
void hone_service__remember(sitting *j, blob *b);
/* Wants nothing any more, and was given nothing. */
void hone_service__forget(sitting *j);

#endif
