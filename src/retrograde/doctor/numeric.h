// The claim against differences of the author's own loss: who needs no network to be recognised, and must be
// heard before anybody is accused by one.
#pragma once

#include <functional>

#include "retrograde/doctor/judge.h"
#include "retrograde/doctor/program.h"

namespace retrograde::doctor {

struct NumericJudgement {
  Verdict verdict = Verdict::cannot_tell;
  std::vector<BlockRow> rows;  // the worst first
  std::string extent;          // "differences of the loss, all 83 entries"
  // What the numbers of a block say without a network: it is zero, or a multiple of the derivative.
  std::vector<Finding> findings;
  std::vector<std::string> notes;
};

// Every entry where the loss is quick, random directions within each block where it is not. Where each
// evaluation starts a program: five along one direction of each block, or, if not `blockwise`, of all
// parameters at once, which tells the verdict alone.
NumericJudgement judge_by_loss(Program& program, const std::vector<Block>& blocks, Precision precision,
                               bool blockwise, const std::function<bool(const std::string&)>& progress);

}  // namespace retrograde::doctor
