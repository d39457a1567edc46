// Tasks with known answers, drawn from a random source: for tests, demonstrations and comparisons with the
// literature.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "retrograde/base/random.h"
#include "retrograde/data/dataset.h"

namespace retrograde {

// Hochreiter & Schmidhuber 1997, task 4, in the form of Le, Jaitly & Hinton 2015, arXiv:1504.00941. Each step
// has a number from [0, 1) and a mark; one step of the first half and one of the second are marked. The
// target, at the last step, is the sum of the two marked numbers. Saying 1 always has a mean squared error of
// 1/6. steps >= 2.
std::shared_ptr<const Dataset> adding_problem(std::size_t count, std::size_t steps, Random& random);

// Hochreiter & Schmidhuber 1997, task 6b: which of eight orders. Tokens E B a b c d X Y; the sequence begins
// with E, ends with B and otherwise holds a to d at random, but for X or Y at three places, in the ranges of
// the paper (10 to 20, 33 to 43 and 66 to 76 of 100) scaled to `steps` >= 10. The class is their order, X
// first: XXX is 0, YYY is 7.
std::shared_ptr<const Dataset> temporal_order(std::size_t count, std::size_t steps, Random& random);

// Hochreiter & Schmidhuber 1997, task 1, after Smith & Zipser 1989: words of the embedded Reber grammar over
// B T P X S V E. After each symbol the targets [7] are 1 for the symbols that may follow. The last but one
// repeats the second.
std::shared_ptr<const Dataset> embedded_reber(std::size_t count, Random& random);
constexpr std::size_t kReberSymbols = 7;

// sin(2π t / period) + noise · N(0, 1), t = 0 .. steps−1.
std::vector<double> noisy_sine(std::size_t steps, double period, double noise, Random& random);

}  // namespace retrograde
