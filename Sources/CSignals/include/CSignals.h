// Why C: signals have to be blocked before any thread starts, and libraries start some before `main` (OpenBLAS one for each core).
// Only a function in .preinit_array runs earlier than their constructors. Standard streams that are closed are taken there, too.
#pragma once

/// Waits for the next asynchronous signal sent to the process, and returns its number. To be called by one thread.
int crate_next_signal(void);

/// Does what signal `number` does to a process that never heard of it: for most, ends the process with that signal.
void crate_yield_to_signal(int number);
