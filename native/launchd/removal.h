/* How files go, with all that lies below them. */
#ifndef WRIT_REMOVAL_H
#define WRIT_REMOVAL_H

/* Removes what is named, with all below it. Slow: for a process of its own. */
void remove_tree(int directory, const char *name, unsigned depth);

/* The same in a process of its own: nobody waits for it, and nothing is told of it. */
void remove_aside(int directory, const char *name);

#endif
