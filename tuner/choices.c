/* Choices of a network: which cover is run, and how choices are written. */
#include "tuner/tuner.h"

#include <jansson.h>

uint32_t hone_choice_fastest(const hone_choice *c, const double *ns, double *ret_ns)
{
    uint32_t best = c->n;
    *ret_ns = 0;
    for (uint32_t k = 0; k < c->n; k++) {
        double sum = 0;
        bool known = true;
        for (uint32_t j = 0; j < c->covers[k].n; j++) {
            known &= ns[c->covers[k].task[j]] > 0;
            sum += ns[c->covers[k].task[j]];
        }
        if (known && (best == c->n || sum < *ret_ns)) {
            best = k;
            *ret_ns = sum;
        }
    }
    return best;
}

bool hone_choices_have(const hone_choice *c, uint32_t n, uint32_t task)
{
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t j = 0; j < c[k].n; j++)
            for (uint32_t i = 0; i < c[k].covers[j].n; i++)
                if (c[k].covers[j].task[i] == task)
                    return true;
    return false;
}

/* ---- text ------------------------------------------------------------------------------------ */

static hone_status parse_cover(const json_t *j, uint32_t n, hone_cover *ret, hone_error *err)
{
    size_t size = json_array_size(j);
    if (size < 1 || size > HONE_COVER_MAX)
        return hone_fail(err, HONE_E_INPUT, "a cover is an array of 1 to %d tasks", HONE_COVER_MAX);
    *ret = (hone_cover){.n = (uint32_t)size};
    for (size_t k = 0; k < size; k++) {
        const json_t *t = json_array_get(j, k);
        if (!json_is_integer(t) || json_integer_value(t) < 0 || json_integer_value(t) >= n)
            return hone_fail(err, HONE_E_INPUT,
                             "a task of a cover is its place in the list, from 0 to %" PRIu32,
                             n - 1);
        ret->task[k] = (uint32_t)json_integer_value(t);
    }
    return HONE_OK;
}

static hone_status parse_choice(const json_t *j, uint32_t n, hone_choice *ret, hone_error *err)
{
    const json_t *weight = json_object_get(j, "weight"), *covers = json_object_get(j, "covers");
    size_t size = json_array_size(covers);
    *ret = (hone_choice){.weight = weight ? json_number_value(weight) : 1, .n = (uint32_t)size};
    if (!json_is_object(j) || size < 2 || size > HONE_COVERS_MAX)
        return hone_fail(
            err, HONE_E_INPUT,
            "a choice is {\"weight\": 1, \"covers\": [[0], [1, 2]]}, of 2 to %d covers",
            HONE_COVERS_MAX);
    if (!(ret->weight > 0) || ret->weight > 1e9)
        return hone_fail(err, HONE_E_INPUT,
                         "the weight of a choice is greater than 0 and at most 1e9");
    for (size_t k = 0; k < size; k++)
        HONE_TRY(parse_cover(json_array_get(covers, k), n, &ret->covers[k], err));
    return HONE_OK;
}

hone_status hone_choices_parse(const json_t *j, uint32_t n, hone_choice **ret, uint32_t *ret_n,
                               hone_error *err)
{
    size_t size = json_array_size(j);
    *ret = NULL;
    *ret_n = 0;
    if ((j && !json_is_array(j)) || size > HONE_CHOICES_MAX)
        return hone_fail(err, HONE_E_INPUT, "\"choices\" is an array of at most %d",
                         HONE_CHOICES_MAX);
    *ret = hone_xcalloc(size + 1, sizeof **ret);
    for (; *ret_n < size; (*ret_n)++)
        HONE_TRY(parse_choice(json_array_get(j, *ret_n), n, &(*ret)[*ret_n], err));
    return HONE_OK;
}

json_t *hone_choices_json(const hone_choice *c, uint32_t n)
{
    json_t *all = json_array();
    for (uint32_t k = 0; k < n; k++) {
        json_t *covers = json_array();
        for (uint32_t j = 0; j < c[k].n; j++) {
            json_t *cover = json_array();
            for (uint32_t i = 0; i < c[k].covers[j].n; i++)
                json_array_append_new(cover, json_integer(c[k].covers[j].task[i]));
            json_array_append_new(covers, cover);
        }
        json_array_append_new(all,
                              json_pack("{s:f, s:o}", "weight", c[k].weight, "covers", covers));
    }
    return all;
}
