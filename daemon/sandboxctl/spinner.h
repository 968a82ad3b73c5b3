/* A sign of life on stderr while something takes its time; nothing where stderr is no terminal. */
#ifndef SANDBOXCTL_SPINNER_H
#define SANDBOXCTL_SPINNER_H

struct spinner;

/** NULL if there is none to show; all of these accept NULL. */
struct spinner *spinner_start(const char *what);
void spinner_say(struct spinner *s, const char *what);
/** Take it off the screen, for output; it comes back when nothing is written for a while. */
void spinner_hide(struct spinner *s);
void spinner_stop(struct spinner *s);

#endif
