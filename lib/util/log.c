#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"

#define MESSAGE_SIZE 1024

static size_t count_fields(const scp_pair *fields)
{
	size_t n = 0;

	while (fields && fields[n].name)
		n++;
	return n;
}

static scp_log_level level_or_info(scp_log_level level)
{
	return level == SCP_LOG_DEFAULT ? SCP_LOG_INFO : level;
}

void scp__log_write(const scp__log *log, scp_log_level level, const char *component, const scp__log_ids *ids,
    const scp_pair *fields, const char *fmt, ...)
{
	scp_log_record record = { .struct_size = sizeof(record), .component = component, .fields = fields };
	char message[MESSAGE_SIZE];
	va_list ap;

	record.level = level_or_info(level);
	if (!log || !log->fn || record.level < level_or_info(log->level) || record.level >= SCP_LOG_OFF)
		return;
	va_start(ap, fmt);
	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		message[0] = '\0';
	va_end(ap);
	record.time_us = scp__now_us();
	record.message = message;
	record.field_count = count_fields(fields);
	if (ids) {
		record.request_id = ids->request_id;
		record.session_id = ids->session_id;
		record.execution_id = ids->execution_id;
		record.container_id = ids->container_id;
	}
	log->fn(&record, log->user);
}
