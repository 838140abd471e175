/* Any bytes as a model's file: a row as it was packed, or refused with a reason. Once as they are,
 * and once behind a first line that fits them, as a fuzzer does not find checksums. */
#include "tuner/tuner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const char *bytes, size_t n)
{
    hone_db_model row, again;
    hone_buf file = {0};
    hone_error err = {0};
    hone_status st = hone_prior_unpack(bytes, n, "file", &row, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    if (st != HONE_OK) {
        HONE_ASSERT(st == HONE_E_FOREIGN || st == HONE_E_VERSION || st == HONE_E_CORRUPT);
        return;
    }
    HONE_ASSERT(row.class && *row.class && row.threads >= 0 && row.bytes.n > 0);
    hone_prior_pack(&row, &file);
    HONE_ASSERT(hone_prior_unpack(file.s, file.n, "file", &again, &err) == HONE_OK);
    HONE_ASSERT(strcmp(row.class, again.class) == 0 && strcmp(row.about, again.about) == 0);
    HONE_ASSERT(row.threads == again.threads && row.created_ms == again.created_ms);
    HONE_ASSERT(row.bytes.n == again.bytes.n &&
                memcmp(row.bytes.v, again.bytes.v, row.bytes.n) == 0);
    hone_model *m;
    st = hone_prior_parse(&row, "file", &m, &err);
    if (st == HONE_OK)
        hone_model_free(m);
    HONE_ASSERT(st == HONE_OK || st == HONE_E_FOREIGN || st == HONE_E_VERSION ||
                st == HONE_E_CORRUPT);
    hone_buf_free(&file);
    hone_db_model_free(&row);
    hone_db_model_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_buf whole = {0};
    char hash[17];
    unpack((const char *)data, size);
    hone_hash_format(hone_hash_bytes(0, data, size), hash);
    hone_buf_printf(&whole, "hone-prior 1 %s\n", hash);
    hone_buf_add(&whole, data, size);
    char *exact = hone_xmalloc(whole.n);
    memcpy(exact, whole.s, whole.n);
    unpack(exact, whole.n);
    free(exact);
    hone_buf_free(&whole);
    return 0;
}
