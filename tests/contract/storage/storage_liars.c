#include "storage_liars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"

const struct liar *storage_liar_now;
static const scp_storage_ops *truth;
static bool is_away;

bool storage_liar_away(bool away)
{
	is_away = away;
	return true;
}

/* ---- the truth, which may be out of reach ---- */

static scp_status reach(scp_error *err)
{
	return is_away ? scp__fail(err, SCP_EUNAVAIL, "switched off") : SCP_OK;
}

static scp_status put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->put_open(st, key, options, out, err);
}

static scp_status put_commit(scp_object_writer *w, scp_object *out, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->put_commit(w, out, err);
}

static scp_status get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length, scp_object_reader **out,
    scp_object *object, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->get_open(st, key, offset, length, out, object, err);
}

static scp_status stat_(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->stat(st, key, out, err);
}

static scp_status list_(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->list(st, prefix, after, options, fn, user, next, next_size, err);
}

static scp_status remove_(scp_storage *st, const char *key, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->remove(st, key, err);
}

static scp_status remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->remove_prefix(st, prefix, err);
}

static scp_status health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->health(st, deadline_ms, detail, size, err);
}

const scp_storage_ops *storage_liar_ops(const scp_storage_ops *true_ops)
{
	static scp_storage_ops ops;

	truth = true_ops;
	ops = *true_ops;
	ops.put_open = put_open;
	ops.put_commit = put_commit;
	ops.get_open = get_open;
	ops.stat = stat_;
	ops.list = list_;
	ops.remove = remove_;
	ops.remove_prefix = remove_prefix;
	ops.health = health;
	if (storage_liar_now->corrupt)
		storage_liar_now->corrupt(&ops);
	return &ops;
}

/* ---- lies ---- */

#define LIE(name, member)                                                                                              \
	static void name##_lie(void *ops)                                                                              \
	{                                                                                                              \
		((scp_storage_ops *)ops)->member = name;                                                               \
	}

static scp_status refuses_what_is_there(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_object object;

	if (!truth->stat(st, key, &object, NULL) && !object.directory)
		return scp__fail(err, SCP_ECONFLICT, "it is there");
	return put_open(st, key, options, out, err);
}
LIE(refuses_what_is_there, put_open)

static scp_status shows_it_at_once(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_object_writer *early;
	scp_object object;

	if (truth->stat(st, key, &object, NULL) && !truth->put_open(st, key, options, &early, NULL)) {
		(void)truth->put_commit(early, &object, NULL);
		truth->put_close(early);
	}
	return put_open(st, key, options, out, err);
}
LIE(shows_it_at_once, put_open)

static scp_status empties_it_at_once(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_object object;

	if (!truth->stat(st, key, &object, NULL) && !object.directory)
		(void)truth->remove(st, key, NULL);
	return put_open(st, key, options, out, err);
}
LIE(empties_it_at_once, put_open)

static scp_status hands_out_with_an_error(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_status rc = put_open(st, key, options, out, err);

	if (rc)
		*out = (scp_object_writer *)st;
	return rc;
}
LIE(hands_out_with_an_error, put_open)

static scp_status knows_no_bound(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_put_options other = *options;

	other.max_bytes = 0;
	return put_open(st, key, &other, out, err);
}
LIE(knows_no_bound, put_open)

static scp_status calls_it_something_else(scp_object_writer *w, scp_object *out, scp_error *err)
{
	scp_status rc = put_commit(w, out, err);

	if (!rc)
		out->size_bytes++;
	return rc;
}
LIE(calls_it_something_else, put_commit)

/* What was given is kept, not copied. */
static struct {
	const char *key;
	const void *data;
	size_t len;
} kept;

static scp_status keeps_the_key(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	kept.key = key;
	return put_open(st, key, options, out, err);
}

static scp_status tells_the_kept_key(scp_object_writer *w, scp_object *out, scp_error *err)
{
	scp_status rc = put_commit(w, out, err);

	out->key = kept.key;
	return rc;
}

static void keeps_the_key_lie(void *ops)
{
	((scp_storage_ops *)ops)->put_open = keeps_the_key;
	((scp_storage_ops *)ops)->put_commit = tells_the_kept_key;
}

static scp_status keeps_the_data(scp_object_writer *w, const void *data, size_t len, scp_error *err)
{
	(void)w;
	(void)err;
	kept.data = data;
	kept.len = len;
	return SCP_OK;
}

static scp_status writes_the_kept_data(scp_object_writer *w, scp_object *out, scp_error *err)
{
	scp_status rc = truth->put_write(w, kept.data, kept.len, err);

	return rc ? rc : put_commit(w, out, err);
}

static void keeps_the_data_lie(void *ops)
{
	((scp_storage_ops *)ops)->put_write = keeps_the_data;
	((scp_storage_ops *)ops)->put_commit = writes_the_kept_data;
}

static scp_status complains_though_it_went_well(scp_object_writer *w, scp_object *out, scp_error *err)
{
	(void)scp__fail(err, SCP_EBACKEND, "nothing happened");
	return put_commit(w, out, err);
}
LIE(complains_though_it_went_well, put_commit)

static scp_status reads_from_the_end(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err)
{
	scp_status rc = get_open(st, key, offset, length, out, object, err);

	return rc == SCP_EINVAL ? get_open(st, key, 0, 0, out, object, err) : rc;
}
LIE(reads_from_the_end, get_open)

static scp_status ends_early(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err)
{
	scp_status rc = truth->get_read(r, data, capacity, len, err);

	if (*len > 65535)
		*len = 0;
	return rc;
}
LIE(ends_early, get_read)

static scp_status takes_silence_for_an_answer(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	scp_status rc = stat_(st, key, out, NULL);

	return rc == SCP_EUNAVAIL ? scp__fail_as(err, "FileNotFound", "no %s", key) : rc;
}
LIE(takes_silence_for_an_answer, stat)

static scp_status fails_where_nothing_is(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	scp_status rc = stat_(st, key, out, NULL);

	return rc == SCP_ENOTFOUND ? scp__fail(err, SCP_EBACKEND, "404") : rc;
}
LIE(fails_where_nothing_is, stat)

static scp_status says_no_word(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	(void)err;
	return stat_(st, key, out, NULL);
}
LIE(says_no_word, stat)

static scp_status must_be_listened_to(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	scp_status rc = stat_(st, key, out, err);

	if (rc)
		*(volatile char *)err->message |= 0;
	return rc;
}
LIE(must_be_listened_to, stat)

static scp_status has_one_etag(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	scp_status rc = stat_(st, key, out, err);

	snprintf(out->etag, sizeof(out->etag), "0");
	return rc;
}
LIE(has_one_etag, stat)

/* ---- lists ---- */

struct swap {
	scp_object_fn *fn;
	void *user;
	scp_object held;
	char key[1401];
	bool holds, swapped;
};

static scp_status swap_first_two(void *user, const scp_object *object, scp_error *err)
{
	struct swap *s = user;
	scp_status rc;

	if (!s->holds && !s->swapped) {
		s->held = *object;
		snprintf(s->key, sizeof(s->key), "%s", object->key);
		s->held.key = s->key;
		s->holds = true;
		return SCP_OK;
	}
	rc = s->fn(s->user, object, err);
	if (!rc && s->holds)
		rc = s->fn(s->user, &s->held, err);
	s->holds = false;
	s->swapped = true;
	return rc;
}

static scp_status lists_out_of_order(scp_storage *st, const char *prefix, const char *after,
    const scp_list_options *options, scp_object_fn *fn, void *user, char *next, size_t size, scp_error *err)
{
	struct swap s = { .fn = fn, .user = user };
	scp_status rc = list_(st, prefix, after, options, swap_first_two, &s, next, size, err);

	return !rc && s.holds ? fn(user, &s.held, err) : rc;
}
LIE(lists_out_of_order, list)

static scp_status forgets_what_is_behind(scp_storage *st, const char *prefix, const char *after,
    const scp_list_options *options, scp_object_fn *fn, void *user, char *next, size_t size, scp_error *err)
{
	scp_status rc = list_(st, prefix, after, options, fn, user, next, size, err);

	next[0] = '\0';
	return rc;
}
LIE(forgets_what_is_behind, list)

static scp_status begins_anew(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t size, scp_error *err)
{
	(void)after;
	return list_(st, prefix, "", options, fn, user, next, size, err);
}
LIE(begins_anew, list)

static scp_status lists_nothing_while_away(scp_storage *st, const char *prefix, const char *after,
    const scp_list_options *options, scp_object_fn *fn, void *user, char *next, size_t size, scp_error *err)
{
	return is_away ? SCP_OK : list_(st, prefix, after, options, fn, user, next, size, err);
}
LIE(lists_nothing_while_away, list)

static scp_status can_not_be_stopped(scp_storage *st, const char *prefix, const char *after,
    const scp_list_options *options, scp_object_fn *fn, void *user, char *next, size_t size, scp_error *err)
{
	scp_status rc = list_(st, prefix, after, options, fn, user, next, size, err);

	return rc == SCP_ECANCELED ? SCP_OK : rc;
}
LIE(can_not_be_stopped, list)

/* ---- removals ---- */

static scp_status removed_what_was_not_there(scp_storage *st, const char *key, scp_error *err)
{
	scp_status rc = remove_(st, key, NULL);

	(void)err;
	return rc == SCP_ENOTFOUND ? SCP_OK : rc;
}
LIE(removed_what_was_not_there, remove)

static scp_status takes_a_directory_along(scp_storage *st, const char *key, scp_error *err)
{
	scp_status rc = remove_(st, key, NULL);

	return rc == SCP_ECONFLICT ? remove_prefix(st, key, err) : rc;
}
LIE(takes_a_directory_along, remove)

static scp_status take_key(void *user, const scp_object *object, scp_error *err)
{
	(void)err;
	snprintf(user, 1401, "%s", object->key);
	return SCP_ECANCELED;
}

static scp_status leaves_the_first(scp_storage *st, const char *prefix, scp_error *err)
{
	static const scp_list_options all = { sizeof(all), true, 0, 0 };
	char key[1401] = "", next[1401];
	scp_object_writer *w = NULL;
	scp_object object;
	scp_status rc;

	(void)truth->list(st, prefix, "", &all, take_key, key, next, sizeof(next), NULL);
	rc = remove_prefix(st, prefix, err);
	if (!rc && key[0] && !scp__storage_put_open(st, key, NULL, &w, NULL))
		(void)truth->put_commit(w, &object, NULL);
	scp__storage_put_close(st, w);
	return rc;
}
LIE(leaves_the_first, remove_prefix)

static scp_status takes_neighbours_along(scp_storage *st, const char *prefix, scp_error *err)
{
	char other[1401];

	snprintf(other, sizeof(other), "%.1000s2", prefix);
	(void)truth->remove_prefix(st, other, NULL);
	return remove_prefix(st, prefix, err);
}
LIE(takes_neighbours_along, remove_prefix)

static scp_status wants_something_to_remove(scp_storage *st, const char *prefix, scp_error *err)
{
	scp_object object;
	scp_status rc = stat_(st, prefix, &object, err);

	return rc ? rc : remove_prefix(st, prefix, err);
}
LIE(wants_something_to_remove, remove_prefix)

/* ---- the rest ---- */

static scp_status gives_the_same_again(
    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err)
{
	static char *same;
	scp_status rc = same ? SCP_OK : truth->local_folder(st, prefix, uid, gid, &same, err);

	*path = same;
	return rc;
}
LIE(gives_the_same_again, local_folder)

static scp_status takes_its_time(scp_storage *st, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	struct timespec nap = { .tv_sec = 2, .tv_nsec = 200000000 };

	(void)nanosleep(&nap, NULL);
	return health(st, deadline_ms, detail, size, err);
}
LIE(takes_its_time, health)

static scp_status fills_its_buffer(scp_storage *st, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	scp_status rc = health(st, deadline_ms, detail, size, err);

	memset(detail, 'h', size);
	return rc;
}
LIE(fills_its_buffer, health)

static scp_status is_always_well(scp_storage *st, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	(void)health(st, deadline_ms, detail, size, NULL);
	(void)err;
	return SCP_OK;
}
LIE(is_always_well, health)

static void lacks_stat_lie(void *ops)
{
	((scp_storage_ops *)ops)->stat = NULL;
}

#define ROW(name, case)                                                                                                \
	{                                                                                                              \
#name, case, name##_lie                                                                                \
	}

static const struct liar liars[] = {
	{ "the truth", NULL, NULL },
	ROW(refuses_what_is_there, "a_put_may_be_repeated"),
	ROW(shows_it_at_once, "nothing_is_seen_before_commit"),
	ROW(empties_it_at_once, "an_uncommitted_put_leaves_what_was"),
	ROW(hands_out_with_an_error, "errors_are_told_and_hand_out_nothing"),
	ROW(knows_no_bound, "more_than_max_bytes_is_too_big"),
	ROW(calls_it_something_else, "bytes_come_back_whatever_their_number"),
	ROW(keeps_the_key, "what_was_given_is_the_callers_again"),
	ROW(keeps_the_data, "what_was_given_is_the_callers_again"),
	ROW(complains_though_it_went_well, "errors_are_told_and_hand_out_nothing"),
	ROW(reads_from_the_end, "ranges_give_what_they_say"),
	ROW(ends_early, "bytes_come_back_whatever_their_number"),
	ROW(takes_silence_for_an_answer, "a_storage_that_is_away_knows_nothing"),
	ROW(fails_where_nothing_is, "what_is_not_there_is_not_found"),
	ROW(says_no_word, "errors_are_told_and_hand_out_nothing"),
	ROW(must_be_listened_to, "nobody_must_want_to_know_why"),
	ROW(has_one_etag, "a_put_replaces_and_the_etag_tells"),
	ROW(lists_out_of_order, "a_directory_lists_its_own_entries_in_order"),
	ROW(forgets_what_is_behind, "pages_join_to_the_whole"),
	ROW(begins_anew, "a_listing_goes_on_behind_any_key"),
	ROW(lists_nothing_while_away, "a_storage_that_is_away_knows_nothing"),
	ROW(can_not_be_stopped, "entries_say_what_they_are_and_the_listing_may_be_ended"),
	ROW(removed_what_was_not_there, "a_removal_may_be_repeated"),
	ROW(takes_a_directory_along, "a_directory_is_there_while_something_is_in_it"),
	ROW(leaves_the_first, "a_prefix_goes_with_everything_below_and_nothing_beside"),
	ROW(takes_neighbours_along, "a_prefix_goes_with_everything_below_and_nothing_beside"),
	ROW(wants_something_to_remove, "a_removal_may_be_repeated"),
	ROW(gives_the_same_again, "what_is_given_is_the_callers"),
	ROW(takes_its_time, "a_storage_that_is_away_knows_nothing"),
	ROW(fills_its_buffer, "a_storage_that_is_away_knows_nothing"),
	ROW(is_always_well, "a_storage_that_is_away_knows_nothing"),
	ROW(lacks_stat, "what_an_adapter_lacks_is_not_supported"),
};

const struct liar *storage_liars(size_t *count)
{
	*count = sizeof(liars) / sizeof(liars[0]);
	return liars;
}
