/* Key files and lists of allowed keys. */
#include "workers/wire/keys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define FILE_MAX (1 << 20)
#define PEERS_MAX 10000

/* ---- lines ---------------------------------------------------------------------------------- */

typedef struct lines {
    const char *p, *end, *where;
    int line;
    char text[256]; /* the current line, without blanks at its ends */
} lines;

static hone_status fail_line(const lines *l, hone_error *err, const char *what)
{
    hone_fail(err, HONE_E_INPUT, "%s:%d: %s", l->where, l->line, what);
    if (err) {
        snprintf(err->where, sizeof err->where, "%s", l->where);
        err->line = l->line;
    }
    return HONE_E_INPUT;
}

/* Goes to the next line that is neither blank nor a comment. HONE_E_NOTFOUND at the end. */
static hone_status next_line(lines *l, hone_error *err)
{
    while (l->p < l->end) {
        const char *eol = memchr(l->p, '\n', (size_t)(l->end - l->p));
        const char *a = l->p, *b = eol ? eol : l->end;
        l->p = eol ? eol + 1 : l->end;
        l->line++;
        while (a < b && isspace((unsigned char)*a))
            a++;
        while (b > a && isspace((unsigned char)b[-1]))
            b--;
        if (a == b || *a == '#')
            continue;
        if ((size_t)(b - a) >= sizeof l->text)
            return fail_line(l, err, "line too long");
        for (const char *s = a; s < b; s++)
            if (!isprint((unsigned char)*s) && *s != '\t')
                return fail_line(l, err, "not a text file");
        memcpy(l->text, a, (size_t)(b - a));
        l->text[b - a] = '\0';
        return HONE_OK;
    }
    return HONE_E_NOTFOUND;
}

static bool key_valid(const char *s, uint8_t raw[32])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 ".-:+=^!/*?&<>()[]{}@%$#";
    if (strlen(s) != HONE_KEY_TEXT - 1 || strspn(s, digits) != HONE_KEY_TEXT - 1)
        return false;
    return zmq_z85_decode(raw, s) != NULL;
}

/* ---- key files ------------------------------------------------------------------------------ */

static hone_status parse_keys(lines *l, hone_keys *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    hone_status s;
    uint8_t raw[32];
    while ((s = next_line(l, err)) == HONE_OK) {
        char *equals = strchr(l->text, '=');
        if (!equals)
            return fail_line(l, err, "expected 'public-key = ...' or 'secret-key = ...'");
        char *value = equals + 1, *end = equals;
        while (isspace((unsigned char)*value))
            value++;
        while (end > l->text && isspace((unsigned char)end[-1]))
            end--;
        *end = '\0';
        char *to = strcmp(l->text, "public-key") == 0   ? ret->public_key
                   : strcmp(l->text, "secret-key") == 0 ? ret->secret_key
                                                        : NULL;
        if (!to)
            return fail_line(l, err, "expected 'public-key = ...' or 'secret-key = ...'");
        if (*to)
            return fail_line(l, err, "this key was given before");
        bool valid = key_valid(value, raw);
        explicit_bzero(raw, sizeof raw);
        if (!valid)
            return fail_line(l, err, "a key is 40 characters of Z85; make one with `hone keygen`");
        memcpy(to, value, HONE_KEY_TEXT);
    }
    if (s != HONE_E_NOTFOUND)
        return s;
    if (!*ret->public_key || !*ret->secret_key)
        return fail_line(l, err, "a key file holds a public-key and a secret-key line");
    char derived[HONE_KEY_TEXT];
    if (zmq_curve_public(derived, ret->secret_key) != 0 || strcmp(derived, ret->public_key) != 0)
        return fail_line(l, err, "the two keys are not a pair; make one with `hone keygen`");
    return HONE_OK;
}

hone_status hone_keys_parse(const char *text, size_t n, const char *where, hone_keys *ret,
                            hone_error *err)
{
    lines l = {text, text + n, where, 0, {0}};
    hone_status s = parse_keys(&l, ret, err);
    explicit_bzero(l.text, sizeof l.text);
    if (s != HONE_OK)
        hone_keys_forget(ret);
    return s;
}

void hone_keys_forget(hone_keys *k)
{
    explicit_bzero(k, sizeof *k);
}

hone_status hone_keys_read(const char *path, hone_keys *ret, hone_error *err)
{
    char text[8192];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return hone_fail_errno(err, errno == ENOENT ? HONE_E_NOTFOUND : HONE_E_IO,
                               "cannot open key file '%s'", path);
    struct stat sb;
    hone_status s = HONE_OK;
    ssize_t n = 0;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode))
        s = hone_fail(err, HONE_E_INPUT, "key file '%s' is not a file", path);
    else if (sb.st_mode & 077)
        s = hone_fail(err, HONE_E_INPUT,
                      "key file '%s' can be read by others (mode %03o); run `chmod 600 %s`, or "
                      "make a new key if others may have read it",
                      path, sb.st_mode & 0777, path);
    else if (sb.st_size >= (off_t)sizeof text)
        s = hone_fail(err, HONE_E_INPUT, "'%s' is too large to be a key file", path);
    else if ((n = read(fd, text, sizeof text)) < 0)
        s = hone_fail_errno(err, HONE_E_IO, "cannot read key file '%s'", path);
    close(fd);
    if (s == HONE_OK)
        s = hone_keys_parse(text, (size_t)n, path, ret, err);
    explicit_bzero(text, sizeof text);
    if (s != HONE_OK && err && !err->where[0])
        snprintf(err->where, sizeof err->where, "%s", path);
    return s;
}

/* The file's name without folder and ".key", as a word. */
static void name_of(const char *path, char ret[64])
{
    const char *slash = strrchr(path, '/');
    snprintf(ret, 64, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(ret, '.');
    if (dot && dot != ret && strcmp(dot, ".key") == 0)
        *dot = '\0';
    for (char *s = ret; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
            *s = '-';
    if (!*ret)
        snprintf(ret, 64, "key");
}

hone_status hone_keygen(const char *path, hone_error *err)
{
    hone_keys k;
    do {
        if (zmq_curve_keypair(k.public_key, k.secret_key) != 0)
            return hone_fail_errno(err, HONE_E_TOOL, "this ZeroMQ library cannot make CURVE keys");
    } while (k.public_key[0] == '#');
    char name[64];
    name_of(path, name);
    char *public_path = hone_xasprintf("%s.pub", path);
    char text[512];
    hone_status s = HONE_OK;
    if (access(public_path, F_OK) == 0)
        s = hone_fail(err, HONE_E_INPUT, "'%s' exists; remove it or choose another name",
                      public_path);
    if (s == HONE_OK) {
        const char *slash = strrchr(path, '/');
        char *base = hone_text_clean(slash ? slash + 1 : path);
        int n = snprintf(text, sizeof text,
                         "# A hone key. Keep this file secret; its public key is in %.255s.pub.\n"
                         "public-key = %s\nsecret-key = %s\n",
                         base, k.public_key, k.secret_key);
        free(base);
        s = hone_file_write_secret(path, text, (size_t)n, err);
        if (s == HONE_E_INPUT)
            hone_fail(err, s, "'%s' exists; remove it or choose another name", path);
    }
    if (s == HONE_OK) {
        int n = snprintf(text, sizeof text,
                         "# Line for the allow file of whoever talks to %s.\n%s %s\n", name,
                         k.public_key, name);
        s = hone_file_write(public_path, text, (size_t)n, err);
        if (s != HONE_OK)
            unlink(path);
    }
    hone_keys_forget(&k);
    explicit_bzero(text, sizeof text);
    free(public_path);
    return s;
}

/* ---- allow files ---------------------------------------------------------------------------- */

/* "user", or several with commas. 0: there is no such role. */
static unsigned roles_of(char *text)
{
    static const char *const names[] = {"user", "device", "builder", "admin"};
    static const unsigned bits[] = {HONE_KEY_USER, HONE_KEY_DEVICE, HONE_KEY_BUILDER,
                                    HONE_KEY_ADMIN};
    unsigned all = 0;
    char *save = NULL;
    for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        unsigned one = 0;
        for (size_t i = 0; i < HONE_LEN(names); i++)
            one |= strcmp(w, names[i]) == 0 ? bits[i] : 0;
        if (!one)
            return 0;
        all |= one;
    }
    return all;
}

/* A word behind the key. NULL, or what is wrong with it. */
static const char *take_word(hone_allowed *a, char *word)
{
    if (strncmp(word, "role=", 5) == 0) {
        a->may = roles_of(word + 5);
        return a->may ? NULL : "a role is user, device, builder or admin";
    }
    if (strncmp(word, "share=", 6) == 0) {
        char *end;
        errno = 0;
        a->share = strtoll(word + 6, &end, 10);
        return *end || end == word + 6 || errno || a->share < 1 || a->share > 1000000
                   ? "a share is a number from 1 to 1000000"
                   : NULL;
    }
    const char *name = strncmp(word, "name=", 5) == 0 ? word + 5 : word;
    if (name == word && strchr(word, '='))
        return "behind a key are its name, role=ROLES and share=N, nothing else with =";
    if (*a->name)
        return "a name is one word";
    if (strlen(name) >= sizeof a->name)
        return "the name is too long (63 characters at most)";
    memcpy(a->name, name, strlen(name) + 1);
    return NULL;
}

static hone_status take_line(lines *l, hone_allowed *ret, hone_error *err)
{
    *ret = (hone_allowed){.may = HONE_KEY_DEVICE | HONE_KEY_BUILDER, .share = 1};
    char *save = NULL;
    char *key = strtok_r(l->text, " \t", &save);
    if (!key || !key_valid(key, ret->raw))
        return fail_line(l, err,
                         "expected a public key (40 characters of Z85) and a name, "
                         "as in the .pub file of `hone keygen`");
    memcpy(ret->key, key, sizeof ret->key);
    for (char *word; (word = strtok_r(NULL, " \t", &save)) && *word != '#';) {
        const char *wrong = take_word(ret, word);
        if (wrong)
            return fail_line(l, err, wrong);
    }
    return *ret->name ? HONE_OK : fail_line(l, err, "the key has no name behind it");
}

hone_status hone_allow_parse(const char *text, size_t n, const char *where, hone_allow *ret,
                             hone_error *err)
{
    lines l = {text, text + n, where, 0, {0}};
    hone_status s;
    memset(ret, 0, sizeof *ret);
    while ((s = next_line(&l, err)) == HONE_OK) {
        hone_allowed a;
        if ((s = take_line(&l, &a, err)) != HONE_OK)
            return s;
        if (hone_allow_find(ret, a.raw))
            return fail_line(&l, err, "this key is listed above");
        if (ret->peers.n == PEERS_MAX)
            return fail_line(&l, err, "more than 10000 keys");
        hone_vec_push(&ret->peers, a);
    }
    if (s != HONE_E_NOTFOUND)
        return s;
    if (ret->peers.n == 0)
        return fail_line(&l, err,
                         "no key is listed, so nobody could connect; add the line of a "
                         ".pub file");
    return HONE_OK;
}

hone_status hone_allow_read(const char *path, hone_allow *ret, hone_error *err)
{
    char *text;
    size_t n;
    memset(ret, 0, sizeof *ret);
    hone_status s = hone_file_read(path, FILE_MAX, &text, &n, err);
    if (s != HONE_OK)
        return s;
    s = hone_allow_parse(text, n, path, ret, err);
    free(text);
    return s;
}

void hone_allow_free(hone_allow *a)
{
    hone_vec_free(&a->peers);
}

const hone_allowed *hone_allow_find(const hone_allow *a, const uint8_t raw[32])
{
    for (uint32_t i = 0; i < a->peers.n; i++)
        if (memcmp(a->peers.v[i].raw, raw, 32) == 0)
            return &a->peers.v[i];
    return NULL;
}

const hone_allowed *hone_allow_find_text(const hone_allow *a, const char *key)
{
    for (uint32_t i = 0; i < a->peers.n; i++)
        if (strcmp(a->peers.v[i].key, key) == 0)
            return &a->peers.v[i];
    return NULL;
}

const hone_allowed *hone_allow_server(const hone_allow *a, const char *host)
{
    for (uint32_t i = 0; i < a->peers.n; i++)
        if (strcmp(a->peers.v[i].name, host) == 0)
            return &a->peers.v[i];
    return a->peers.n == 1 ? &a->peers.v[0] : NULL;
}
