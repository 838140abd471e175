/* wire: the messages between coordinator and workers as plain structs, made from wire.def.
 * docs/PROTOCOL.md says what they mean and in which order they come. */
#ifndef HONE_WORKERS_WIRE_H
#define HONE_WORKERS_WIRE_H

#include "workers/workers.h"

#define HONE_WIRE_VERSION 1
/* Counts what was added within the version. */
#define HONE_WIRE_REVISION 4
#define HONE_WIRE_REVISION_CANCEL 1 /* since when there is CANCEL */
#define HONE_WIRE_REVISION_CLIENT 2 /* since when there are clients: SAY and TELL */
#define HONE_WIRE_REVISION_KEEP 4   /* since when outcomes are kept until ACK; PROGRESS */
#define HONE_WIRE_HEADER_BYTES 36
/* ZMQ_MAXMSGSIZE. Every message that keeps the limits of its fields is smaller. */
#define HONE_WIRE_MESSAGE_MAX (32 << 20)

typedef enum hone_wire_type {
#define HONE_WIRE_ENUM
#include "workers/wire/wire_gen.h"
} hone_wire_type;

enum { HONE_REFUSE_VERSION = 1, HONE_REFUSE_BUSY, HONE_REFUSE_HELLO };
enum { HONE_NACK_TYPE = 1, HONE_NACK_MALFORMED, HONE_NACK_CREDIT, HONE_NACK_DIRECTION };

typedef struct hone_wire_bytes {
    const uint8_t *p;
    uint32_t n;
} hone_wire_bytes;

enum { HONE_WIRE_FETCHING = 1, HONE_WIRE_CHECKING, HONE_WIRE_TIMING, HONE_WIRE_ENDED };
enum { HONE_WIRE_TAKEN = 1, HONE_WIRE_AGAIN, HONE_WIRE_STALE, HONE_WIRE_COUNTED };

/* What a worker holds. */
typedef struct hone_wire_lease {
    uint64_t realm; /* of the coordinator that gave it */
    uint64_t fence, unit_a, unit_b;
    uint32_t epoch;
    uint32_t phase;  /* HONE_WIRE_FETCHING and so on; ENDED: its outcome waits for ACK */
    int64_t left_ms; /* that it may still take; 0: ended */
} hone_wire_lease;
#define HONE_WIRE_LEASES 64 /* in one HELLO */

#define HONE_WIRE_STRUCT
#include "workers/wire/wire_gen.h"

/* One message. After a decode, texts and bytes point into the decoded buffer, and a manifest's
 * arguments lie in the message itself (`manifest_room`), so that a copy of it has none. */
typedef struct hone_wire {
    uint8_t version;     /* of the header; HONE_WIRE_VERSION */
    uint8_t type;        /* hone_wire_type */
    uint8_t session[16]; /* zeros before WELCOME */
    uint64_t seq;        /* grows with each message of a sender */
    int64_t deadline_ms; /* what the sender will wait for an answer; 0: not said */
    union {
#define HONE_WIRE_MEMBER
#include "workers/wire/wire_gen.h"
    };
} hone_wire;

/* "HELLO" for its code; "?" outside the table. */
const char *hone_wire_name(unsigned type);

/* Appends the message to *ret. HONE_E_LIMIT when a field is longer than the protocol allows (the
 * buffer is then as before); a required text that is NULL is sent as "". */
hone_status hone_wire_encode(const hone_wire *m, hone_buf *ret, hone_error *err) HONE_NODISCARD;

/* Reads one message. Never reads past n; what follows the last known field is ignored.
 * HONE_E_PROTOCOL: malformed. HONE_E_VERSION: other version or unknown type; header fields of
 * *ret are then filled, for a NACK. */
hone_status hone_wire_decode(const void *bytes, size_t n, hone_wire *ret,
                             hone_error *err) HONE_NODISCARD;

/* Overwrites session and number of an encoded message. */
void hone_wire_readdress(void *bytes, const uint8_t session[16], uint64_t seq);

/* ---- jobs and results as messages (job.c); texts are borrowed from what is given ------------- */

hone_wire_build hone_wire_of_build(const hone_build_job *job, uint64_t ticket);
hone_build_job hone_wire_build_job(const hone_wire_build *m);
/* `keys`, `artifacts`: candidate, reference, incumbent (0, NULL: none). */
hone_wire_measure hone_wire_of_measure(const hone_measure_job *job, uint64_t ticket,
                                       const uint64_t keys[3]);
hone_measure_job hone_wire_measure_job(const hone_wire_measure *m,
                                       const hone_artifact *const artifacts[3]);
void hone_wire_of_result(const hone_measure_result *r, hone_wire_measured *ret);

/* No duration that a worker speaks of is longer: 115 days. */
#define HONE_WIRE_DURATION_MAX_NS INT64_C(10000000000000000)
/* Takes the result of the job `asked`. HONE_E_PROTOCOL, naming it, when something about it cannot
 * be: no sender that means well sends that. Of a result that is not HONE_OK no times are taken. */
hone_status hone_wire_result(const hone_wire_measured *m, const hone_measure_job *asked,
                             hone_measure_result *ret, hone_error *err) HONE_NODISCARD;

/* ---- artifacts ------------------------------------------------------------------------------ */

/* The name under which an artifact is cached: hash of its bytes and of its encoded manifest. */
uint64_t hone_wire_artifact_key(const hone_manifest *m, const void *bytes, size_t n);

#endif
