/* sd_notify(3) without libsystemd: one datagram to the socket that the service manager names. */
#ifndef WRIT_NOTIFY_H
#define WRIT_NOTIFY_H

/* Sends `state` ("READY=1", …) to $NOTIFY_SOCKET. Gives 1 when sent, 0 when no manager asked, -1 with errno. */
int notify_manager(const char *state);

#endif
