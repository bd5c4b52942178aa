/* The service manager's watchdog (sd_watchdog_enabled(3)). */
#ifndef WRIT_WATCHDOG_H
#define WRIT_WATCHDOG_H

#include <stdint.h>

/* How often to tell it, in milliseconds: a third of $WATCHDOG_USEC. 0 when it does not watch this process. */
uint64_t watchdog_interval_ms(void);

#endif
