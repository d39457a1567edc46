// From a reading whose right gradient is not the claim to the report of the mistakes that make the claim of
// it: searched in the whole sequence, from what short sequences show, and in forwards that were not run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "retrograde/doctor/findings.h"
#include "retrograde/doctor/program.h"

namespace retrograde::doctor {

// One reading of the case under examination.
struct Examination {
  const Hypothesis* h = nullptr;
  std::unique_ptr<Judge> judge;
  std::vector<BlockRow> rows;
  bool differs = false, unsure = false;
};

Examination examine(const Hypothesis& h, Precision precision);

// The report's account of the network and its blocks.
void describe_network(const Examination& e, Report& report);

class Explainer {
 public:
  // `program` may be null: then there are arrays alone. `seconds` of work are for the whole search.
  Explainer(Program* program, Precision precision, double seconds,
            std::function<void(const std::string&)> tell);

  // The report of the simplest explanation of one of the readings; nothing if there is none.
  std::optional<Report> run(const std::vector<Examination>& open);
  int candidates() const { return candidates_; }

 private:
  using Clock = WorkClock;
  Clock::time_point after(double share) const;
  bool search(const std::vector<Examination>& open, bool pairs);
  bool search_from_short_points(const Examination& e);
  bool search_variants(const Examination& e);
  void say(const Examination& e, const std::vector<Target>& targets, const Search& s,
           const SearchResult& found);
  std::string confirmation(const Hypothesis& h, const Search& s, const Explanation& e);

  Program* program_;
  Precision precision_;
  double seconds_;
  std::function<void(const std::string&)> tell_;
  Clock::time_point start_ = Clock::now();
  int candidates_ = 0;
  Report report_;
  std::optional<Report> fallback_;
};

}  // namespace retrograde::doctor
