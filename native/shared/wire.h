#ifndef WRIT_WIRE_H
#define WRIT_WIRE_H
#define WIRE_MESSAGE_MAX 65536
#define WIRE_FDS_MAX 8
#endif
