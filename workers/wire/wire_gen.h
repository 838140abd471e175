/* Declarations made from wire.def, chosen by the macro defined before inclusion:
 * HONE_WIRE_ENUM, HONE_WIRE_STRUCT or HONE_WIRE_MEMBER. No include guard: included by turns. */
#if defined HONE_WIRE_ENUM
#define MESSAGE(NAME, member, code, sender, doc) HONE_WIRE_##NAME = code,
#define END(NAME, member)
#define LATER(f)
#define U8(f, doc)
#define U32(f, doc)
#define I32(f, doc)
#define U64(f, doc)
#define I64(f, doc)
#define F64(f, doc)
#define RAW(f, n, doc)
#define TEXT(f, max, doc)
#define OTEXT(f, max, doc)
#define BYTES(f, max, doc)
#define F64S(f, max, doc)
#define LEASES(f, max, doc)
#define MANIFEST(f, doc)
#define ERROR(f, doc)
#elif defined HONE_WIRE_STRUCT
#define MESSAGE(NAME, member, code, sender, doc) typedef struct hone_wire_##member {
#define END(NAME, member) \
    }                     \
    hone_wire_##member;
#define LATER(f)
#define U8(f, doc) uint8_t f;
#define U32(f, doc) uint32_t f;
#define I32(f, doc) int32_t f;
#define U64(f, doc) uint64_t f;
#define I64(f, doc) int64_t f;
#define F64(f, doc) double f;
#define RAW(f, n, doc) uint8_t f[n];
#define TEXT(f, max, doc) const char *f;
#define OTEXT(f, max, doc) const char *f;
#define BYTES(f, max, doc) hone_wire_bytes f;
#define F64S(f, max, doc) \
    uint32_t n_##f;       \
    double f[max];
#define LEASES(f, max, doc) \
    uint32_t n_##f;         \
    hone_wire_lease f[max];
#define MANIFEST(f, doc) \
    hone_manifest f;     \
    hone_arg f##_room[HONE_MAX_ARGS];
#define ERROR(f, doc) hone_error f;
#elif defined HONE_WIRE_MEMBER
#define MESSAGE(NAME, member, code, sender, doc) hone_wire_##member member;
#define END(NAME, member)
#define LATER(f)
#define U8(f, doc)
#define U32(f, doc)
#define I32(f, doc)
#define U64(f, doc)
#define I64(f, doc)
#define F64(f, doc)
#define RAW(f, n, doc)
#define TEXT(f, max, doc)
#define OTEXT(f, max, doc)
#define BYTES(f, max, doc)
#define F64S(f, max, doc)
#define LEASES(f, max, doc)
#define MANIFEST(f, doc)
#define ERROR(f, doc)
#endif
#include "workers/wire/wire.def"
#include "workers/wire/wire_undef.h"
#undef HONE_WIRE_ENUM
#undef HONE_WIRE_STRUCT
#undef HONE_WIRE_MEMBER
