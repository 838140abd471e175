/* ask SERVICE [--key FILE --allow FILE] REQUEST: says REQUEST to a service and prints the answer;
 * for scripts. Exit code 1: no answer. */
#include "workers/client.h"

int main(int argc, char **argv)
{
    hone_client_options o = {.insecure_loopback = true};
    const char *request = NULL;
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--key") == 0 && k + 1 < argc)
            o.key_file = argv[++k];
        else if (strcmp(argv[k], "--allow") == 0 && k + 1 < argc)
            o.allow_file = argv[++k];
        else if (!o.service)
            o.service = argv[k];
        else
            request = argv[k];
    }
    hone_client *c;
    hone_error err = {0};
    hone_buf got = {0};
    hone_status st = hone_client_open(&o, &c, &err);
    if (st == HONE_OK && request)
        st = hone_client_ask(c, request, strlen(request), 10000, &got, NULL, &err);
    if (st == HONE_OK)
        printf("%.*s\n", (int)got.n, got.s ? got.s : "");
    else
        fprintf(stderr, "ask: %s\n", err.message);
    hone_client_close(c);
    hone_buf_free(&got);
    return st == HONE_OK ? 0 : 1;
}
