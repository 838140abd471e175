/* What `hone lock` and `hone build` share: lock files, and where kernels lie as seen from one. */
#ifndef HONE_CLI_LOCK_H
#define HONE_CLI_LOCK_H

#include "cli/cli.h"
#include "cli/target_list.h"
#include "tuner/lock/lock.h"

/* HONE_E_NOTFOUND, HONE_E_IO, and as hone_lock_parse. */
hone_status cli_lock_read(const char *path, hone_lock *ret, hone_error *err) HONE_NODISCARD;
/* The kernel argument for the lock: the name of a built-in as it is, FILE.hone[:name] as seen from
 * the folder of the lock. Caller frees. HONE_E_IO: a folder is not there. */
hone_status cli_lock_kernel(const char *arg, const char *lock_path, char **ret,
                            hone_error *err) HONE_NODISCARD;
/* And back: as an argument for cli_kernel_load, as seen from here. Caller frees. *ret_file: the
 * file alone, NULL for a built-in; the caller's too. */
char *cli_lock_argument(const char *kernel, const char *lock_path, char **ret_file);
/* The entry's kernel as it is now. *ret_there false: its file is not there, or it is a built-in,
 * and there is nothing to compare. As cli_kernel_load otherwise. */
hone_status cli_lock_kernel_now(const hone_lock_entry *e, const char *lock_path, bool *ret_there,
                                cli_kernel *ret, hone_error *err) HONE_NODISCARD;
/* Adds the command that locks it: "`hone lock -o hone.lock ...`". */
void cli_lock_put_command(const hone_lock_entry *e, const char *lock_path, hone_buf *out);

#endif
