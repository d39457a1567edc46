#include "retrograde/doctor/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "retrograde/base/error.h"
#include "retrograde/doctor/naming.h"
#include "retrograde/doctor/pairing.h"

namespace retrograde::doctor {

namespace {

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

}  // namespace

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

namespace {

// The words of a name: start_H, initialHidden, x_seq_in.
std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> out;
  bool open = false, small = false;
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (!open || (std::isupper(u) && small)) out.emplace_back();
    open = std::isalpha(u) != 0, small = std::islower(u) != 0;
    if (open)
      out.back() += static_cast<char>(std::tolower(u));
    else if (out.back().empty())
      out.pop_back();
  }
  return out;
}

// What the words of a name tell that is no name by itself.
Role role_by_words(const NamedArray& a) {
  if (const Role r = role_by_name(a); r != Role::unknown || plain_lower(a.name).size() < 3) return r;
  const std::vector<std::string> words = words_of(a.name);
  const auto one_of = [&](std::initializer_list<const char*> list) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& w) {
      return std::find(list.begin(), list.end(), w) != list.end();
    });
  };
  if (one_of({"start", "init", "initial", "prev", "previous", "first", "zero", "begin"})) {
    if (one_of({"c", "cell", "memory", "mem"})) return Role::c0;
    if (one_of({"h", "hidden", "state", "s", "a", "hid", "activation"})) return Role::h0;
  }
  if (one_of({"target", "targets", "label", "labels", "y", "ys", "expected", "desired", "truth"}))
    return Role::target;
  if (one_of({"input", "inputs", "x", "xs"})) return Role::input;
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

Block block_of(const NamedArray& parameter) {
  Block b;
  b.parameter = parameter.name;
  b.shape = parameter.array.shape;
  b.value = parameter.array.values;
  return b;
}

}  // namespace

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
  const std::vector<Pair> pairs = pair_gradients(given);
  for (const Pair& p : pairs) used.insert(p.gradient->name);
  const bool told = std::any_of(given.hints.roles.begin(), given.hints.roles.end(),
                                [](const auto& h) { return h.second == "parameter"; });
  for (const Pair& pair : pairs) {
    Block b = block_of(*pair.parameter);
    b.gradient = pair.gradient->name;
    b.claim = pair.gradient->array.values;
    b.claim_transposed = pair.gradient->array.shape != pair.parameter->array.shape;
    Role r = role_by_hint(hint(b.parameter));
    if (r == Role::unknown) r = role_by_name(*pair.parameter);
    if (const Role start = role_by_words(*pair.parameter);
        r == Role::unknown && !weightlike(b.parameter) && (start == Role::h0 || start == Role::c0))
      r = start;
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
    if (h.rfind("numeric gradient of ", 0) == 0 || !numeric_stem(a.name).empty()) {
      for (Block& b : roles.blocks) {
        const std::string stem = numeric_stem(a.name);
        if (h == fmt::format("numeric gradient of {}", b.parameter) ||
            (h.empty() && a.array.size() == b.value.size() &&
             (stem == plain_lower(b.parameter) || names_gradient_of(stem, b.parameter))))
          b.numeric = a.array.values;
      }
      continue;
    }
    Datum d{a, role_by_words(a), false};
    if (role_by_hint(h) != Role::unknown) d.role = role_by_hint(h), d.by_hint = true;
    if (d.role == Role::unknown && weightlike(a.name) && a.array.size() > 1) {
      roles.blocks.push_back(block_of(a));
      roles.doubtful.push_back(a.name);
    } else {
      roles.data.push_back(std::move(d));
    }
  }
  // Words that two arrays share tell neither: input_data, input_predicts.
  for (const Role role : {Role::input, Role::target}) {
    const auto by_words = [role](const Datum& d) {
      return !d.by_hint && d.role == role && role_by_name(d.given) == Role::unknown;
    };
    if (std::count_if(roles.data.begin(), roles.data.end(), [&](const Datum& d) { return d.role == role; }) >
        1)
      for (Datum& d : roles.data)
        if (by_words(d)) d.role = Role::unknown;
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
