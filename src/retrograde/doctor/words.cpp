// How the user's own code writes the products of the backward pass.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

// The canonical matrix M is [out, in]; taking a delta back is delta M for rows, M' delta for columns. Stored
// as [in, out] the transposes change sides.
std::string back(const std::string& matrix, bool in_out, bool column, const std::string& delta, bool right) {
  const bool transposed = column != in_out ? right : !right;
  const std::string m = fmt::format("{}{}", matrix, transposed ? ".T" : "");
  return column ? fmt::format("{} @ {}", m, delta) : fmt::format("{} @ {}", delta, m);
}

}  // namespace

std::string Words::back_U(int layer, int gate, const std::string& delta, bool right) const {
  const auto i = static_cast<std::size_t>(layer * gates + gate);
  return i < U.size() ? back(U[i], U_in_out[i], column, delta, right)
                      : back("U", false, column, delta, right);
}

std::string Words::back_W(int layer, int gate, const std::string& delta, bool right) const {
  const auto i = static_cast<std::size_t>(layer * gates + gate);
  return i < W.size() ? back(W[i], W_in_out[i], column, delta, right)
                      : back("W", false, column, delta, right);
}

std::string Words::back_V(const std::string& delta, bool right) const {
  return back(V, V_in_out, column, delta, right);
}

}  // namespace retrograde::doctor
