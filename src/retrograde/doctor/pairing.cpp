#include "retrograde/doctor/pairing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "retrograde/base/error.h"
#include "retrograde/doctor/naming.h"
#include "retrograde/doctor/roles.h"

namespace retrograde::doctor {

namespace {

// Beside whatever says_gradient.
constexpr const char* kBefore[] = {
    "d",      "D",        "g",         "G",     "Grad",    "nabla",  "dL",       "dLd", "dE",        "dEd",
    "dJ",     "dJd",      "dC",        "claim", "claimed", "claimd", "claimedd", "der", "partial",   "dloss",
    "dlossd", "analytic", "analyticd", "bptt",  "dl",      "dld",    "my",       "myd", "analytical"};
constexpr const char* kAfter[] = {"g", "d", "der", "bar", "claim", "claimed", "Grad"};
constexpr const char* kOwn[] = {"param",   "params", "p",   "theta", "parameters", "parameter",
                                "weights", "model",  "net", "self",  "value",      "values"};
constexpr const char* kNumeric[] = {"num",     "numeric", "numerical", "fd",      "approx",
                                    "numgrad", "finite",  "check",     "estimate"};

std::string letters_and_digits(const std::string& s) {
  std::string out;
  for (char c : s)
    if (std::isalnum(static_cast<unsigned char>(c))) out += c;
  return out;
}

bool says_gradient(const std::string& affix) {
  return contains(affix, {"grad", "diff", "delta", "deriv", "update"});
}

bool is_gradient_plain(const std::string& g, const std::string& p) {
  for (const char* b : kBefore)
    if (g == b + p) return true;
  for (const char* a : kAfter)
    if (g == p + a) return true;
  // sgrads_L, W_f_deriv
  return (g.ends_with(p) && says_gradient(g.substr(0, g.size() - p.size()))) ||
         (g.starts_with(p) && says_gradient(g.substr(p.size())));
}

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

// What names tell nothing of: no hint, not numeric, of more than one number.
std::vector<const NamedArray*> open_arrays(const Case& given) {
  std::vector<const NamedArray*> open;
  for (const NamedArray& a : given.arrays)
    if (a.array.size() > 1 && !given.hints.roles.count(a.name) && numeric_stem(a.name).empty() &&
        (role_by_name(a) == Role::unknown || role_by_name(a) == Role::upstream))  // grad_out
      open.push_back(&a);
  return open;
}

// A pairing that leaves a matrix out that looks like the paired ones has paired gates, not gradients.
bool leaves_a_like(const std::vector<Pair>& pairs, const std::vector<const NamedArray*>& open) {
  std::set<const NamedArray*> paired;
  std::set<std::vector<std::size_t>> shapes;
  for (const Pair& p : pairs) {
    paired.insert({p.parameter, p.gradient});
    if (p.parameter->array.shape.size() == 2) shapes.insert(p.parameter->array.shape);
  }
  return shapes.empty() || std::any_of(open.begin(), open.end(), [&](const NamedArray* a) {
           return !paired.count(a) && shapes.count(a->array.shape);
         });
}

// The parameter's name with a beginning or an end of its own (`gone`) and the gradient's in its place.
struct Affixes {
  std::string gone, before, after;
  auto operator<=>(const Affixes&) const = default;
};

std::vector<Affixes> affixes_between(const std::string& p, const std::string& g) {
  std::vector<Affixes> out;
  for (auto at = g.find(p); at != std::string::npos; at = g.find(p, at + 1))  // dW_total of W
    out.push_back({"", g.substr(0, at), g.substr(at + p.size())});
  const auto common = [](auto a, auto a_end, auto b, auto b_end) {
    return static_cast<std::size_t>(std::mismatch(a, a_end, b, b_end).first - a);
  };
  const std::size_t tail = common(p.rbegin(), p.rend(), g.rbegin(), g.rend());
  const std::size_t front = common(p.begin(), p.end(), g.begin(), g.end());
  for (std::size_t n = 1; n <= tail && n < p.size() && n < g.size(); ++n)  // vector_1 of matrix_1
    out.push_back({p.substr(0, p.size() - n), g.substr(0, g.size() - n), ""});
  for (std::size_t n = 1; n <= front && n < p.size() && n < g.size(); ++n)  // W_slope of W_now
    out.push_back({p.substr(n), "", g.substr(n)});
  return out;
}

// The beginnings and ends that turn most names into names of arrays of the same size.
// What both ways fit goes the way that a word for gradients says, else the later array is the gradient.
std::vector<Pair> pair_by_shared_affixes(const std::vector<const NamedArray*>& open) {
  std::map<Affixes, std::vector<Pair>> groups;
  for (const NamedArray* p : open)
    for (const NamedArray* g : open)
      if (p != g && p->array.size() == g->array.size() && !is_sequence(*p))
        for (Affixes& a : affixes_between(plain_lower(p->name), plain_lower(g->name)))
          groups[std::move(a)].push_back({p, g});
  std::vector<Pair> best;
  int best_way = 0;
  for (const auto& [affixes, pairs] : groups) {
    std::set<const NamedArray*> seen;
    for (const Pair& pair : pairs) seen.insert({pair.parameter, pair.gradient});
    if (pairs.size() < 2 || seen.size() != 2 * pairs.size() || leaves_a_like(pairs, open)) continue;
    const auto word = std::pair(says_gradient(affixes.before + affixes.after), says_gradient(affixes.gone));
    const int way = word.first != word.second ? 2 * word.first : pairs[0].parameter < pairs[0].gradient;
    if (std::pair(pairs.size(), way) > std::pair(best.size(), best_way)) best = pairs, best_way = way;
  }
  return best;
}

// Names that tell nothing (arr_0, arr_1, ...): the longest run of arrays whose shapes come again, in the same
// order, in a later run. Two halves that are each twice the same are rather four gates.
std::vector<Pair> pair_by_order(const std::vector<const NamedArray*>& open) {
  std::size_t length = 0, first = 0, second = 0;
  for (std::size_t i = 0; i < open.size(); ++i)
    for (std::size_t j = i + 1; j < open.size(); ++j) {
      std::size_t n = 0;
      while (i + n < j && j + n < open.size() && open[i + n]->array.shape == open[j + n]->array.shape) ++n;
      if (n > length) length = n, first = i, second = j;
    }
  const auto shape = [&](std::size_t k) { return open[first + k]->array.shape; };
  bool twice = length % 2 == 0;
  for (std::size_t k = 0; twice && k < length / 2; ++k) twice = shape(k) == shape(k + length / 2);
  if (length < 3 || twice) return {};
  std::vector<Pair> pairs;
  for (std::size_t k = 0; k < length; ++k) pairs.push_back({open[first + k], open[second + k]});
  return leaves_a_like(pairs, open) ? std::vector<Pair>() : pairs;
}

}  // namespace

bool names_gradient_of(const std::string& gradient, const std::string& parameter) {
  const std::string g = letters_and_digits(gradient), p = letters_and_digits(parameter);
  if (g == p) return false;
  if (is_gradient_plain(g, p)) return true;
  const std::string gl = plain_lower(gradient), pl = plain_lower(parameter);
  if (is_gradient_plain(gl, pl)) return true;
  for (const char* own : kOwn) {
    const std::string word = own;
    if (pl.size() > word.size() && pl.rfind(word, 0) == 0) {
      const std::string stem = pl.substr(word.size());
      if (is_gradient_plain(gl, stem)) return true;
    }
  }
  return false;
}

std::string numeric_stem(const std::string& name) {
  std::string low = name;
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (std::none_of(std::begin(kNumeric), std::end(kNumeric),
                   [&](const char* w) { return low.find(w) != std::string::npos; }))
    return "";
  std::string stem = plain_lower(name);
  for (const std::string word : kNumeric)
    if (const auto at = stem.find(word); at != std::string::npos) stem.erase(at, word.size());
  return stem;
}

std::vector<Pair> pair_gradients(const Case& given) {
  const Arrays& all = given.arrays;
  auto hint = [&](const std::string& n) {
    const auto at = given.hints.roles.find(n);
    return at == given.hints.roles.end() ? std::string() : at->second;
  };
  std::vector<Pair> pairs;
  const auto is = [&](const NamedArray* Pair::*part, const NamedArray& a) {
    return std::any_of(pairs.begin(), pairs.end(), [&](const Pair& q) { return q.*part == &a; });
  };
  for (const NamedArray& g : all)
    for (const NamedArray& p : all)
      if (hint(g.name) == fmt::format("gradient of {}", p.name)) {
        if (g.array.size() != p.array.size())
          throw UsageError("{} {} is said to be the gradient of {} {}: they have unequal sizes", g.name,
                           describe_shape(g.array.shape), p.name, describe_shape(p.array.shape));
        pairs.push_back({&p, &g});
      }
  // Exact spelling first, then without regard to case.
  for (const bool exact : {true, false})
    for (const NamedArray& p : all) {
      if ((is(&Pair::gradient, p) || !hint(p.name).empty()) && hint(p.name) != "parameter") continue;
      if (is(&Pair::parameter, p) || is_sequence(p)) continue;
      for (const NamedArray& g : all) {
        if (&g == &p || is(&Pair::gradient, g) || is(&Pair::parameter, g)) continue;
        if (!hint(g.name).empty() || !numeric_stem(g.name).empty()) continue;
        if (g.array.size() != p.array.size()) continue;
        if (exact ? !is_gradient_plain(letters_and_digits(g.name), letters_and_digits(p.name))
                  : !names_gradient_of(g.name, p.name))
          continue;
        pairs.push_back({&p, &g});
        break;
      }
    }
  // Known beginnings and ends may fit by accident (a, b and c of a sum; d): most pairs are right.
  auto open = open_arrays(given);
  const auto taken = [&](const NamedArray* a) { return is(&Pair::parameter, *a) || is(&Pair::gradient, *a); };
  if (auto shared = pair_by_shared_affixes(open);
      given.hints.roles.empty() && shared.size() > pairs.size() &&
      std::any_of(shared.begin(), shared.end(),
                  [&](const Pair& p) { return taken(p.parameter) || taken(p.gradient); }))
    pairs = std::move(shared);
  for (bool more = true; more;) {
    std::erase_if(open, taken);
    const auto shared = pair_by_shared_affixes(open);
    pairs.insert(pairs.end(), shared.begin(), shared.end());
    more = !shared.empty();
  }
  if (pairs.empty()) pairs = pair_by_order(open);
  return pairs;
}

}  // namespace retrograde::doctor
