/* The words of the farm's tables, and the defaults of its limits. */
#include "farm/internal.h"

#define WORD(list, n, i) ((unsigned)(i) < (n) ? (list)[i] : "?")

const char *hone_farm_job_state_name(hone_farm_job_state s)
{
    static const char *const names[] = {
#define HONE_FARM_JOB(name, text, live, end) text,
#include "farm/states.def"
#undef HONE_FARM_JOB
    };
    return WORD(names, HONE_FARM_JOB_COUNT, s);
}

bool hone_farm_job_is_live(hone_farm_job_state s)
{
    static const bool is_live[] = {
#define HONE_FARM_JOB(name, text, live, end) live,
#include "farm/states.def"
#undef HONE_FARM_JOB
    };
    return (unsigned)s < HONE_FARM_JOB_COUNT && is_live[s];
}

const char *hone_farm_link_name(hone_farm_link l)
{
    static const char *const names[] = {
#define HONE_FARM_LINK(name, text) text,
#include "farm/states.def"
#undef HONE_FARM_LINK
    };
    return WORD(names, HONE_FARM_LINK_COUNT, l);
}

const char *hone_farm_health_name(hone_farm_health h)
{
    static const char *const names[] = {
#define HONE_FARM_HEALTH(name, text, takes, end) text,
#include "farm/states.def"
#undef HONE_FARM_HEALTH
    };
    return WORD(names, HONE_FARM_HEALTH_COUNT, h);
}

const char *hone_farm_health_ends(hone_farm_health h)
{
    static const char *const ends[] = {
#define HONE_FARM_HEALTH(name, text, takes, end) end,
#include "farm/states.def"
#undef HONE_FARM_HEALTH
    };
    return WORD(ends, HONE_FARM_HEALTH_COUNT, h);
}

bool hone_farm__takes(hone_farm_health h)
{
    static const bool takes[] = {
#define HONE_FARM_HEALTH(name, text, units, end) units,
#include "farm/states.def"
#undef HONE_FARM_HEALTH
    };
    return (unsigned)h < HONE_FARM_HEALTH_COUNT && takes[h];
}

const char *hone_farm_admin_name(hone_farm_admin_state a)
{
    static const char *const names[] = {
#define HONE_FARM_ADMIN(name, text, end) text,
#include "farm/states.def"
#undef HONE_FARM_ADMIN
    };
    return WORD(names, HONE_FARM_ADMIN_COUNT, a);
}

const char *hone_farm_verb_name(hone_farm_verb v)
{
    static const char *const names[] = {
#define HONE_FARM_VERB(name, word, roles, own) word,
#include "farm/verbs.def"
#undef HONE_FARM_VERB
    };
    return WORD(names, HONE_FARM_VERB_COUNT, v);
}

static const char *const reasons[][2] = {
#define HONE_FARM_REASON(name, word, text) {word, text},
#include "farm/reasons.def"
#undef HONE_FARM_REASON
};

const char *hone_farm_reason_name(hone_farm_reason r)
{
    return (unsigned)r < HONE_FARM_BECAUSE_COUNT ? reasons[r][0] : "?";
}

const char *hone_farm_reason_text(hone_farm_reason r)
{
    return (unsigned)r < HONE_FARM_BECAUSE_COUNT ? reasons[r][1] : "?";
}

void hone_farm_limits_init(hone_farm_limits *ret)
{
    *ret = (hone_farm_limits){
#define HONE_FARM_LIMIT(name, otherwise, text) .name = otherwise,
#include "farm/limits.def"
#undef HONE_FARM_LIMIT
    };
}
