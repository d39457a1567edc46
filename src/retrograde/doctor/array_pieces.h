// From one reading of every array to the structures they make: which gate each array or part of it is, and
// where its pieces lie.
#pragma once

#include "retrograde/doctor/array_readings.h"

namespace retrograde::doctor {

// One structure for each order of the gates that names do not settle.
void add_structures(const std::vector<Block>& blocks, Cell cell, const Dims& dims,
                    const std::vector<ArrayReading>& readings, double doubt, std::vector<Structure>& out);

}  // namespace retrograde::doctor
