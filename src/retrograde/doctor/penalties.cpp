#include "retrograde/doctor/penalties.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace retrograde::doctor {

std::optional<Hypothesis> with_own_penalties(const Hypothesis& h, const Judge& judge) {
  if (!h.loss_missed) return std::nullopt;
  Hypothesis with = h;
  auto& decay = with.problem.net.own_decay;
  decay.fill(-1);  // not known
  for (std::size_t i = 0; i < judge.targets().size(); ++i) {
    const Target& t = judge.targets()[i];
    Real beyond = t.claim;
    double top = 1e-300;
    for (std::size_t k = 0; k < beyond.size(); ++k) {
      top = std::max(top, std::abs(t.claim[k]));
      beyond[k] -= judge.right(i)[k];
    }
    const auto times = [&](const Real& v) {
      return std::inner_product(v.begin(), v.end(), t.parameter.begin(), 0.0);
    };
    const double squares = times(t.parameter), factor = squares > 0 ? times(beyond) / squares : 0;
    for (std::size_t k = 0; k < beyond.size(); ++k)
      if (!(std::abs(beyond[k] - factor * t.parameter[k]) <= 1e-9 * top)) return std::nullopt;
    double& known = decay[static_cast<std::size_t>(t.piece.kind)];
    if (known >= 0 && !(std::abs(factor - known) <= 1e-6 * std::abs(factor) + 1e-9 * top))
      return std::nullopt;
    if (!(factor >= -1e-9)) return std::nullopt;
    known = std::max(factor, 0.0);
  }
  for (double& d : decay) d = std::max(d, 0.0);
  if (!(std::abs(loss_of(with.problem) - h.given_loss) <= 1e-9 * std::abs(h.given_loss))) return std::nullopt;
  with.problem.net.reduction += ", and penalties on squared parameters, each kind with a factor of its own,";
  with.loss_missed = false;
  return with;
}

}  // namespace retrograde::doctor
