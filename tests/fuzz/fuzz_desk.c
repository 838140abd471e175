/* Any bytes as a request, by an admin and by a stranger: an answer that is JSON, or an event whose
 * texts are bounded; and what is stored of a job is read as the same job again. */
#include "../farm/desk_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const hone_desk_answer *a, bool known)
{
    if (!a->say) {
        json_t *j = NULL;
        HONE_ASSERT(hone_json_parse(a->text.s, a->text.n, &j, NULL) == HONE_OK);
        bool ok = json_is_true(json_object_get(j, "ok"));
        HONE_ASSERT(ok ? known : json_is_string(json_object_get(j, "error")));
        json_decref(j);
        return;
    }
    const hone_farm_say *s = &a->event.say;
    HONE_ASSERT(a->event.kind == HONE_FARM_SAY && s->verb < HONE_FARM_VERB_COUNT);
    HONE_ASSERT(!s->name || (strlen(s->name) > 0 && strlen(s->name) < HONE_FARM_NAME));
    HONE_ASSERT(!s->key || strlen(s->key) < HONE_FARM_KEY_TEXT);
    HONE_ASSERT(!s->filter || strlen(s->filter) < HONE_FARM_FILTER);
    HONE_ASSERT(s->for_ms >= 0 && s->queue_ms >= 0 && s->class < HONE_FARM_CLASS_COUNT);
    HONE_ASSERT((s->verb == HONE_FARM_VERB_SUBMIT) == (a->spec != NULL));
    if (a->spec) {
        hone_desk_spec spec;
        HONE_ASSERT(hone_desk_spec_parse(a->spec, strlen(a->spec), &spec, NULL) == HONE_OK);
        HONE_ASSERT(spec.n >= 1 && spec.class == s->class && spec.queue_ms == s->queue_ms);
        hone_desk_spec_free(&spec);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hone_farm *farm;
    if (!farm)
        farm = desk_farm();
    hone_desk *d = hone_desk_new(farm, NULL, 1);
    hone_desk_answer a;
    hone_desk_request(d, (hone_desk_peer){1, 1}, "root", data, size, &a);
    check_answer(&a, true);
    hone_buf_free(&a.text);
    hone_desk_request(d, (hone_desk_peer){1, 1}, "stranger", data, size, &a);
    check_answer(&a, false);
    hone_buf_free(&a.text);
    hone_desk_free(d);
    return 0;
}
