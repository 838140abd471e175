/* keys: CURVE key files and allow-lists.
 *
 * A key file (mode 0600) holds one pair:        An allow file lists whom to talk to:
 *   # comment                                     # comment
 *   public-key = <40 characters of Z85>           <40 characters of Z85> <name>
 *   secret-key = <40 characters of Z85>           <40 characters of Z85> <name> role=user share=2
 *
 * A line may say what the key is for, `role=` user, device, builder or admin, or several of them
 * with commas; else it is a device's and a builder's. `share=` is the weight of a user among users,
 * 1 if not said. `name=` before the name is fine, in any place.
 * A line that begins with '#' is a comment, so hone_keygen never makes a public key that does.
 *
 * Threads: any may call; what is read belongs to the caller. */
#ifndef HONE_WORKERS_WIRE_KEYS_H
#define HONE_WORKERS_WIRE_KEYS_H

#include "workers/workers.h"

#define HONE_KEY_TEXT 41 /* Z85 and NUL */

typedef struct hone_keys {
    char public_key[HONE_KEY_TEXT];
    char secret_key[HONE_KEY_TEXT];
} hone_keys;

typedef struct hone_allowed {
    char key[HONE_KEY_TEXT];
    uint8_t raw[32];
    char name[64];
    unsigned may;  /* HONE_KEY_* */
    int64_t share; /* >= 1 */
} hone_allowed;

typedef struct hone_allow {
    HONE_VEC(hone_allowed) peers;
} hone_allow;

/* Reads a key file. HONE_E_NOTFOUND, HONE_E_IO; HONE_E_INPUT with file and line, also when others
 * may read the file or the two keys are not a pair. */
hone_status hone_keys_read(const char *path, hone_keys *ret, hone_error *err) HONE_NODISCARD;
/* The same from text; `where` names it in messages. */
hone_status hone_keys_parse(const char *text, size_t n, const char *where, hone_keys *ret,
                            hone_error *err) HONE_NODISCARD;
/* Overwrites the keys in memory. */
void hone_keys_forget(hone_keys *k);

/* Reads an allow file into *ret, which the caller frees also after a failure. HONE_E_NOTFOUND,
 * HONE_E_IO; HONE_E_INPUT with file and line: bad key, no name, no such role, key twice, no key at
 * all. */
hone_status hone_allow_read(const char *path, hone_allow *ret, hone_error *err) HONE_NODISCARD;
hone_status hone_allow_parse(const char *text, size_t n, const char *where, hone_allow *ret,
                             hone_error *err) HONE_NODISCARD;
void hone_allow_free(hone_allow *a);
/* The entry with this key, in raw or Z85 form, or NULL. */
const hone_allowed *hone_allow_find(const hone_allow *a, const uint8_t raw[32]);
const hone_allowed *hone_allow_find_text(const hone_allow *a, const char *key);
/* Whose key a connecting side expects at HOST: the entry of that name, or the only one. NULL: it
 * cannot be told. */
const hone_allowed *hone_allow_server(const hone_allow *a, const char *host);

#endif
