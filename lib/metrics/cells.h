/* How metrics lie in memory: the room's own. */
#ifndef SCP_METRICS_CELLS_H
#define SCP_METRICS_CELLS_H

#include "metrics.h"

/** One family's cells: `series` times `width`, the last label's value fastest. */
struct scp__cells {
	size_t first, series, width, bounds;
};

struct scp__metrics {
	const scp__metric_family *families;
	size_t count;
	_Atomic uint64_t *cells;
	struct scp__cells cells_of[];
};

#endif
