// Ctrl-C (SIGINT) and SIGTERM ask long work to save and stop; the same signal again ends the program at once.
#pragma once

namespace retrograde::cli {

// From now on the two signals are noted instead of ending the program.
void catch_interrupts();
bool interrupted();

}  // namespace retrograde::cli
