/* What a device reads of a runtime's answer, of any bytes. The first says how many numbers it asks
 * for; the rest is what comes back. */
#include "workers/device/internal.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As much as a socket holds at once, so that nobody has to read while it is written. */
#define MOST 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    double got[4] = {0};
    hone_device__part in[4];
    hone_device__answer a;
    if (size < 1 || size > MOST)
        return 0;
    unsigned n = data[0] % 5;
    for (unsigned k = 0; k < n; k++)
        in[k] = (hone_device__part){&got[k], sizeof got[k]};
    HONE_ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    HONE_ASSERT(hone_send_all(pair[1], data + 1, size - 1));
    shutdown(pair[1], SHUT_WR);
    bool good = hone_device__runtime_ask(pair[0], HONE_DEVICE__RUNTIME_HELLO, NULL, 0, in, n, &a);
    uint32_t length = 0;
    if (size >= 5)
        memcpy(&length, data + 1, sizeof length);
    /* nothing is made of an answer that is cut, or of numbers that are too few or too many */
    HONE_ASSERT(!good || (length >= 1 && length <= size - 5));
    HONE_ASSERT(!good || a.status == data[5]);
    HONE_ASSERT(!good || a.status || n == 0 || length == 1 + n * sizeof *got);
    HONE_ASSERT(strlen(a.note) < sizeof a.note);
    close(pair[0]);
    close(pair[1]);
    return 0;
}
