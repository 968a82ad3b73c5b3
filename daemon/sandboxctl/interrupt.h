/* Ctrl-C and friends while a command waits: a thread that takes them and calls back once. */
#ifndef SANDBOXCTL_INTERRUPT_H
#define SANDBOXCTL_INTERRUPT_H

struct interrupt;

/**
 * From here on the first SIGINT, SIGTERM or SIGHUP calls `fn` in another thread; a second one ends the program at once.
 * The calling thread blocks them; all others must already. NULL: no memory or no thread; then they end the program.
 */
struct interrupt *interrupt_start(void (*fn)(void *user), void *user);

/** As before it all; no call-back runs after it. Returns the signal that came, 0: none. NULL is accepted. */
int interrupt_stop(struct interrupt *i);

#endif
