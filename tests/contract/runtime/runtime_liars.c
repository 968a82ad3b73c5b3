#include "runtime_liars.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"

const struct liar *runtime_liar_now;
static const scp_runtime_ops *truth;
static bool is_away;

bool runtime_liar_away(bool away)
{
	is_away = away;
	return true;
}

/* ---- the truth, which may be out of reach ---- */

static scp_status reach(scp_error *err)
{
	return is_away ? scp__fail(err, SCP_EUNAVAIL, "switched off") : SCP_OK;
}

static scp_status run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->run(rt, spec, err);
}

static scp_status stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->stop(rt, name, grace_ms, err);
}

static scp_status remove_(scp_runtime *rt, const char *name, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->remove(rt, name, err);
}

static scp_status inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->inspect(rt, name, fn, user, err);
}

static scp_status list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->list(rt, fn, user, err);
}

static scp_status connect_(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	scp_status rc = reach(err);

	*fd = -1;
	return rc ? rc : truth->connect(rt, name, fd, err);
}

static scp_status health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	scp_status rc = reach(err);

	if (rc && size)
		detail[0] = '\0';
	return rc ? rc : truth->health(rt, deadline_ms, detail, size, err);
}

const scp_runtime_ops *runtime_liar_ops(const scp_runtime_ops *true_ops)
{
	static scp_runtime_ops ops;

	truth = true_ops;
	ops = *true_ops;
	ops.run = run;
	ops.stop = stop;
	ops.remove = remove_;
	ops.inspect = inspect;
	ops.list = list;
	ops.connect = connect_;
	ops.health = health;
	if (runtime_liar_now && runtime_liar_now->corrupt)
		runtime_liar_now->corrupt(&ops);
	return &ops;
}

/* ---- lies of making and ending ---- */

#define LIE(name, member)                                                                                              \
	static void name##_lie(void *ops)                                                                              \
	{                                                                                                              \
		((scp_runtime_ops *)ops)->member = name;                                                               \
	}

static scp_status nothing(void *user, const scp_runtime_info *info, scp_error *err)
{
	(void)user;
	(void)info;
	(void)err;
	return SCP_OK;
}

static scp_status makes_a_second_one(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	scp_runtime_spec other = *spec;
	char name[64];

	snprintf(name, sizeof(name), "%.50s-2", spec->name);
	if (!truth->inspect(rt, spec->name, nothing, NULL, NULL))
		other.name = name;
	return run(rt, &other, err);
}
LIE(makes_a_second_one, run)

static scp_status makes_it_anew(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	(void)truth->remove(rt, spec->name, NULL);
	return run(rt, spec, err);
}
LIE(makes_it_anew, run)

static scp_status refuses_a_second_time(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	if (!truth->inspect(rt, spec->name, nothing, NULL, NULL))
		return scp__fail(err, SCP_ECONFLICT, "%s exists", spec->name);
	return run(rt, spec, err);
}
LIE(refuses_a_second_time, run)

static scp_status leaves_what_failed(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	scp_runtime_spec half = *spec;
	scp_status rc = run(rt, spec, err);

	if (rc && strcmp(spec->executor_path, "/nonexistent")) {
		half.workspace_path = NULL;
		half.network = false;
		(void)truth->run(rt, &half, NULL);
	}
	return rc;
}
LIE(leaves_what_failed, run)

static scp_status loses_labels(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	scp_runtime_spec other = *spec;

	other.label_count = 0;
	return run(rt, &other, err);
}
LIE(loses_labels, run)

static scp_status forgets_the_network(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	scp_runtime_spec other = *spec;

	other.network = false;
	return run(rt, &other, err);
}
LIE(forgets_the_network, run)

static scp_status stops_only_what_is_there(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	scp_status rc = inspect(rt, name, nothing, NULL, err);

	return rc ? rc : stop(rt, name, grace_ms, err);
}
LIE(stops_only_what_is_there, stop)

static scp_status removes_only_what_is_there(scp_runtime *rt, const char *name, scp_error *err)
{
	scp_status rc = inspect(rt, name, nothing, NULL, err);

	return rc ? rc : remove_(rt, name, err);
}
LIE(removes_only_what_is_there, remove)

/* It is only stopped. Cases that begin must still find nothing. */
static scp_status removes_only_half(scp_runtime *rt, const char *name, scp_error *err)
{
	return strcmp(name, "scp-gone") ? remove_(rt, name, err) : stop(rt, name, 0, err);
}
LIE(removes_only_half, remove)

/* ---- lies of looking ---- */

static scp_status takes_silence_for_an_answer(
    scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp_status rc = inspect(rt, name, fn, user, NULL);

	return rc == SCP_EUNAVAIL ? scp__fail(err, SCP_ENOTFOUND, "no %s", name) : rc ? scp__fail(err, rc, "no") : rc;
}
LIE(takes_silence_for_an_answer, inspect)

static scp_status is_not_sure(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	scp_status rc = inspect(rt, name, fn, user, NULL);

	return rc ? scp__fail(err, SCP_EUNAVAIL, "can't tell") : rc;
}
LIE(is_not_sure, inspect)

static scp_status says_no_word(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	(void)err;
	return inspect(rt, name, fn, user, NULL);
}
LIE(says_no_word, inspect)

struct filter {
	scp_runtime_info_fn *fn;
	void *user;
};

static scp_status only_running(void *user, const scp_runtime_info *info, scp_error *err)
{
	struct filter *f = user;

	return info->status == SCP_CONTAINER_EXITED ? SCP_OK : f->fn(f->user, info, err);
}

static scp_status lists_only_what_runs(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	struct filter f = { fn, user };

	return list(rt, only_running, &f, err);
}
LIE(lists_only_what_runs, list)

static scp_status lists_nothing_while_away(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	return is_away ? SCP_OK : list(rt, fn, user, err);
}
LIE(lists_nothing_while_away, list)

static scp_status still_running(void *user, const scp_runtime_info *info, scp_error *err)
{
	struct filter *f = user;
	scp_runtime_info other = *info;

	other.status = SCP_CONTAINER_RUNNING;
	return f->fn(f->user, &other, err);
}

static scp_status sees_everything_running(
    scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	struct filter f = { fn, user };

	return inspect(rt, name, still_running, &f, err);
}
LIE(sees_everything_running, inspect)

static scp_status hands_out_a_blocking_stream(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	scp_status rc = connect_(rt, name, fd, err);

	if (!rc)
		(void)fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) & ~O_NONBLOCK);
	return rc;
}
LIE(hands_out_a_blocking_stream, connect)

static scp_status hands_out_an_inherited_stream(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	scp_status rc = connect_(rt, name, fd, err);

	if (!rc)
		(void)fcntl(*fd, F_SETFD, 0);
	return rc;
}
LIE(hands_out_an_inherited_stream, connect)

static scp_status hands_out_something_with_an_error(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	scp_status rc = connect_(rt, name, fd, err);

	*fd = rc ? 0 : *fd;
	return rc;
}
LIE(hands_out_something_with_an_error, connect)

static scp_status calls_the_dead_unreachable(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	scp_status rc = connect_(rt, name, fd, err);

	return rc == SCP_ENOTFOUND ? SCP_EUNAVAIL : rc;
}
LIE(calls_the_dead_unreachable, connect)

/* ---- lies of ends ---- */

static scp_status tells_an_end_twice(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	static scp_runtime_event last;
	static bool again;
	scp_status rc = SCP_OK;

	if (again)
		*out = last;
	else
		rc = truth->next_event(rt, out, timeout_ms, err);
	again = !rc && !again;
	last = *out;
	return rc;
}
LIE(tells_an_end_twice, next_event)

static scp_status knows_no_memory_limit(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	scp_status rc = truth->next_event(rt, out, timeout_ms, err);

	out->oom_killed = false;
	return rc;
}
LIE(knows_no_memory_limit, next_event)

static scp_status invents_an_exit_code(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	scp_status rc = truth->next_event(rt, out, timeout_ms, err);

	out->exit_code = 0;
	return rc;
}
LIE(invents_an_exit_code, next_event)

static void can_not_be_interrupted(scp_runtime *rt)
{
	(void)rt;
}
LIE(can_not_be_interrupted, interrupt)

/* Containers end with it. */
static scp_status end_it(void *user, const scp_runtime_info *info, scp_error *err)
{
	return truth->remove(user, info->name, err);
}

static void takes_its_containers_along(scp_runtime *rt)
{
	(void)truth->list(rt, end_it, rt, NULL);
	rt->ops = truth;
	truth->close(rt);
}
LIE(takes_its_containers_along, close)

/* ---- the rest ---- */

static scp_status takes_its_time(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	struct timespec nap = { .tv_sec = 2, .tv_nsec = 200000000 };

	(void)nanosleep(&nap, NULL);
	return health(rt, deadline_ms, detail, size, err);
}
LIE(takes_its_time, health)

static scp_status fills_its_buffer(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	scp_status rc = health(rt, deadline_ms, detail, size, err);

	memset(detail, 'h', size);
	return rc;
}
LIE(fills_its_buffer, health)

static scp_status is_always_well(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	(void)health(rt, deadline_ms, detail, size, NULL);
	(void)err;
	return SCP_OK;
}
LIE(is_always_well, health)

static const char *has_another_name_each_time(scp_runtime *rt)
{
	static char name[32];
	static unsigned count;

	(void)rt;
	snprintf(name, sizeof(name), "node-%u", count++);
	return name;
}
LIE(has_another_name_each_time, node_name)

static void lacks_stop_lie(void *ops)
{
	((scp_runtime_ops *)ops)->stop = NULL;
}

#define ROW(name, case)                                                                                                \
	{                                                                                                              \
#name, case, name##_lie                                                                                \
	}

static const struct liar liars[] = {
	{ "the truth", NULL, NULL },
	ROW(makes_a_second_one, "running_a_name_again_keeps_the_one_that_runs"),
	ROW(makes_it_anew, "running_a_name_again_keeps_the_one_that_runs"),
	ROW(refuses_a_second_time, "running_a_name_again_keeps_the_one_that_runs"),
	ROW(leaves_what_failed, "a_run_that_fails_leaves_nothing"),
	ROW(loses_labels, "labels_come_back_as_they_went_in"),
	ROW(forgets_the_network, "a_network_that_is_not_to_be_had_is_refused"),
	ROW(stops_only_what_is_there, "what_is_not_there_is_not_found"),
	ROW(removes_only_what_is_there, "what_was_removed_is_gone_and_may_be_removed_again"),
	ROW(removes_only_half, "what_was_removed_is_gone_and_may_be_removed_again"),
	ROW(takes_silence_for_an_answer, "a_runtime_that_is_away_knows_nothing"),
	ROW(is_not_sure, "what_is_not_there_is_not_found"),
	ROW(says_no_word, "errors_are_told"),
	ROW(lists_only_what_runs, "an_end_is_told_once_with_its_code"),
	ROW(lists_nothing_while_away, "a_runtime_that_is_away_knows_nothing"),
	ROW(sees_everything_running, "an_end_is_told_once_with_its_code"),
	ROW(hands_out_a_blocking_stream, "each_connection_is_a_stream_of_its_own"),
	ROW(hands_out_an_inherited_stream, "each_connection_is_a_stream_of_its_own"),
	ROW(hands_out_something_with_an_error, "what_is_not_there_is_not_found"),
	ROW(calls_the_dead_unreachable, "nobody_listens_in_one_that_ended"),
	ROW(tells_an_end_twice, "an_end_is_told_once_with_its_code"),
	ROW(knows_no_memory_limit, "the_memory_limit_taking_pid_1_is_told"),
	ROW(invents_an_exit_code, "an_end_is_told_once_with_its_code"),
	ROW(can_not_be_interrupted, "an_interrupt_ends_every_wait"),
	ROW(takes_its_containers_along, "a_closed_runtimes_containers_go_on_and_their_ends_are_told_to_the_next"),
	ROW(takes_its_time, "node_limits_capacity_and_health_are_told"),
	ROW(fills_its_buffer, "node_limits_capacity_and_health_are_told"),
	ROW(is_always_well, "a_runtime_that_is_away_knows_nothing"),
	ROW(has_another_name_each_time, "node_limits_capacity_and_health_are_told"),
	ROW(lacks_stop, "what_a_runtime_lacks_is_answered_by_the_port"),
};

const struct liar *runtime_liars(size_t *count)
{
	*count = sizeof(liars) / sizeof(liars[0]);
	return liars;
}
