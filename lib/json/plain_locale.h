/*
 * Private to json: numbers are written with a point, whatever the host's locale says (some use several bytes, which
 * cJSON cuts in two). For this thread alone, and glibc has the C locale ready: nothing is allocated.
 */
#ifndef SCP_JSON_PLAIN_LOCALE_H
#define SCP_JSON_PLAIN_LOCALE_H

#include <locale.h>

static inline locale_t plain_locale_enter(void)
{
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	return plain ? uselocale(plain) : (locale_t)0;
}

static inline void plain_locale_leave(locale_t before)
{
	if (before)
		freelocale(uselocale(before));
}

#endif
