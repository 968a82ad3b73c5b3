/* Somebody who reads a run's events: any number of them, each at a pace of its own, from the spool. */
#ifndef EXECUTOR_CLIENT_H
#define EXECUTOR_CLIENT_H

#include "run.h"

struct client;
struct http_request;

/** Answer `q` with the run's events behind `after`. NULL: no memory (and nothing was answered). */
struct client *client_attach(struct run *run, struct http_request *q, uint64_t after);
/** `q` is over: forget the client. NULL is fine. */
void client_gone(struct client *client);

void client_wake_all(struct run *run);
/** The run's memory goes: those that haven't read it all are cut off. */
void client_drop_all(struct run *run);
/** Send a heartbeat to everybody. */
void client_heartbeats(struct executor *x);

#endif
