/* Key files and allow files: what is written can be read, and what is wrong is named by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/wire/keys.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static char folder[64];

static int group_setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-keys-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static void keygen_and_read(void **state)
{
    (void)state;
    char *path = hone_xasprintf("%s/board 1.key", folder);
    char *pub = hone_xasprintf("%s.pub", path);
    hone_error err = {0};
    if (hone_keygen(path, &err) != HONE_OK)
        fail_msg("%s", err.message);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    hone_keys k;
    if (hone_keys_read(path, &k, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_allow a;
    if (hone_allow_read(pub, &a, &err) != HONE_OK) /* a .pub file is an allow file of one line */
        fail_msg("%s", err.message);
    assert_int_equal(a.peers.n, 1);
    assert_string_equal(a.peers.v[0].key, k.public_key);
    assert_string_equal(a.peers.v[0].name, "board-1");
    uint8_t raw[32];
    assert_non_null(zmq_z85_decode(raw, k.public_key));
    assert_ptr_equal(hone_allow_find(&a, raw), &a.peers.v[0]);
    assert_ptr_equal(hone_allow_find_text(&a, k.public_key), &a.peers.v[0]);
    raw[31] ^= 1;
    assert_null(hone_allow_find(&a, raw));
    /* The secret is in one file only. */
    char *text;
    assert_int_equal(hone_file_read(path, 4096, &text, NULL, NULL), HONE_OK);
    assert_non_null(strstr(text, "its public key is in board 1.key.pub.\n"));
    free(text);
    assert_int_equal(hone_file_read(pub, 4096, &text, NULL, NULL), HONE_OK);
    assert_null(strstr(text, k.secret_key));
    free(text);
    /* Nothing is overwritten. */
    assert_int_equal(hone_keygen(path, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "exists"));
    hone_keys again;
    assert_int_equal(hone_keys_read(path, &again, NULL), HONE_OK);
    assert_string_equal(again.secret_key, k.secret_key);
    unlink(pub);
    assert_int_equal(hone_keygen(path, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "exists"));
    hone_allow_free(&a);
    free(path);
    free(pub);
}

static void others_may_not_read(void **state)
{
    (void)state;
    static const mode_t bad[] = {0640, 0604, 0660, 0644, 0601};
    char *path = hone_xasprintf("%s/open.key", folder);
    hone_error err = {0};
    hone_keys k;
    assert_int_equal(hone_keygen(path, NULL), HONE_OK);
    for (size_t i = 0; i < HONE_LEN(bad); i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(hone_keys_read(path, &k, &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, "chmod 600"));
        assert_string_equal(err.where, path);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(hone_keys_read(path, &k, &err), HONE_OK);
    assert_int_equal(hone_keys_read(folder, &k, &err), HONE_E_INPUT);
    assert_int_equal(hone_keys_read("/nonexistent/key", &k, &err), HONE_E_NOTFOUND);
    free(path);
}

/* A well-known pair: RFC 26's test keys. */
#define PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define OTHER "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

static void bad_key_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *message;
    } bad[] = {
        {"", 0, "k:0: a key file holds a public-key and a secret-key line"},
        {"# only this\n\npublic-key = " PUBLIC "\n", 3,
         "k:3: a key file holds a public-key and a secret-key line"},
        {"public-key = short\n", 1,
         "k:1: a key is 40 characters of Z85; make one with `hone keygen`"},
        {"\npublic-key = " PUBLIC "\npublic-key = " PUBLIC "\n", 3,
         "k:3: this key was given before"},
        {"hello\n", 1, "k:1: expected 'public-key = ...' or 'secret-key = ...'"},
        {"private = x\n", 1, "k:1: expected 'public-key = ...' or 'secret-key = ...'"},
        {"public-key = " OTHER "\nsecret-key = " SECRET "\n", 2,
         "k:2: the two keys are not a pair; make one with `hone keygen`"},
        {"public-key = \x01\n", 1, "k:1: not a text file"},
    };
    hone_keys k;
    hone_error err;
    for (size_t i = 0; i < HONE_LEN(bad); i++) {
        assert_int_equal(hone_keys_parse(bad[i].text, strlen(bad[i].text), "k", &k, &err),
                         HONE_E_INPUT);
        assert_string_equal(err.message, bad[i].message);
        assert_int_equal(err.line, bad[i].line);
        assert_string_equal(k.secret_key, ""); /* nothing half read stays */
    }
    static const char good[] = " secret-key=" SECRET " \r\n#x\npublic-key\t=\t" PUBLIC;
    assert_int_equal(hone_keys_parse(good, sizeof good - 1, "k", &k, &err), HONE_OK);
    assert_string_equal(k.public_key, PUBLIC);
    assert_string_equal(k.secret_key, SECRET);
}

static void bad_allow_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *message;
    } bad[] = {
        {"# nobody\n", 1,
         "a:1: no key is listed, so nobody could connect; add the line of a .pub file"},
        {PUBLIC "\n", 1, "a:1: the key has no name behind it"},
        {PUBLIC " # board\n", 1, "a:1: the key has no name behind it"},
        {"\n" PUBLIC " my board\n", 2, "a:2: a name is one word"},
        {PUBLIC " a\n" OTHER " b\n" PUBLIC " c\n", 3, "a:3: this key is listed above"},
        {"board " PUBLIC "\n", 1,
         "a:1: expected a public key (40 characters of Z85) and a name, as in the .pub file of "
         "`hone keygen`"},
        {PUBLIC " name=a b\n", 1, "a:1: a name is one word"},
        {PUBLIC " a foo=3\n", 1,
         "a:1: behind a key are its name, role=ROLES and share=N, nothing else with ="},
        {PUBLIC " role=user\n", 1, "a:1: the key has no name behind it"},
        {PUBLIC " a role=user,root\n", 1, "a:1: a role is user, device, builder or admin"},
        {PUBLIC " a role=\n", 1, "a:1: a role is user, device, builder or admin"},
        {PUBLIC " a share=0\n", 1, "a:1: a share is a number from 1 to 1000000"},
        {PUBLIC " a share=2x\n", 1, "a:1: a share is a number from 1 to 1000000"},
        {PUBLIC " 0123456789012345678901234567890123456789012345678901234567890123\n", 1,
         "a:1: the name is too long (63 characters at most)"},
    };
    hone_allow a;
    hone_error err;
    for (size_t i = 0; i < HONE_LEN(bad); i++) {
        assert_int_equal(hone_allow_parse(bad[i].text, strlen(bad[i].text), "a", &a, &err),
                         HONE_E_INPUT);
        assert_string_equal(err.message, bad[i].message);
        assert_int_equal(err.line, bad[i].line);
        hone_allow_free(&a);
    }
    assert_int_equal(hone_allow_read("/nonexistent/allow", &a, &err), HONE_E_NOTFOUND);
}

static void roles_and_shares(void **state)
{
    (void)state;
    static const char text[] =
        PUBLIC " old # role=admin\n" OTHER " role=user,admin share=20 name=ann # the boss\n";
    hone_allow a;
    hone_error err = {0};
    assert_int_equal(hone_allow_parse(text, sizeof text - 1, "a", &a, &err), HONE_OK);
    assert_int_equal(a.peers.v[0].may, HONE_KEY_DEVICE | HONE_KEY_BUILDER);
    assert_int_equal(a.peers.v[0].share, 1);
    assert_string_equal(a.peers.v[1].name, "ann");
    assert_int_equal(a.peers.v[1].may, HONE_KEY_USER | HONE_KEY_ADMIN);
    assert_int_equal(a.peers.v[1].share, 20);
    hone_allow_free(&a);
}

static void whose_key_is_the_server(void **state)
{
    (void)state;
    static const char one[] = PUBLIC " farm\n";
    static const char two[] = "# two\n" PUBLIC " farm # the big one\n\t" OTHER "  10.0.0.7\n";
    hone_allow a;
    assert_int_equal(hone_allow_parse(one, sizeof one - 1, "a", &a, NULL), HONE_OK);
    assert_string_equal(hone_allow_server(&a, "anything")->name, "farm");
    hone_allow_free(&a);
    assert_int_equal(hone_allow_parse(two, sizeof two - 1, "a", &a, NULL), HONE_OK);
    assert_int_equal(a.peers.n, 2);
    assert_string_equal(hone_allow_server(&a, "farm")->key, PUBLIC);
    assert_string_equal(hone_allow_server(&a, "10.0.0.7")->key, OTHER);
    assert_null(hone_allow_server(&a, "10.0.0.8"));
    hone_allow_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keygen_and_read),  cmocka_unit_test(others_may_not_read),
        cmocka_unit_test(bad_key_files),    cmocka_unit_test(bad_allow_files),
        cmocka_unit_test(roles_and_shares), cmocka_unit_test(whose_key_is_the_server),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
