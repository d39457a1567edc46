#include "retrograde/doctor/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "retrograde/base/error.h"
#include "retrograde/doctor/naming.h"

namespace retrograde::doctor {

namespace {

std::string plain(const std::string& s) {
  std::string out;
  for (char c : s)
    if (std::isalnum(static_cast<unsigned char>(c))) out += c;
  return out;
}

std::string lower(std::string s) {
  for (char& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return s;
}

constexpr const char* kBefore[] = {
    "d",         "D",     "g",      "G",       "grad",      "grads",    "Grad",      "gradient",
    "gradients", "nabla", "delta",  "dL",      "dLd",       "dE",       "dEd",       "dJ",
    "dJd",       "dC",    "claim",  "claimed", "claimd",    "claimedd", "der",       "deriv",
    "partial",   "dloss", "dlossd", "gradd",   "gradsd",    "analytic", "analyticd", "bptt",
    "dl",        "dld",   "my",     "myd",     "analytical"};
constexpr const char* kAfter[] = {"grad", "gradient", "grads", "g",       "d",
                                  "der",  "bar",      "claim", "claimed", "Grad"};
constexpr const char* kOwn[] = {"param",   "params", "p",   "theta", "parameters", "parameter",
                                "weights", "model",  "net", "self",  "value",      "values"};
constexpr const char* kNumeric[] = {"num",     "numeric", "numerical", "fd",      "approx",
                                    "numgrad", "finite",  "check",     "estimate"};

bool is_gradient_plain(const std::string& g, const std::string& p) {
  for (const char* b : kBefore)
    if (g == b + p) return true;
  for (const char* a : kAfter)
    if (g == p + a) return true;
  return false;
}

bool is_numeric_name(const std::string& n) {
  const std::string l = lower(n);
  return std::any_of(std::begin(kNumeric), std::end(kNumeric),
                     [&](const char* w) { return l.find(w) != std::string::npos; });
}

std::string without(std::string l, const char* word) {
  const auto at = l.find(word);
  return at == std::string::npos ? l : l.erase(at, std::char_traits<char>::length(word));
}

struct Word {
  const char* name;
  Role role;
};
constexpr Word kWords[] = {{"x", Role::input},
                           {"inputs", Role::input},
                           {"input", Role::input},
                           {"xs", Role::input},
                           {"xt", Role::input},
                           {"inp", Role::input},
                           {"xbatch", Role::input},
                           {"xtrain", Role::input},
                           {"tokens", Role::input},
                           {"seq", Role::input},
                           {"sequence", Role::input},
                           {"data", Role::input},
                           {"features", Role::input},
                           {"captionsin", Role::input},
                           {"inputids", Role::input},
                           {"inputtokens", Role::input},
                           {"tokensin", Role::input},
                           {"captionsout", Role::target},
                           {"targetids", Role::target},
                           {"targettokens", Role::target},
                           {"tokensout", Role::target},
                           {"ids", Role::input},
                           {"idx", Role::input},
                           {"sequences", Role::input},
                           {"chars", Role::input},
                           {"inputseq", Role::input},
                           {"batchx", Role::input},
                           {"t", Role::target},
                           {"targets", Role::target},
                           {"target", Role::target},
                           {"labels", Role::target},
                           {"label", Role::target},
                           {"ytrue", Role::target},
                           {"ytrain", Role::target},
                           {"ys", Role::target},
                           {"y", Role::target},
                           {"desired", Role::target},
                           {"ybatch", Role::target},
                           {"batchy", Role::target},
                           {"teacher", Role::target},
                           {"expected", Role::target},
                           {"truth", Role::target},
                           {"tgt", Role::target},
                           {"ts", Role::target},
                           {"goal", Role::target},
                           {"d", Role::target},
                           {"labelids", Role::target},
                           {"h0", Role::h0},
                           {"hprev", Role::h0},
                           {"a0", Role::h0},
                           {"s0", Role::h0},
                           {"hinit", Role::h0},
                           {"h00", Role::h0},
                           {"inith", Role::h0},
                           {"initialstate", Role::h0},
                           {"hstart", Role::h0},
                           {"state0", Role::h0},
                           {"prevh", Role::h0},
                           {"aprev", Role::h0},
                           {"startstate", Role::h0},
                           {"hidden0", Role::h0},
                           {"hiddeninit", Role::h0},
                           {"initstate", Role::h0},
                           {"hprevious", Role::h0},
                           {"initialhidden", Role::h0},
                           {"initialh", Role::h0},
                           {"sprev", Role::h0},
                           {"hiddenprev", Role::h0},
                           {"prevs", Role::h0},
                           {"hidden", Role::unknown},
                           {"hx", Role::h0},
                           {"ctx", Role::h0},
                           {"context", Role::h0},
                           {"h", Role::unknown},
                           {"statein", Role::h0},
                           {"c0", Role::c0},
                           {"cprev", Role::c0},
                           {"cinit", Role::c0},
                           {"initc", Role::c0},
                           {"initialcell", Role::c0},
                           {"prevc", Role::c0},
                           {"cell0", Role::c0},
                           {"cstart", Role::c0},
                           {"cx", Role::c0},
                           {"initialc", Role::c0},
                           {"lengths", Role::lengths},
                           {"length", Role::lengths},
                           {"lens", Role::lengths},
                           {"seqlen", Role::lengths},
                           {"seqlens", Role::lengths},
                           {"seqlengths", Role::lengths},
                           {"n", Role::unknown},
                           {"len", Role::lengths},
                           {"mask", Role::mask},
                           {"masks", Role::mask},
                           {"lossmask", Role::mask},
                           {"paddingmask", Role::mask},
                           {"padmask", Role::mask},
                           {"valid", Role::mask},
                           {"loss", Role::loss},
                           {"cost", Role::loss},
                           {"l", Role::loss},
                           {"j", Role::loss},
                           {"e", Role::loss},
                           {"error", Role::loss},
                           {"lossvalue", Role::loss},
                           {"objective", Role::loss},
                           {"totalloss", Role::loss},
                           {"nll", Role::loss},
                           {"mse", Role::loss},
                           {"outputs", Role::outputs},
                           {"output", Role::outputs},
                           {"yhat", Role::outputs},
                           {"ypred", Role::outputs},
                           {"logits", Role::outputs},
                           {"probs", Role::outputs},
                           {"ps", Role::outputs},
                           {"p", Role::outputs},
                           {"predictions", Role::outputs},
                           {"prediction", Role::outputs},
                           {"pred", Role::outputs},
                           {"out", Role::outputs},
                           {"preds", Role::outputs},
                           {"scores", Role::outputs},
                           {"yout", Role::outputs},
                           {"o", Role::outputs},
                           {"hs", Role::states},
                           {"states", Role::states},
                           {"hiddenstates", Role::states},
                           {"hseq", Role::states},
                           {"a", Role::states},
                           {"s", Role::states},
                           {"da", Role::upstream},
                           {"dh", Role::upstream},
                           {"dout", Role::upstream},
                           {"gradoutput", Role::upstream},
                           {"gradout", Role::upstream},
                           {"dhs", Role::upstream},
                           {"upstream", Role::upstream},
                           {"dhout", Role::upstream},
                           {"gradh", Role::upstream},
                           {"cotangent", Role::upstream},
                           {"dhseq", Role::upstream},
                           {"doutputs", Role::upstream},
                           {"dy", Role::upstream},
                           {"dhnext", Role::final_gradient},
                           {"dht", Role::final_gradient},
                           {"dhlast", Role::final_gradient},
                           {"dhn", Role::final_gradient},
                           {"dhfinal", Role::final_gradient},
                           {"dcnext", Role::final_cell_gradient},
                           {"dct", Role::final_cell_gradient},
                           {"dclast", Role::final_cell_gradient},
                           {"dcn", Role::final_cell_gradient},
                           {"dcfinal", Role::final_cell_gradient}};

Role role_by_name(const NamedArray& a) {
  std::string l = plain_lower(a.name);
  // input_tensor, label_batch
  for (const char* end : {"tensor", "batch", "data", "array", "sequence", "seq"})
    if (const std::string tail = end; l.size() > tail.size() && l.ends_with(tail)) {
      const std::string stem = l.substr(0, l.size() - tail.size());
      if (std::any_of(std::begin(kWords), std::end(kWords), [&](const Word& w) {
            return stem == w.name && (w.role == Role::input || w.role == Role::target);
          }))
        l = stem;
    }
  for (const Word& w : kWords)
    if (l == w.name) return w.role == Role::loss && a.array.size() > 1 ? Role::unknown : w.role;
  return Role::unknown;
}

Role role_by_hint(const std::string& hint) {
  constexpr Word words[] = {{"input", Role::input},
                            {"target", Role::target},
                            {"h0", Role::h0},
                            {"c0", Role::c0},
                            {"lengths", Role::lengths},
                            {"mask", Role::mask},
                            {"loss", Role::loss},
                            {"outputs", Role::outputs},
                            {"states", Role::states},
                            {"upstream", Role::upstream},
                            {"final gradient", Role::final_gradient},
                            {"final cell gradient", Role::final_cell_gradient},
                            {"ignore", Role::ignore}};
  for (const Word& w : words)
    if (hint == w.name) return w.role;
  return Role::unknown;
}

bool fits_single(double v) {
  return !(std::abs(v) <= 3e38) || static_cast<double>(static_cast<float>(v)) == v;
}

bool same_up_to_transpose(const Array& a, const Array& b) { return a.size() == b.size(); }

// Outputs, targets and states are no parameters, even where something is called their gradient.
bool is_sequence(const NamedArray& a) {
  const Role r = role_by_name(a);
  const std::string l = plain_lower(a.name);
  const auto& shape = a.array.shape;
  if (a.name == "H" && shape.size() == 2 && shape[0] == shape[1])
    return false;  // the recurrent matrix to some
  if (l == "y" || l == "h") return true;
  return l.size() > 1 && (r == Role::target || r == Role::outputs || r == Role::states || r == Role::loss);
}

Block block_of(const NamedArray& parameter) {
  Block b;
  b.parameter = parameter.name;
  b.shape = parameter.array.shape;
  b.value = parameter.array.values;
  return b;
}

}  // namespace

bool names_gradient_of(const std::string& gradient, const std::string& parameter) {
  const std::string g = plain(gradient), p = plain(parameter);
  if (g == p) return false;
  if (is_gradient_plain(g, p)) return true;
  const std::string gl = plain_lower(gradient), pl = plain_lower(parameter);
  if (is_gradient_plain(gl, pl)) return true;
  for (const char* own : kOwn) {
    const std::string word = own;
    if (pl.size() > word.size() && pl.rfind(word, 0) == 0) {
      const std::string stem = pl.substr(word.size());
      if (is_gradient_plain(gl, stem)) return true;
      for (const char* b : kBefore)
        if (gl == b + stem) return true;
    }
  }
  return false;
}

Roles find_roles(const Case& given) {
  Roles roles;
  const Arrays& all = given.arrays;
  std::set<std::string> used;
  for (const auto& [array, hint] : given.hints.roles) {
    if (std::none_of(all.begin(), all.end(), [&name = array](const NamedArray& a) { return a.name == name; }))
      throw UsageError("the hint \"{} = {}\" names no array of the case", array, hint);
  }
  auto hint = [&](const std::string& n) {
    const auto at = given.hints.roles.find(n);
    return at == given.hints.roles.end() ? std::string() : at->second;
  };
  struct Pair {
    const NamedArray *parameter, *gradient;
  };
  std::vector<Pair> pairs;
  auto take_pair = [&](const NamedArray& p, const NamedArray& g) {
    pairs.push_back({&p, &g});
    used.insert(g.name);
  };
  for (const NamedArray& g : all)
    for (const NamedArray& p : all)
      if (hint(g.name) == fmt::format("gradient of {}", p.name)) {
        if (g.array.size() != p.array.size())
          throw UsageError("{} {} is said to be the gradient of {} {}: they have unequal sizes", g.name,
                           describe_shape(g.array.shape), p.name, describe_shape(p.array.shape));
        take_pair(p, g);
      }
  // Exact spelling first, then without regard to case.
  for (int exact = 1; exact >= 0; --exact)
    for (const NamedArray& p : all) {
      if (used.count(p.name) || !hint(p.name).empty()) {
        if (hint(p.name) != "parameter") continue;
      }
      if (std::any_of(pairs.begin(), pairs.end(), [&](const Pair& q) { return q.parameter == &p; })) continue;
      for (const NamedArray& g : all) {
        if (&g == &p || used.count(g.name) || !hint(g.name).empty() || is_numeric_name(g.name)) continue;
        if (!same_up_to_transpose(g.array, p.array)) continue;
        if (std::any_of(pairs.begin(), pairs.end(), [&](const Pair& q) { return q.parameter == &g; }))
          continue;
        const bool named =
            exact ? is_gradient_plain(plain(g.name), plain(p.name)) : names_gradient_of(g.name, p.name);
        if (!named || is_sequence(p)) continue;
        take_pair(p, g);
        break;
      }
    }
  const bool told = std::any_of(given.hints.roles.begin(), given.hints.roles.end(),
                                [](const auto& h) { return h.second == "parameter"; });
  for (const Pair& pair : pairs) {
    Block b = block_of(*pair.parameter);
    b.gradient = pair.gradient->name;
    b.claim = pair.gradient->array.values;
    b.claim_transposed = pair.gradient->array.shape != pair.parameter->array.shape;
    const Role r = role_by_hint(hint(b.parameter)) != Role::unknown ? role_by_hint(hint(b.parameter))
                                                                    : role_by_name(*pair.parameter);
    // The gradient of an input or a start state, not of a parameter; or of whatever else the batch holds.
    const bool state =
        r == Role::input || r == Role::h0 || r == Role::c0 || (told && hint(b.parameter) != "parameter");
    used.insert(pair.parameter->name);
    (state ? roles.state_blocks : roles.blocks).push_back(std::move(b));
    if (state) roles.data.push_back({*pair.parameter, r, false});
  }
  for (const NamedArray& a : all) {
    if (used.count(a.name)) continue;
    const std::string h = hint(a.name);
    if (h == "ignore") continue;
    if (h == "parameter") {
      roles.blocks.push_back(block_of(a));
      continue;
    }
    if (h.rfind("numeric gradient of ", 0) == 0 || is_numeric_name(a.name)) {
      for (Block& b : roles.blocks) {
        std::string stem = plain_lower(a.name);
        for (const char* w : kNumeric) stem = without(stem, w);
        if (h == fmt::format("numeric gradient of {}", b.parameter) ||
            (h.empty() && a.array.size() == b.value.size() &&
             (stem == plain_lower(b.parameter) || names_gradient_of(stem, b.parameter))))
          b.numeric = a.array.values;
      }
      continue;
    }
    Datum d{a, role_by_name(a), false};
    if (role_by_hint(h) != Role::unknown) d.role = role_by_hint(h), d.by_hint = true;
    const char first =
        a.name.empty() ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(a.name[0])));
    const bool weightlike = d.role == Role::unknown &&
                            (first == 'w' || first == 'u' || first == 'v' || first == 'b') &&
                            a.array.size() > 1;
    if (weightlike) {
      roles.blocks.push_back(block_of(a));
      roles.doubtful.push_back(a.name);
    } else {
      roles.data.push_back(std::move(d));
    }
  }
  // Single precision shows in the type, or in the numbers; a claim of zeros takes after the parameters.
  const auto fits = [&](Real Block::*part) {
    bool any = false, every = true;
    for (const Block& b : roles.blocks)
      for (double v : b.*part) any |= v != 0, every &= fits_single(v);
    return std::pair(any, every);
  };
  const auto [nonzero, in_single] = fits(&Block::claim);
  const auto [any_parameter, parameters_single] = fits(&Block::value);
  roles.single = (nonzero ? in_single : any_parameter && parameters_single) ||
                 std::any_of(pairs.begin(), pairs.end(),
                             [](const Pair& p) { return p.gradient->array.dtype == Dtype::float32; });
  if (pairs.empty() && !given.gradient)
    throw DataError(
        "no array is the gradient of another: found {} arrays, expected pairs such as W and dW (or W and "
        "W_grad); say which by hints",
        all.size());
  return roles;
}

}  // namespace retrograde::doctor
