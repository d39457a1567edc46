// Arrays from an NPZ file, batch first.
//   x         [N, T, I] numbers, or [N, T] whole numbers of an integer type: tokens
//   y         whole numbers of an integer type are labels: [N, T] for every step, [N] for the sequence
//             other numbers: [N, T, O] or [N, T] for every step, [N, O] or [N] for the sequence
//   lengths   [N], or absent: every sequence has T steps
// Numbers that are 0 or 1 alone, several for a target, are yes-or-no outputs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/task.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/data/npz.h"

namespace retrograde::cli::detail {
namespace {

bool is_integer(const Array& array) { return array.dtype == Dtype::int32 || array.dtype == Dtype::int64; }

const Array& find(const Npz& file, const std::string& name, const std::string& path, const char* option) {
  const auto at = file.arrays.find(name);
  if (at == file.arrays.end()) {
    std::string names;
    for (const auto& [key, array] : file.arrays)
      names += fmt::format("{}{} {}", names.empty() ? "" : ", ", key, describe_shape(array.shape));
    throw DataError("{}: there is no array \"{}\"; there are {}. Name it with {}", path, name, names, option);
  }
  return at->second;
}

std::int32_t whole(double value, std::size_t limit, const std::string& path, const char* what) {
  if (!(value >= 0 && value < static_cast<double>(limit)))
    throw DataError("{}: {} {} is outside 0 .. {}", path, what, value, limit - 1);
  return static_cast<std::int32_t>(value);
}

std::size_t largest_plus_one(const Array& array) {
  const double largest = *std::ranges::max_element(array.values);
  return static_cast<std::size_t>(std::clamp(largest, 0.0, 1e7)) + 1;
}

std::vector<std::size_t> lengths_of(const Npz& file, const DataArguments& a, std::size_t count,
                                    std::size_t steps) {
  std::vector<std::size_t> lengths(count, steps);
  const auto at = file.arrays.find(a.lengths);
  if (at == file.arrays.end()) {
    if (a.lengths != "lengths") find(file, a.lengths, a.path, "--lengths");
    return lengths;
  }
  if (at->second.shape != std::vector<std::size_t>{count})
    throw DataError("{}: {} is {}; it must be [{}]", a.path, a.lengths, describe_shape(at->second.shape),
                    count);
  for (std::size_t i = 0; i < count; ++i) {
    const double length = at->second.values[i];
    if (!(length >= 1 && length <= static_cast<double>(steps)) || length != std::floor(length))
      throw DataError("{}: {}[{}] is {}; it must be a whole number from 1 to {}", a.path, a.lengths, i,
                      length, steps);
    lengths[i] = static_cast<std::size_t>(length);
  }
  return lengths;
}

// What x and y make of the task, when there is no model to say it.
Layout layout_of(const Array& x, const Array& y, const DataArguments& a) {
  const std::size_t count = x.shape[0], steps = x.shape[1];
  Layout layout{.inputs = x.shape.size() == 3 ? x.shape[2] : largest_plus_one(x),
                .tokens = x.shape.size() == 2};
  const auto& shape = y.shape;
  layout.classes = is_integer(y) && shape.size() <= 2;
  const bool each_step = shape.size() >= 2 && shape[1] == steps && (shape.size() == 3 || steps > 1);
  layout.at = each_step ? At::every : At::last;
  if (shape.empty() || shape.size() > 3 || shape[0] != count || (shape.size() == 3 && !each_step) ||
      (layout.classes && shape.size() == 2 && !each_step))
    throw DataError(
        "{}: {} is {}, and {} is {}; the first axes of y must be the sequences ({}) and, for a target a "
        "step, "
        "the steps ({})",
        a.path, a.x, describe_shape(x.shape), a.y, describe_shape(shape), count, steps);
  layout.outputs = layout.classes ? largest_plus_one(y) : y.size() / (count * (each_step ? steps : 1));
  return layout;
}

bool all_zero_or_one(const Array& array) {
  return std::ranges::all_of(array.values, [](double v) { return v == 0 || v == 1; });
}

void require_finite(const Array& array, const std::string& path, const std::string& name) {
  const auto bad = std::ranges::find_if(array.values, [](double v) { return !std::isfinite(v); });
  if (bad != array.values.end())
    throw DataError("{}: element {} of {} is not finite", path, bad - array.values.begin(), name);
}

std::shared_ptr<const Dataset> sequences_of(const Npz& file, const Array& x, const Array* y,
                                            const Layout& layout, const DataArguments& a) {
  const std::size_t count = x.shape[0], steps = x.shape[1];
  const auto lengths = lengths_of(file, a, count, steps);
  auto result = std::make_shared<Sequences>(layout);
  for (std::size_t n = 0; n < count; ++n) {
    Sequence sequence;
    const std::size_t valid = lengths[n];
    const auto at = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
    if (layout.tokens)
      for (std::size_t t = 0; t < valid; ++t)
        sequence.tokens.push_back(whole(x.values[n * steps + t], layout.inputs, a.path, "token"));
    else
      sequence.x.assign(x.values.begin() + at(n * steps * layout.inputs),
                        x.values.begin() + at((n * steps + valid) * layout.inputs));
    const bool every = layout.at == At::every;
    const std::size_t targets = every ? valid : 1, first = n * (every ? steps : 1);
    if (!y) {
      sequence.weights.assign(targets, 0);
      if (layout.classes)
        sequence.classes.assign(targets, 0);
      else
        sequence.values.assign(targets * layout.outputs, 0);
    } else if (layout.classes) {
      for (std::size_t t = 0; t < targets; ++t)
        sequence.classes.push_back(whole(y->values[first + t], layout.outputs, a.path, "label"));
    } else {
      sequence.values.assign(y->values.begin() + at(first * layout.outputs),
                             y->values.begin() + at((first + targets) * layout.outputs));
    }
    result->add(std::move(sequence));
  }
  return result;
}

Json layout_json(const Layout& layout) {
  return {{"inputs", layout.inputs},
          {"tokens", layout.tokens},
          {"outputs", layout.outputs},
          {"classes", layout.classes},
          {"each_step", layout.at == At::every}};
}
Layout layout_from_json(const Json& json) {
  return {.inputs = known_item(json, "inputs").get<std::size_t>(),
          .tokens = known_item(json, "tokens").get<bool>(),
          .outputs = known_item(json, "outputs").get<std::size_t>(),
          .classes = known_item(json, "classes").get<bool>(),
          .at = known_item(json, "each_step").get<bool>() ? At::every : At::last};
}

}  // namespace

Task open_arrays(const Opening& o) {
  const DataArguments& a = o.arguments;
  const Npz file = read_npz(*open_source(a.path));
  const Array& x = find(file, a.x, a.path, "--x");
  const Array* const y = o.targets == Targets::needed ? &find(file, a.y, a.path, "--y") : nullptr;
  const bool tokens = x.shape.size() == 2 && is_integer(x);
  if ((x.shape.size() != 3 && !tokens) || x.size() == 0)
    throw DataError(
        "{}: {} is {} of {}; it must be [sequences, steps, features], or [sequences, steps] of whole numbers",
        a.path, a.x, describe_shape(x.shape), name(x.dtype));
  require_finite(x, a.path, a.x);
  if (y) require_finite(*y, a.path, a.y);
  const Layout layout = o.known ? layout_from_json(known_item(*o.known, "layout")) : layout_of(x, *y, a);
  if (layout.tokens != tokens || (!tokens && x.shape[2] != layout.inputs))
    throw DataError(
        "{}: {} is {}; the model wants {}", a.path, a.x, describe_shape(x.shape),
        layout.tokens ? "tokens [sequences, steps]" : fmt::format("[sequences, steps, {}]", layout.inputs));
  const bool every = layout.at == At::every;
  const std::size_t targets = x.shape[0] * (every ? x.shape[1] : 1) * (layout.classes ? 1 : layout.outputs);
  if (y && y->size() != targets)
    throw DataError("{}: {} is {}, {} values; the model wants {}", a.path, a.y, describe_shape(y->shape),
                    y->size(), targets);

  const bool yes_or_no = o.known ? known_item(*o.known, "yes_or_no").get<bool>()
                                 : !layout.classes && layout.outputs > 1 && all_zero_or_one(*y);
  Task task{.kind = "arrays",
            .layout = layout,
            .preprocess = {{"task", "arrays"}, {"layout", layout_json(layout)}, {"yes_or_no", yes_or_no}},
            .loss = layout.classes ? Loss::Kind::softmax_cross_entropy
                    : yes_or_no    ? Loss::Kind::binary_cross_entropy
                                   : Loss::Kind::squared_error};
  const auto sequences = sequences_of(file, x, y, layout, a);
  task.about = {fmt::format("data   {}, {} sequences, {} steps, {} {}, {} {} {}", a.path,
                            grouped(sequences->sequences()), grouped(sequences->steps()), layout.inputs,
                            tokens ? "symbols" : "features", layout.outputs,
                            layout.classes ? "labels" : "outputs", every ? "a step" : "a sequence")};
  divide(task, sequences, o);
  return task;
}

}  // namespace retrograde::cli::detail
