// The judge, for functions of a flat vector that are written in Python.
#include <nanobind/stl/complex.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <complex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "arrays.h"
#include "bind.h"
#include "retrograde/base/error.h"
#include "retrograde/check/gradient.h"

namespace retrograde::python {
namespace {

CheckMode mode_named(const std::string& text) {
  for (const auto mode : {CheckMode::automatic, CheckMode::full, CheckMode::sampled, CheckMode::directional})
    if (name(mode) == text) return mode;
  throw UsageError("there is no mode \"{}\"; there are automatic, full, sampled and directional", text);
}

template <class S>
std::function<S(std::span<const S>)> function_of(const nb::callable& f) {
  return [&f](std::span<const S> x) { return nb::cast<S>(f(owned(copy_of(x), {x.size()}))); };
}

CheckReport check(const nb::callable& real, const std::optional<nb::callable>& complex,
                  const In<double>& theta, const In<double>& claimed,
                  const std::vector<std::tuple<std::string, Shape, std::vector<std::string>>>& blocks,
                  bool single_precision, const std::string& mode, std::size_t entries, double miss,
                  double seconds, std::uint64_t seed, const std::optional<nb::callable>& progress) {
  CheckOptions options;
  for (const auto& [block, shape, gates] : blocks)
    options.blocks.push_back({.name = block, .shape = shape, .gates = gates});
  options.mode = mode_named(mode);
  options.claim = single_precision ? Precision::float32 : Precision::float64;
  options.entries = entries;
  options.miss = miss;
  options.seconds = seconds;
  options.seed = seed;
  if (progress)
    options.progress = [&](const Progress& at) {
      return nb::cast<bool>((*progress)(std::string(at.what), at.done, at.total));
    };
  Objective objective{.real = function_of<double>(real)};
  if (complex) objective.complex = function_of<std::complex<double>>(*complex);
  return check_gradient(objective, span_of(theta), span_of(claimed), options);
}

// The slope of f along v, and its error bar.
std::pair<double, double> slope(const nb::callable& f, const In<double>& theta, const In<double>& v) {
  const RealFunction function = function_of<double>(f);
  const std::vector<double> scales(theta.size(), 0.1);
  Random random(1);
  const FunctionNoise noise = measure_noise(function, span_of(theta), scales, random);
  const Derivative d = ridders(function, span_of(theta), {0, span_of(v)}, 0.1, noise);
  return {d.value, d.error};
}

}  // namespace

void bind_check(nb::module_& m) {
  nb::class_<BlockResult>(m, "BlockResult", "The verdict on one block of parameters.")
      .def_ro("name", &BlockResult::name)
      .def_prop_ro("verdict", [](const BlockResult& b) { return name(b.verdict); })
      .def_ro("entries", &BlockResult::entries, "of the block")
      .def_ro("checked", &BlockResult::checked, "entries or directions that were compared")
      .def_ro("bad", &BlockResult::bad, "entries that differ")
      .def_ro("not_finite", &BlockResult::not_finite, "of the bad: NaN or infinite")
      .def_ro("unresolved", &BlockResult::unresolved, "entries that nobody can tell")
      .def_ro("kinks", &BlockResult::kinks, "entries with a kink within the finite difference's step")
      .def_ro("worst_at", &BlockResult::worst_at, "index of the worst entry, in words")
      .def_prop_ro("claimed", [](const BlockResult& b) { return b.worst.claimed; })
      .def_prop_ro("true", [](const BlockResult& b) { return b.worst.truth.value; })
      .def_prop_ro("gap", [](const BlockResult& b) { return b.worst.gap; })
      .def_prop_ro("allowed", [](const BlockResult& b) { return b.worst.allowed; })
      .def_prop_ro("relative_gap", &BlockResult::relative_gap)
      .def_ro("scale", &BlockResult::scale, "largest |true|")
      .def_ro("cosine", &BlockResult::cosine)
      .def_ro("norm_ratio", &BlockResult::norm_ratio, "|claimed| / |true|")
      .def_ro("note", &BlockResult::note);
  nb::class_<CheckReport>(m, "CheckResult", "What the judge says; see retrograde.CheckReport.")
      .def_prop_ro("verdict", [](const CheckReport& r) { return name(r.verdict); })
      .def_ro("blocks", &CheckReport::blocks)
      .def_prop_ro("mode", [](const CheckReport& r) { return name(r.mode); })
      .def_ro("oracle", &CheckReport::oracle)
      .def_ro("entries", &CheckReport::entries)
      .def_ro("checked", &CheckReport::checked)
      .def_ro("evaluations", &CheckReport::evaluations)
      .def_ro("seconds", &CheckReport::seconds)
      .def_ro("power", &CheckReport::power)
      .def_ro("notes", &CheckReport::notes)
      .def("line", &CheckReport::line)
      .def("text", &CheckReport::text)
      .def("json", [](const CheckReport& r) { return r.json().dump(); });
  m.def("check", &check, nb::arg("real"), nb::arg("complex").none(), nb::arg("theta"), nb::arg("claimed"),
        nb::arg("blocks"), nb::arg("single_precision"), nb::arg("mode"), nb::arg("entries"), nb::arg("miss"),
        nb::arg("seconds"), nb::arg("seed"), nb::arg("progress").none());
  m.def("slope", &slope, nb::arg("f"), nb::arg("theta"), nb::arg("direction"),
        "The slope of f along the direction by differences, and its error bar.");
}

}  // namespace retrograde::python
