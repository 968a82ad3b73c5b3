/* libsandboxcp: a sandbox control plane as one library. This header brings all of the public API. */
#ifndef SANDBOXCP_SANDBOXCP_H
#define SANDBOXCP_SANDBOXCP_H

#include <sandboxcp/container.h>
#include <sandboxcp/error.h>
#include <sandboxcp/execution.h>
#include <sandboxcp/export.h>
#include <sandboxcp/file.h>
#include <sandboxcp/health.h>
#include <sandboxcp/peer.h>
#include <sandboxcp/plane.h>
#include <sandboxcp/report.h>
#include <sandboxcp/session.h>
#include <sandboxcp/template.h>
#include <sandboxcp/version.h>

#endif
