/* What is to be tuned: read from a request, written for storage, read again after a restart. */
#include "farm/desk/internal.h"
#include "tuner/tuner.h"

#define MAX_TEXT (200 << 10) /* of all kernels of a job */
#define MAX_TARGET (16 << 10)
#define MAX_TITLE 256

static hone_status read_sizes(const json_t *j, hone_desk_task *ret, hone_error *err)
{
    const json_t *sizes = json_object_get(j, "sizes");
    const char *name;
    json_t *value;
    if (sizes && !json_is_object(sizes))
        return hone_fail(err, HONE_E_INPUT, "\"sizes\" is to be an object of whole numbers");
    json_object_foreach((json_t *)(uintptr_t)sizes, name, value)
    {
        if (ret->n_sizes == HONE_DESK_MAX_SIZES)
            return hone_fail(err, HONE_E_INPUT, "a kernel has at most %d sizes",
                             HONE_DESK_MAX_SIZES);
        if (!json_is_integer(value) || json_integer_value(value) < 0 || strlen(name) > 63)
            return hone_fail(err, HONE_E_INPUT, "a size is a whole number that is not negative");
        ret->sizes[ret->n_sizes++] = (hone_desk_size){name, json_integer_value(value)};
    }
    return HONE_OK;
}

hone_status hone_desk__task(const json_t *j, hone_desk_task *ret, hone_error *err)
{
    hone_desk__fields f = {.j = j, .err = err};
    *ret = (hone_desk_task){0};
    if (!json_is_object(j))
        return hone_fail(err, HONE_E_INPUT, "a kernel is to be an object");
    ret->text = hone_desk__text(&f, "text", MAX_TEXT, false);
    ret->name = hone_desk__name(&f, "name", 127, ret->text == NULL);
    ret->title = hone_desk__text(&f, "title", MAX_TITLE, false);
    if (!ret->title)
        ret->title = ret->name ? ret->name : "kernel";
    const json_t *w = json_object_get(j, "weight");
    ret->weight = w ? json_number_value(w) : 1;
    if (f.st == HONE_OK && (!(ret->weight >= 0) || ret->weight > 1e9))
        f.st = hone_fail(err, HONE_E_INPUT, "a weight is from 0 to 1e9");
    return f.st == HONE_OK ? read_sizes(j, ret, err) : f.st;
}

static hone_status read_tasks(const json_t *j, hone_desk_spec *ret, hone_error *err)
{
    const json_t *tasks = json_object_get(j, "tasks");
    size_t n = json_array_size(tasks);
    if (n == 0 || n > HONE_DESK_MAX_TASKS)
        return hone_fail(err, HONE_E_INPUT, "\"tasks\" is to be an array of 1 to %d kernels",
                         HONE_DESK_MAX_TASKS);
    if (n > 1 && !ret->list)
        return hone_fail(err, HONE_E_INPUT, "several kernels are a list: give its name, \"list\"");
    ret->tasks = hone_xcalloc(n, sizeof *ret->tasks);
    for (; ret->n < n; ret->n++)
        HONE_TRY(hone_desk__task(json_array_get(tasks, ret->n), &ret->tasks[ret->n], err));
    HONE_TRY(hone_choices_parse(json_object_get(j, "choices"), ret->n, &ret->choices,
                                &ret->n_choices, err));
    for (uint32_t k = 0; k < n; k++)
        if (!(ret->tasks[k].weight > 0) && !hone_choices_have(ret->choices, ret->n_choices, k))
            return hone_fail(err, HONE_E_INPUT,
                             "a weight is greater than 0 but for tasks of choices");
    return HONE_OK;
}

hone_status hone_desk__spec(const json_t *j, hone_desk_spec *ret, hone_error *err)
{
    hone_desk__fields f = {.j = j, .err = err};
    *ret = (hone_desk_spec){.json = json_incref((json_t *)(uintptr_t)j)};
    if (!json_is_object(j))
        f.st = hone_fail(err, HONE_E_INPUT, "a job is to be an object");
    ret->list = hone_desk__text(&f, "list", MAX_TITLE, false);
    ret->filter = hone_desk__text(&f, "filter", HONE_FARM_FILTER - 1, false);
    ret->target = hone_desk__text(&f, "target", MAX_TARGET, false);
    if (!ret->target || !*ret->target)
        ret->target = "device";
    ret->strategy = hone_desk__name(&f, "strategy", 63, false);
    ret->threads = hone_desk__int(&f, "threads", 0, HONE_MAX_THREADS, 0);
    ret->trials = hone_desk__int(&f, "trials", 0, 1000000000, 0);
    ret->time_s = hone_desk__int(&f, "time_s", 0, 1000000000, 0);
    ret->seed = hone_desk__int(&f, "seed", 0, INT64_MAX, 1);
    ret->alone = hone_desk__flag(&f, "alone");
    ret->class = (hone_farm_class)hone_desk__word(&f, "class", hone_desk__classes,
                                                  HONE_FARM_CLASS_COUNT, HONE_FARM_BATCH);
    int64_t queue_s = hone_desk__int(&f, "queue_s", 0, 1000000000, -1);
    ret->queue_ms = queue_s >= 0 ? queue_s * 1000 /* else as it is stored */
                                 : hone_desk__int(&f, "queue_ms", 0, INT64_C(1000000000000), 0);
    if (f.st == HONE_OK)
        f.st = read_tasks(j, ret, err);
    if (f.st != HONE_OK)
        hone_desk_spec_free(ret);
    return f.st;
}

hone_status hone_desk_spec_parse(const char *text, size_t n, hone_desk_spec *ret, hone_error *err)
{
    json_t *j = NULL;
    *ret = (hone_desk_spec){0};
    if (n > HONE_DESK_MAX_REQUEST)
        return hone_fail(err, HONE_E_INPUT, "a job is at most %d bytes", HONE_DESK_MAX_REQUEST);
    HONE_TRY(hone_json_parse(text, n, &j, err));
    hone_status st = hone_desk__spec(j, ret, err);
    json_decref(j);
    return st;
}

void hone_desk_spec_free(hone_desk_spec *s)
{
    json_decref(s->json);
    free(s->tasks);
    free(s->choices);
    *s = (hone_desk_spec){0};
}

static void set_text(json_t *j, const char *key, const char *text)
{
    if (text)
        json_object_set_new(j, key, hone_json_string(text));
}

char *hone_desk__spec_text(const hone_desk_spec *s)
{
    json_t *tasks = json_array();
    for (unsigned k = 0; k < s->n; k++) {
        const hone_desk_task *t = &s->tasks[k];
        json_t *one = json_pack("{s:f}", "weight", t->weight), *sizes = json_object();
        set_text(one, "text", t->text);
        set_text(one, "name", t->name);
        set_text(one, "title", t->title);
        for (unsigned i = 0; i < t->n_sizes; i++)
            json_object_set_new(sizes, t->sizes[i].name, json_integer(t->sizes[i].value));
        json_object_set_new(one, "sizes", sizes);
        json_array_append_new(tasks, one);
    }
    json_t *j =
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:b, s:s, s:I}", "tasks", tasks, "threads",
                  (json_int_t)s->threads, "trials", (json_int_t)s->trials, "time_s",
                  (json_int_t)s->time_s, "seed", (json_int_t)s->seed, "alone", s->alone, "class",
                  hone_desk__classes[s->class], "queue_ms", (json_int_t)s->queue_ms);
    if (s->n_choices)
        json_object_set_new(j, "choices", hone_choices_json(s->choices, s->n_choices));
    set_text(j, "list", s->list);
    set_text(j, "filter", s->filter);
    set_text(j, "target", s->target);
    set_text(j, "strategy", s->strategy);
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

char *hone_desk_filter(const hone_desk_spec *s)
{
    const char *filter = s->filter ? s->filter : "";
    return s->threads > 1
               ? hone_xasprintf("%s%scores>=%" PRId64, filter, *filter ? "," : "", s->threads)
               : hone_xstrdup(filter);
}
