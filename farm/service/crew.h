/* crew: the threads that sessions of the tuner run in. A job is a sitting of one of them from its
 * opening to its end: search, models, and reading the log take as long as they take, and the
 * service's loop waits for none of it. What a session wants and says goes to the loop as letters,
 * what came of it comes back as letters; what it stores goes to the storage.
 *
 * Threads: the loop starts, stops, and calls all of this. */
#ifndef HONE_FARM_SERVICE_CREW_H
#define HONE_FARM_SERVICE_CREW_H

#include "farm/desk.h"
#include "farm/service/storage.h"
#include "tuner/tuner.h"

typedef struct crew crew;
typedef struct sitting sitting;

/* An artifact that several hold. */
typedef struct blob {
    hone_artifact artifact; /* owned */
    _Atomic uint32_t refs;
} blob;
/* Takes the artifact, of which nothing is left; the caller holds it. */
blob *hone_service__blob_new(hone_artifact *a);
blob *hone_service__blob_hold(blob *b);
/* NULL is fine. */
void hone_service__blob_drop(blob *b);

/* ---- to the loop: letters by their kind -------------------------------------------------------
 */

enum {
    SAID_WANT,   /* want_letter */
    SAID_UNWANT, /* said_letter: tag */
    SAID_LINE,   /* said_letter: line */
    SAID_TRIAL,  /* said_letter: text, best, compare_ns */
    SAID_OVER,   /* said_letter: status, error */
    SAID_STORED, /* storage_batch */
    SAID_ANSWER  /* of a query (farm/service/asker.c) */
};

/* A unit that a session waits for; the loop's from then on. */
typedef struct want {
    letter letter;
    uint64_t sitting, tag;
    uint32_t life;   /* of the sitting */
    struct job *job; /* the loop's: NULL before it has it */
    uint32_t at;     /* likewise: place in the list */
    uint64_t gift;   /* likewise: names sitting, life and what is measured; 0: a build */
    hone_farm_key unit;
    bool is_build;
    hone_build_job build; /* owns its texts */
    hone_measure_job measure;
    blob *blobs[3]; /* candidate, reference, incumbent; NULL: none */
} want;
void hone_service__want_free(want *w);

typedef struct said_letter {
    letter letter;
    uint64_t sitting, tag;
    json_t *line;
    char *text;
    bool best;
    int64_t compare_ns;
    hone_status status;
    hone_error *error; /* owned; NULL: none. It is large, and letters are many */
} said_letter;

/* ---- to a sitting -----------------------------------------------------------------------------
 */

/* What came of what it wanted. */
typedef struct given {
    letter letter;
    sitting *to;
    uint64_t tag;
    bool is_build;
    hone_status status;
    hone_error error;
    hone_measure_result result;
    int64_t spent_ns;
    char device[64];
    uint64_t fence; /* of a measurement: which lease of that device it was */
    bool suspect;   /* the device was found to compute wrong since */
    blob *artifact; /* or NULL */
} given;

typedef struct sitting_setup {
    uint64_t number; /* no other sitting has it */
    uint64_t job;
    const char *spec; /* text, read before by the loop */
    hone_target target;
} sitting_setup;

typedef struct crew_options {
    unsigned threads;
    const char *db_path;
    const char *llvm_version;
    storage *storage;
    mailbox *inbox; /* the loop's */
} crew_options;

/* Opens a reader for each thread: what hone_db_open returns. */
hone_status hone_service__crew_start(const crew_options *o, crew **ret,
                                     hone_error *err) HONE_NODISCARD;
/* Ends all sittings where they are, also in the middle of a long search. NULL is fine. Before the
 * storage is stopped, as they may wait for it. */
void hone_service__crew_stop(crew *c);

/* In the thread that has the fewest. It says SAID_OVER once, when it has ended or cannot begin. */
sitting *hone_service__sit(crew *c, const sitting_setup *s);
void hone_service__sitting_give(sitting *j, given *g);
/* The session is to end, and says SAID_OVER then. */
void hone_service__sitting_stop(sitting *j);
/* Workers that could build and run for it. */
void hone_service__sitting_able(sitting *j, uint32_t build, uint32_t run);
/* It is not used any more, and freed by its thread. What it has said may still come. */
void hone_service__sitting_end(sitting *j);

/* ---- content.c: what units are named by --------------------------------------------------------
 */

hone_farm_key hone_service__key_of_artifact(const hone_artifact *a);
/* All that a build may depend on; by whom and until when is not among it. */
hone_farm_key hone_service__key_of_build(const hone_build_job *b);
/* contents: of candidate, reference, incumbent; zero: none. */
hone_farm_key hone_service__key_of_measure(const hone_measure_job *m,
                                           const hone_farm_key contents[3]);
/* The nth time that the same is measured again; 0: as it is. */
hone_farm_key hone_service__key_of_repetition(hone_farm_key content, uint32_t n);

/* jobs.c: of a task's text, or of a built-in. HONE_E_INPUT, and what hone_workload_parse returns.
 */
hone_status hone_service__parse_task(const hone_desk_task *t, hone_program *ret,
                                     hone_error *err) HONE_NODISCARD;

/* ---- sitting.c, sitting_loop.c: what a thread of the crew does with one
 * -----------------------------------------
 */

/* The thread's own. */
typedef struct seat {
    const crew_options *o;
    hone_db *reader;
    _Atomic bool *quitting;
    _Atomic uint64_t *tags;
} seat;
sitting *hone_service__sitting_new(const sitting_setup *s, mailbox *box);
mailbox *hone_service__sitting_box(const sitting *j);
void hone_service__sitting_open(sitting *j, const seat *at);
void hone_service__sitting_take(sitting *j, given *g);
/* At least ten times a second. */
void hone_service__sitting_tend(sitting *j);
void hone_service__sitting_close(sitting *j);
/* Nothing of it matters any more. Any thread. */
void hone_service__sitting_leave(sitting *j);

#endif
