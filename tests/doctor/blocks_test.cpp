// The tester tested: every mistake of one block's sum is planted in that block alone and must be named there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "doctor/draw.h"
#include "retrograde/doctor/fit.h"

namespace retrograde::doctor {
namespace {

// Not all of a block's mistakes can be made of every network's quantities.
bool possible(const Engine& engine, const Piece& piece, const Product& p, const Evaluation& e) {
  const auto own = static_cast<std::size_t>(piece.layer);
  const std::size_t left = p.left_layer < 0 ? own : static_cast<std::size_t>(p.left_layer);
  const std::size_t right = p.right_layer < 0 ? own : static_cast<std::size_t>(p.right_layer);
  const bool head = piece.kind == Kind::V || piece.kind == Kind::c;
  if (!head && (left >= e.deltas.size() || e.deltas[left].slots(p.left).empty())) return false;
  if (p.right == Var::none) return true;
  const Tape& tape = engine.tapes()[right];
  return tape.has(p.right) && tape.step(p.right) == engine.problem().B * piece.cols;
}

void plant_in_blocks(const Shape& shape, std::uint64_t seed, std::size_t instances_of_a_name) {
  Random random(seed);
  const Problem p = random_problem(shape, random);
  const Engine engine(p);
  const Plan plan = right_plan(p);
  const Evaluation e = engine.evaluate(plan);
  const auto right = gradients_of(p, plan);
  const auto pieces = pieces_of(p);
  std::set<std::string> names;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    std::map<std::string, std::size_t> seen;
    for (const BlockMistake& m : block_mistakes(p, Words(), pieces[i], engine.right_product(pieces[i]))) {
      if (m.name.empty() || seen[m.name] >= instances_of_a_name || !possible(engine, pieces[i], m.product, e))
        continue;
      auto claim = right;
      claim[i] = engine.gradient(pieces[i], m.product, e);
      if (m.transposed) claim[i] = transposed(claim[i], pieces[i].rows);
      // This network cannot show it, or shows it as a factor.
      if (largest(claim[i]) == 0 || fit(claim[i].data(), right[i], 1e-9).ok) continue;
      ++seen[m.name];
      names.insert(m.name);
      const Report r = diagnose(make_case(p, claim));
      EXPECT_TRUE(r.verdict == Verdict::differs && r.findings.size() == 1 && mentions(r, m.name))
          << m.name << " in " << parameter_name(p, pieces[i]) << ": " << m.sentence << "\n"
          << r.text();
    }
  }
  EXPECT_GT(names.size(), 5u);
}

TEST(Blocks, EveryMistakeOfOneSumIsNamedThere) {
  Shape two, words;
  two.layers = 2;
  words.loss = Loss::softmax_cross_entropy, words.head_activation = Activation::softmax, words.O = 3,
  words.tokens = true;
  plant_in_blocks(two, 300, 1);
  plant_in_blocks(words, 301, 1);
}

TEST(Blocks, LongEveryInstanceIsNamedThere) {
  if (!std::getenv("RETROGRADE_LONG")) GTEST_SKIP() << "set RETROGRADE_LONG=1 to run the long tests";
  std::uint64_t seed = 400;
  for (const Shape& shape : networks()) plant_in_blocks(shape, seed++, 1000);
}

}  // namespace
}  // namespace retrograde::doctor
