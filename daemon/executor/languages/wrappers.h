/* The programs that run a handler, made from wrapper.py and wrapper.js by embed.py. */
#ifndef EXECUTOR_WRAPPERS_H
#define EXECUTOR_WRAPPERS_H

extern const char wrapper_python[];
extern const char wrapper_javascript[];

#endif
