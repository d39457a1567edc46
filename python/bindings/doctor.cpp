// The doctor, for programs that are written in Python. Arrays cross as float64 with the name of the type that
// they had; what a program changes in its arguments is brought back, since the doctor looks.
#include "retrograde/doctor/doctor.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>

#include "arrays.h"
#include "bind.h"

namespace retrograde::python {
namespace {

using Named = std::tuple<std::string, In<double>, std::string>;

Dtype dtype_named(const std::string& text) {
  for (const auto dtype : {Dtype::float32, Dtype::int32, Dtype::int64})
    if (name(dtype) == text) return dtype;
  return Dtype::float64;
}

doctor::Arrays arrays_from(const std::vector<Named>& given) {
  doctor::Arrays result;
  for (const auto& [name, array, dtype] : given)
    result.push_back({name, {shape_of(array), copy_of(span_of(array)), dtype_named(dtype)}});
  return result;
}

nb::dict handed_over(const doctor::Arrays& arrays) {
  nb::dict result;
  for (const auto& [name, array] : arrays) result[name.c_str()] = owned(array.values, array.shape);
  return result;
}

void bring_back(const nb::dict& from, doctor::Arrays& arrays) {
  for (auto& [name, array] : arrays) {
    const auto changed = nb::cast<In<double>>(from[name.c_str()]);
    array.values = copy_of(span_of(changed));
  }
}

// Calls f(parameters, batch) and brings its arguments back.
template <class Result>
auto called(const nb::callable& f, Result result) {
  return [&f, result](doctor::Arrays& parameters, doctor::Arrays& batch) {
    nb::gil_scoped_acquire acquire;
    const nb::dict p = handed_over(parameters), b = handed_over(batch);
    auto value = result(f(p, b));
    bring_back(p, parameters);
    bring_back(b, batch);
    return value;
  };
}

std::pair<std::string, std::string> diagnose(const std::vector<Named>& arrays,
                                             const std::map<std::string, std::string>& roles,
                                             const std::map<std::string, std::string>& hints,
                                             const std::optional<nb::callable>& loss,
                                             const std::optional<nb::callable>& gradient, double seconds,
                                             const std::optional<nb::callable>& progress) {
  doctor::Case given;
  given.arrays = arrays_from(arrays);
  given.hints.roles = roles;
  const auto hint = [&](const char* key) {
    const auto found = hints.find(key);
    return found == hints.end() ? std::string() : found->second;
  };
  given.hints.cell = hint("cell");
  given.hints.activation = hint("activation");
  given.hints.head_activation = hint("head_activation");
  given.hints.loss = hint("loss");
  given.hints.truncation = hint("truncation");
  if (loss) given.loss = called(*loss, [](const nb::object& value) { return nb::cast<double>(value); });
  if (gradient)
    given.gradient = called(
        *gradient, [](const nb::object& value) { return arrays_from(nb::cast<std::vector<Named>>(value)); });
  doctor::Options options;
  options.seconds = seconds;
  options.progress = [&](const std::string& what) {
    nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (progress) (*progress)(what);
    return true;
  };
  nb::gil_scoped_release release;
  const doctor::Report report = doctor::diagnose(given, options);
  return {report.json().dump(), report.text()};
}

}  // namespace

void bind_doctor(nb::module_& m) {
  m.def("diagnose", &diagnose, nb::arg("arrays"), nb::arg("roles"), nb::arg("hints"), nb::arg("loss").none(),
        nb::arg("gradient").none(), nb::arg("seconds"), nb::arg("progress").none(),
        "The report as JSON and as text. `arrays`: (name, float64 values, dtype it had).");
}

}  // namespace retrograde::python
