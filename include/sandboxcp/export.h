/* Marks what the shared library exports; everything else is hidden. */
#ifndef SANDBOXCP_EXPORT_H
#define SANDBOXCP_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define SCP_API __attribute__((visibility("default")))
#define SCP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define SCP_API
#define SCP_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
#define SCP_BEGIN_DECLS extern "C" {
#define SCP_END_DECLS }
#else
#define SCP_BEGIN_DECLS
#define SCP_END_DECLS
#endif

#endif
