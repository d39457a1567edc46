// From an explanation to the report's findings: names, words, proof.
#pragma once

#include "retrograde/doctor/judge.h"

namespace retrograde::doctor {

// Findings of the best explanation, with those that would leave the same numbers as equivalents.
std::vector<Finding> findings_of(const Hypothesis& h, const std::vector<Target>& targets,
                                 const SearchResult& found);
std::string proof_of(const std::vector<Target>& targets, const Search& search, const SearchResult& found,
                     std::size_t findings);
// Families that are ruled out, as short words.
std::vector<std::string> ruled_out(const std::vector<Finding>& findings, const std::vector<BlockRow>& rows);
// "the head's blocks are right; the fault is in ..."
std::string where_of(const Hypothesis& h, const std::vector<BlockRow>& rows);
// What the catalogue could not have shown at this point, one line a reason.
std::vector<std::string> power_of(const Hypothesis& h, const Judge& judge, Precision precision,
                                  WorkClock::time_point deadline);

}  // namespace retrograde::doctor
