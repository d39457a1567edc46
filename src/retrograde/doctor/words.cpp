// How the user's own code writes the quantities and products of the backward pass.
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

std::string at(const std::string& name, int shift) {
  return shift == 0 ? name + "[t]" : fmt::format("{}[t{:+d}]", name, shift);
}

std::string text_of(const Network& net, Var v, int shift) {
  const Cell cell = net.cell;
  const int k = static_cast<int>(v);
  const auto gate = [&](Var first) { return std::string(gate_name(cell, k - static_cast<int>(first))); };
  if (v >= Var::a0 && v <= Var::a3) return at(cell == Cell::elman ? "h" : gate(Var::a0), shift);
  if (v >= Var::z0 && v <= Var::z3) return at(cell == Cell::elman ? "z" : "z_" + gate(Var::z0), shift);
  if (v >= Var::wx0 && v <= Var::wx3) return at("(W_" + gate(Var::wx0) + " x + b)", shift);
  const std::string previous = at("h", shift - 1), now = at("h", shift), n = at("n", shift);
  switch (v) {
    case Var::zr:
      return fmt::format("{} (of U {})", at("z", shift), now);
    case Var::x:
      return at("x", shift);
    case Var::c:
      return at("c", shift);
    case Var::m:
      return at(net.plain_cell ? "c" : "tanh_c", shift);
    case Var::p:
      return fmt::format("(U_n {} + b)", previous);
    case Var::pu:
      return fmt::format("(U_n {})", previous);
    case Var::rh:
      return fmt::format("({} * {})", at("r", shift), previous);
    case Var::rs:
      return fmt::format("({} * {})", at("r", shift), now);
    case Var::hn:
      return net.update_keeps ? fmt::format("({} - {})", previous, n) : fmt::format("({} - {})", n, previous);
    case Var::hp:
      return fmt::format("({} + {})", previous, n);
    case Var::hs:
      return net.update_keeps ? fmt::format("({} - {})", now, n) : fmt::format("({} - {})", n, now);
    default:
      return now;
  }
}

// A slope in the form that everybody writes it in.
std::string slope_text(const Network& net, const Factor& factor) {
  const bool gate = factor.var >= Var::z0 && factor.var <= Var::z3;
  if (net.cell != Cell::elman && (gate || factor.var == Var::c)) {
    const int k = static_cast<int>(factor.var) - static_cast<int>(Var::z0);
    const bool sigmoid = gate && k != 2;
    const Activation own = sigmoid ? Activation::sigmoid : gate ? net.activation : net.of_cell();
    const std::string a = text_of(net, activated(net.cell, factor.var), factor.shift);
    if (own == factor.f && own == Activation::sigmoid) return fmt::format("{0} * (1 - {0})", a);
    if (own == factor.f && own == Activation::tanh) return fmt::format("(1 - {}**2)", a);
  }
  return fmt::format("{}'({})", name(factor.f), text_of(net, factor.var, factor.shift));
}

}  // namespace

std::string text_of(const Network& net, const Factor& factor) {
  const std::string v = factor.inner == Fn::value
                            ? text_of(net, factor.var, factor.shift)
                            : text_of(net, Factor{factor.var, factor.inner, factor.f, factor.shift, false});
  switch (factor.fn) {
    case Fn::one:
      return "1";
    case Fn::complement:
      return fmt::format("(1 - {})", v);
    case Fn::one_plus:
      return fmt::format("(1 + {})", v);
    case Fn::square:
      return fmt::format("{}**2", v);
    case Fn::one_minus_square:
      return fmt::format("(1 - {}**2)", v);
    case Fn::one_plus_square:
      return fmt::format("(1 + {}**2)", v);
    case Fn::complement_square:
      return fmt::format("(1 - {})**2", v);
    case Fn::value_one_plus:
      return fmt::format("{0} * (1 + {0})", v);
    case Fn::logistic:
      return fmt::format("{0} * (1 - {0})", v);
    case Fn::slope:
      return slope_text(net, factor);
    case Fn::slope_at_state:
      return fmt::format("{}'({})", name(factor.f),
                         text_of(net, activated(net.cell, factor.var), factor.shift));
    case Fn::slope_of_value:
      return factor.f == Activation::tanh      ? fmt::format("(1 - {}**2)", v)
             : factor.f == Activation::sigmoid ? fmt::format("{0} * (1 - {0})", v)
                                               : fmt::format("{}' as a function of {}", name(factor.f), v);
    case Fn::activation:
      return fmt::format("{}({})", name(factor.f), v);
    case Fn::slope_squared:
      return fmt::format("{}**2", slope_text(net, factor));
    case Fn::value_slope:
      return fmt::format("{} * {}", v, slope_text(net, factor));
    case Fn::slope_without_one:
      return fmt::format("{}'({} - 1)", name(factor.f), v);
    case Fn::one_minus_product:
      return fmt::format("(1 - {} * {})", v, text_of(net, factor.var, factor.shift - 1));
    case Fn::one_minus_cube:
      return fmt::format("(1 - {}**3)", v);
    case Fn::activation_without_one:
      return fmt::format("{}({} - 1)", name(factor.f), v);
    default:
      return v;
  }
}

std::string text_of(Cell cell, Back b) {
  switch (b) {
    case Back::one:
      return "1";
    case Back::up:
      return "dh_out";
    case Back::dh:
      return "dh";
    case Back::dc:
      return "dc";
    case Back::hc:
      return "dh_prev";
    case Back::cc:
      return "dc_prev";
    case Back::dp:
      return "dun";
    case Back::q:
      return "d(r h)";
    default:
      return cell == Cell::elman
                 ? "dz"
                 : fmt::format("dz_{}", gate_name(cell, static_cast<int>(b) - static_cast<int>(Back::da0)));
  }
}

namespace {

std::string source_text(Cell cell, const Term& term) {
  if (term.source == Back::hc) return term.shift ? "dh_next" : "dh_prev";
  if (term.source == Back::cc) return term.shift ? "dc_next" : "dc_prev";
  if (term.source == Back::one) return "1";
  return at(text_of(cell, term.source), term.shift);
}

}  // namespace

std::string Words::line(const Problem& problem, int layer, const Step& step) const {
  const Network& net = problem.net;
  std::string sum;
  for (const Term& term : step.terms) {
    if (term.coefficient == 0) continue;
    std::string text = source_text(net.cell, term);
    for (const Factor& f : term.before)
      if (f.fn != Fn::one) text += " * " + text_of(net, f);
    const bool right = term.matrix == Matrix::recurrent || term.matrix == Matrix::input;
    if (term.matrix != Matrix::none && term.matrix != Matrix::identity && !term.before.empty())
      text = "(" + text + ")";
    switch (term.matrix) {
      case Matrix::recurrent:
      case Matrix::recurrent_transposed:
        text = back_U(layer, term.gate, text, right);
        break;
      case Matrix::recurrent_of_other:
        text = back_U(layer ^ 1, term.gate, text);
        break;
      case Matrix::input:
      case Matrix::input_transposed:
        text = back_W(layer, term.gate, text, right);
        break;
      case Matrix::slice:
        text = back_U(layer, term.gate, text) + " (the other columns)";
        break;
      default:
        break;
    }
    if (term.matrix != Matrix::none && !term.factors.empty()) text = "(" + text + ")";
    for (const Factor& f : term.factors)
      if (f.fn != Fn::one && !(f.fn == Fn::slope && f.f == Activation::identity))
        text += " * " + text_of(net, f);
    if (term.coefficient != 1 && term.coefficient != -1)
      text = fmt::format("{:.3g} * {}", term.coefficient, text);
    if (sum.empty())
      sum = (term.coefficient == -1 ? "-" : "") + text;
    else
      sum += (term.coefficient == -1 ? " - " : " + ") + text;
    if (term.only_last_step) sum += " (at t = T-1 only)";
  }
  const bool carried = step.target == Back::hc || step.target == Back::cc;
  return fmt::format("{}{} = {}", text_of(net.cell, step.target), carried ? "" : "[t]",
                     sum.empty() ? "0" : sum);
}

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
