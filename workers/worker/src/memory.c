/* How the allocator keeps memory; MALLOC_CONF in the environment has the last word.
 *
 * - narenas: threads share two stores. By default there are four for each processor of the machine, however few of
 *   them the container may use, and what a thread frees waits in its store while others ask the system for more: the
 *   merge works on a thread of the pool each time.
 * - dirty_decay_ms, background_thread: what is free goes back to the system after a second, by a thread of its own.
 */
#ifdef __linux__
const char *malloc_conf = "narenas:2,dirty_decay_ms:1000,background_thread:true";
#endif
