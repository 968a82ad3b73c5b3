#include "time_text.h"

#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)

int64_t s3_time_iso(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t second = end ? timegm(&tm) : 0;
	int64_t fraction = 0, step = SECOND_US / 10;

	if (second <= 0)
		return 0;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, step /= 10)
			fraction += (*end - '0') * step;
	return (int64_t)second * SECOND_US + fraction;
}

/* The month by hand: strptime()'s are the locale's. */
int64_t s3_time_http(const char *text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	const char *comma = strchr(text, ','), *at, *end;
	char month[4] = "";
	time_t second;

	end = comma ? strptime(comma + 1, " %d ", &tm) : NULL;
	if (!end || strlen(end) < 4)
		return 0;
	memcpy(month, end, 3);
	at = strstr(months, month);
	end = at && (at - months) % 3 == 0 ? strptime(end + 3, " %Y %H:%M:%S GMT", &tm) : NULL;
	if (!end)
		return 0;
	tm.tm_mon = (int)(at - months) / 3;
	second = timegm(&tm);
	return second > 0 ? (int64_t)second * SECOND_US : 0;
}
