#include "retrograde/doctor/alternatives.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "retrograde/doctor/naming.h"
#include "retrograde/doctor/placing.h"

namespace retrograde::doctor {

namespace {

bool has(const Roles& roles, Role role) {
  return std::any_of(roles.data.begin(), roles.data.end(), [&](const Datum& d) { return d.role == role; });
}

Roles with_data(const Roles& roles) {
  Roles out = roles;
  std::erase_if(out.blocks, [&](const Block& b) {
    const bool doubtful =
        std::find(roles.doubtful.begin(), roles.doubtful.end(), b.parameter) != roles.doubtful.end();
    if (doubtful)
      out.data.push_back({{b.parameter, {b.shape, b.value, Dtype::float64}}, Role::unknown, false});
    return doubtful;
  });
  return out;
}

// With no input, a letter that is commonly another thing's name may be its.
Roles with_letters(const Roles& roles) {
  Roles out = roles;
  for (Datum& d : out.data)
    if (!d.by_hint && d.given.name.size() == 1 && (d.role == Role::outputs || d.role == Role::states))
      d.role = Role::unknown;
  return out;
}

// Where names tell input and target, one or two arrays that are neither are rather start states.
std::optional<Roles> with_rest_as_start(Roles roles) {
  if (!has(roles, Role::input) || !has(roles, Role::target) || has(roles, Role::h0)) return std::nullopt;
  std::vector<Datum*> rest;
  for (Datum& d : roles.data)
    if (d.role == Role::unknown && d.given.array.size() > 1) rest.push_back(&d);
  if (rest.empty() || rest.size() > 2) return std::nullopt;
  rest[0]->role = Role::h0;
  if (rest.size() == 2) rest[1]->role = Role::c0;
  return roles;
}

bool may_be_a_state(const Block& b) {
  const std::string l = plain_lower(b.parameter);
  return !b.claim.empty() && b.shape.size() >= 2 && b.shape.size() <= 3 && !l.empty() && !weightlike(l) &&
         !suggest(b.parameter).embedding;
}

// Arrays with a claim that names do not tell from parameters: a start state that is handed on, as from an
// encoder.
Roles with_start(const Roles& roles, const std::vector<std::string>& names) {
  Roles out = roles;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const auto at = std::find_if(out.blocks.begin(), out.blocks.end(),
                                 [&](const Block& b) { return b.parameter == names[k]; });
    out.data.push_back(
        {{at->parameter, {at->shape, at->value, Dtype::float64}}, k == 0 ? Role::h0 : Role::c0, false});
    out.state_blocks.push_back(std::move(*at));
    out.blocks.erase(at);
  }
  return out;
}

// Letters at the beginning or the end of both.
std::size_t in_common(const std::string& a, const std::string& b) {
  const auto front = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  const auto back = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin();
  return static_cast<std::size_t>(std::max(front, back));
}

std::vector<Roles> with_starts(const Roles& roles) {
  std::vector<std::string> names;
  for (const Block& b : roles.blocks)
    if (may_be_a_state(b)) names.push_back(b.parameter);
  std::vector<Roles> out;
  if (has(roles, Role::h0)) return out;
  // Names that have most in common with another's are weights of several gates.
  const auto kinship = [&](const std::string& name) {
    std::size_t most = 0;
    for (const Block& b : roles.blocks)
      if (b.parameter != name) most = std::max(most, in_common(name, b.parameter));
    return most;
  };
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return kinship(a) < kinship(b); });
  names.resize(std::min<std::size_t>(names.size(), 3));
  for (const std::string& h : names) {
    out.push_back(with_start(roles, {h}));
    for (const std::string& c : names)
      if (c != h) out.push_back(with_start(roles, {h, c}));
  }
  return out;
}

// One-hot rows as the tokens they stand for; empty if they are not.
std::optional<Array> tokens_of_rows(const Array& a) {
  if (a.shape.size() != 3 || a.shape[2] < 2) return std::nullopt;
  Array out{{a.shape[0], a.shape[1]}, {}, a.dtype};
  for (auto row = a.values.begin(); row != a.values.end(); row += static_cast<long>(a.shape[2])) {
    const auto end = row + static_cast<long>(a.shape[2]), one = std::find(row, end, 1.0);
    if (one == end || std::count(row, end, 0.0) + 1 != end - row) return std::nullopt;
    out.values.push_back(static_cast<double>(one - row));
  }
  return out;
}

// Tokens in one-hot form, which an embedding's matrix meets as a product; nothing if there are none.
std::optional<Roles> with_tokens(Roles roles) {
  bool any = false;
  for (Datum& d : roles.data)
    if (d.role == Role::input || d.role == Role::unknown || d.role == Role::target)
      if (auto tokens = tokens_of_rows(d.given.array)) d.given.array = *std::move(tokens), any = true;
  return any ? std::optional(std::move(roles)) : std::nullopt;
}

// Steps [from, from + n - 1) of an axis of n.
Array part_of(const Array& a, std::size_t axis, std::size_t from) {
  Array out = a;
  out.values.clear();
  --out.shape[axis];
  std::size_t inner = 1;
  for (std::size_t k = axis + 1; k < a.shape.size(); ++k) inner *= a.shape[k];
  const std::size_t n = a.shape[axis];
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const std::size_t at = i / inner % n;
    if (at >= from && at < from + n - 1) out.values.push_back(a.values[i]);
  }
  return out;
}

// The array `text` as input without its last step and as target without its first.
Roles shifted(const Roles& roles, std::size_t text, std::size_t axis) {
  Roles out = roles;
  const Array& all = roles.data[text].given.array;
  const std::string name = roles.data[text].given.name, before(axis == 1 ? ":, " : "");
  out.data[text] = {{name + "[" + before + ":-1]", part_of(all, axis, 0)}, Role::input, false};
  out.data.push_back({{name + "[" + before + "1:]", part_of(all, axis, 1)}, Role::target, false});
  return out;
}

Array stacked(const std::vector<Array>& columns, bool from_the_end) {
  Array out{columns[0].shape, {}, columns[0].dtype};
  if (columns.size() > 1) out.shape.push_back(columns.size());
  const std::size_t n = columns[0].size();
  for (std::size_t i = 0; i < n; ++i)
    for (const Array& c : columns) out.values.push_back(c.values[from_the_end ? n - 1 - i : i]);
  return out;
}

// Arrays of one shape, a number a step each, are the features of an input: the bits of two numbers, a value
// and its marker. With no target by name any of them may be it. Sums are read from the end, too.
void add_columns(const Roles& roles, const std::vector<Datum>& alike, std::vector<Roles>& out) {
  const bool named = has(roles, Role::target),
             among = std::any_of(alike.begin(), alike.end(),
                                 [](const Datum&d) { return d.role == Role::target; });
  for (std::size_t target = 0; target <= alike.size(); ++target) {  // the last: none of them
    const bool own = target < alike.size();
    if (own ? (among ? alike[target].role != Role::target : named) : among || !named) continue;
    std::vector<Array> columns;
    std::string name;
    for (std::size_t k = 0; k < alike.size(); ++k)
      if (k != target) {
        columns.push_back(alike[k].given.array);
        name += (name.empty() ? "" : ", ") + alike[k].given.name;
      }
    if (columns.size() < 2) continue;
    for (const bool from_the_end : {false, true}) {
      if (from_the_end && (!own || columns[0].shape.size() > 1)) continue;
      Roles other = roles;
      std::erase_if(other.data, [&](const Datum& d) {
        return std::any_of(alike.begin(), alike.end(),
                           [&](const Datum& a) { return a.given.name == d.given.name; });
      });
      const std::string end = from_the_end ? "[::-1]" : "";
      other.data.push_back({{"(" + name + ")" + end, stacked(columns, from_the_end)}, Role::input, false});
      if (own)
        other.data.push_back(
            {{alike[target].given.name + end, stacked({alike[target].given.array}, from_the_end)},
             Role::target,
             false});
      out.push_back(std::move(other));
    }
  }
}

std::vector<Roles> with_columns(const Roles& roles) {
  std::vector<Roles> out;
  if (has(roles, Role::input)) return out;
  std::vector<Datum> open;
  for (const Datum& d : roles.data) {
    const bool letter = d.given.name.size() == 1 && (d.role == Role::outputs || d.role == Role::states);
    if (!d.by_hint && d.given.array.size() > 1 && d.given.array.shape.size() < 3 &&
        (d.role == Role::unknown || d.role == Role::target || letter))
      open.push_back(d);
  }
  while (!open.empty()) {
    const auto shape = open[0].given.array.shape;
    const auto rest = std::stable_partition(open.begin(), open.end(),
                                            [&](const Datum& d) { return d.given.array.shape == shape; });
    const std::vector<Datum> alike(open.begin(), rest);
    open.erase(open.begin(), rest);
    if (alike.size() > 1 && alike.size() < 5) add_columns(roles, alike, out);
  }
  return out;
}

}  // namespace

std::vector<Roles> column_alternatives(const Roles& roles) {
  return with_columns(roles.doubtful.empty() ? roles : with_data(roles));
}

std::vector<Roles> role_alternatives(const Roles& roles) {
  std::vector<Roles> out = {roles};
  if (!roles.doubtful.empty()) out.push_back(with_data(roles));
  if (!has(roles, Role::input) && (has(roles, Role::outputs) || has(roles, Role::states)))
    out.push_back(with_letters(roles));
  if (auto other = with_rest_as_start(roles)) out.push_back(*std::move(other));
  for (std::size_t k = 0, n = out.size(); k < n; ++k)
    for (Roles& other : with_starts(out[k])) out.push_back(std::move(other));
  for (std::size_t k = 0, n = out.size(); k < n; ++k)
    if (auto other = with_tokens(out[k])) out.push_back(*std::move(other));
  for (std::size_t k = 0, n = out.size(); k < n; ++k)
    for (std::size_t i = 0; i < out[k].data.size(); ++i) {
      const Datum d = out[k].data[i];
      const Array& a = d.given.array;
      if ((d.role != Role::input && d.role != Role::unknown && d.role != Role::target) ||
          !whole_numbers(a.values) || a.shape.empty() || a.shape.size() > 2)
        continue;
      if (d.role != Role::target && has(out[k], Role::target)) continue;
      for (std::size_t axis = a.shape.size(); axis-- > 0;)
        if (a.shape[axis] > 2) out.push_back(shifted(out[k], i, axis));
    }
  return out;
}

std::vector<Front> fronts(const Roles& roles, const Datum& x) {
  std::vector<Front> out;
  auto offer = [&](const Front& f) {
    if (std::find(out.begin(), out.end(), f) == out.end()) out.push_back(f);
  };
  const Array& given = x.given.array;
  for (std::size_t n : given.shape) offer({static_cast<int>(n)});
  offer({1});
  if (whole_numbers(given.values) && !given.values.empty()) {
    const double top = *std::max_element(given.values.begin(), given.values.end());
    auto is_size = [&](std::size_t n) {
      return std::any_of(roles.blocks.begin(), roles.blocks.end(), [&](const Block& b) {
        return std::find(b.shape.begin(), b.shape.end(), n) != b.shape.end();
      });
    };
    // One-hot: as wide as a parameter, less the state and the bias that may share it.
    for (const Block& b : roles.blocks)
      for (std::size_t n : b.shape)
        for (std::size_t minus = 0; minus <= n; ++minus)
          if (static_cast<double>(n - minus) > top &&
              (minus == 0 || is_size(n - minus) || is_size(minus) || is_size(minus - 1)))
            offer({static_cast<int>(n - minus)});
    for (const Block& b : roles.blocks)
      if (b.shape.size() == 2)
        for (int side : {0, 1})
          if (const auto n = b.shape[static_cast<std::size_t>(side)]; static_cast<double>(n) > top)
            offer({static_cast<int>(b.shape[static_cast<std::size_t>(1 - side)]), static_cast<int>(n)});
  }
  const std::size_t plain = out.size();
  for (const Datum& d : roles.data) {
    if ((d.role != Role::input && d.role != Role::unknown) || d.given.name == x.given.name) continue;
    if (d.given.array.shape.size() != 2 && d.given.array.shape.size() != 1) continue;
    for (std::size_t n : d.given.array.shape)
      for (std::size_t k = 0; k < plain && n > 1; ++k) {
        Front f = out[k];
        f.features = static_cast<int>(n);
        offer(f);
      }
  }
  return out;
}

}  // namespace retrograde::doctor
