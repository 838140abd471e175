/* The parsers of allow files and key files on anything. */
#include "workers/wire/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_allow a;
    hone_keys k;
    hone_error err = {0};
    if (hone_allow_parse((const char *)data, size, "allow", &a, &err) == HONE_OK) {
        HONE_ASSERT(a.peers.n > 0);
        for (uint32_t i = 0; i < a.peers.n; i++) {
            HONE_ASSERT(*a.peers.v[i].name);
            HONE_ASSERT(hone_allow_find_text(&a, a.peers.v[i].key) == &a.peers.v[i]);
        }
    } else {
        HONE_ASSERT(err.status == HONE_E_INPUT && *err.message);
    }
    hone_allow_free(&a);
    if (hone_keys_parse((const char *)data, size, "key", &k, &err) == HONE_OK)
        HONE_ASSERT(strlen(k.public_key) == 40 && strlen(k.secret_key) == 40);
    else
        HONE_ASSERT(!*k.secret_key);
    return 0;
}
