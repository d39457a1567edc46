// Losses and the limits of back-propagation.
#include "retrograde/loss/loss.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "retrograde/base/error.h"
#include "retrograde/sequence/bptt.h"

namespace retrograde::python {

namespace nb = nanobind;

namespace {

std::size_t not_negative(std::string_view what, std::int64_t value) {
  if (value < 0) throw UsageError("{} is {}; it must be 0 or more", what, value);
  return static_cast<std::size_t>(value);
}

}  // namespace

void bind_loss(nb::module_& m) {
  nb::class_<Loss>(
      m, "Loss",
      "squared_error, absolute_error, huber, softmax_cross_entropy or binary_cross_entropy.\n\n"
      "The entropies look at the head's pre-activations, before softmax or sigmoid. `reduction`: \"mean\" "
      "over "
      "valid steps and outputs, \"mean_batch\" over sequences, or \"sum\". `class_weights`: one an output, "
      "for the entropies. `delta`: huber's.")
      .def(
          "__init__",
          [](Loss* self, const std::string& kind, const std::string& how,
             const std::vector<double>& class_weights, double delta) {
            Loss loss(kind, reduction(how));
            if (!class_weights.empty()) loss.with_class_weights(class_weights);
            if (loss.kind() == Loss::Kind::huber) loss.with_delta(delta);
            new (self) Loss(std::move(loss));
          },
          nb::arg("name"), nb::arg("reduction") = "mean", nb::arg("class_weights") = std::vector<double>{},
          nb::arg("delta") = 1.0)
      .def_prop_ro("name", &Loss::name)
      .def_prop_ro("reduction", [](const Loss& loss) { return name(loss.how()); });

  nb::class_<Bptt>(m, "Bptt", "How far errors go back through time: full(), chunk(steps) or window(reach).")
      .def("__repr__",
           [](const Bptt& bptt) {
             switch (bptt.kind) {
               case Bptt::Kind::chunk:
                 return fmt::format("chunk(steps={})", bptt.length);
               case Bptt::Kind::window:
                 return fmt::format("window(reach={})", bptt.length);
               default:
                 return std::string("full()");
             }
           })
      .def("__str__", [](const Bptt& bptt) { return to_string(bptt); })
      .def(
          "__eq__", [](const Bptt& a, const Bptt& b) { return a == b; }, nb::is_operator(),
          nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__", [](const Bptt& bptt) { return std::hash<std::string>{}(to_string(bptt)); });
  m.def("full", &full, "The exact gradient of the whole sequence's loss.");
  m.def(
      "chunk", [](std::int64_t steps) { return chunk(not_negative("steps", steps)); }, nb::arg("steps"),
      "The sequence is cut every `steps` steps: the state is carried across a cut, the gradient is not.");
  m.def(
      "window", [](std::int64_t reach) { return window(not_negative("reach", reach)); }, nb::arg("reach"),
      "Every output's error goes back through its own step and `reach` earlier ones, exactly.");
  m.def("parse_bptt", &parse_bptt, nb::arg("text"), "From \"full\", \"chunk:96\" or \"window:40\".");
}

}  // namespace retrograde::python
