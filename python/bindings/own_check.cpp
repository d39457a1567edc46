// The judge on our own networks, and what truncating costs; both compute in double.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <nlohmann/json.hpp>

#include "bind.h"
#include "reading.h"
#include "retrograde/check/truncation.h"

namespace retrograde::python {
namespace {

// The views that a LossProblem needs, and the start state that it points to.
struct Asked {
  Asked(const Reading<double>& reading, const Loss& loss, const Goal<double>& goal, const Bptt& bptt)
      : start(reading.start()),
        problem{.input = reading.input(),
                .start = start ? &*start : nullptr,
                .loss = loss,
                .target = goal.target(),
                .bptt = bptt,
                .dropout = reading.dropout()} {}

  std::optional<State<double>> start;
  LossProblem problem;
};

template <class T>
void bind_check_of(nb::module_& m) {
  m.def(
      "check_network",
      [](const Network<T>& network, const Reading<double>& reading, const Loss& loss,
         const Goal<double>& goal, const Bptt& bptt) {
        nb::gil_scoped_release release;
        const Asked asked(reading, loss, goal, bptt);
        return check_network(network, asked.problem);
      },
      nb::arg("network"), nb::arg("reading"), nb::arg("loss"), nb::arg("goal"), nb::arg("bptt"));
  m.def(
      "truncation_bias",
      [](const Network<T>& network, const Reading<double>& reading, const Loss& loss,
         const Goal<double>& goal, const std::vector<Bptt>& truncations) {
        nb::gil_scoped_release release;
        const Asked asked(reading, loss, goal, full());
        const auto bias =
            truncation_bias(network.template cast<double>(), asked.problem,
                            truncations.empty() ? windows_up_to(asked.problem.input.steps) : truncations);
        return std::pair(bias.json().dump(), bias.text());
      },
      nb::arg("network"), nb::arg("reading"), nb::arg("loss"), nb::arg("goal"), nb::arg("truncations"),
      "As JSON and as text.");
}

}  // namespace

void bind_own_check(nb::module_& m) {
  bind_check_of<float>(m);
  bind_check_of<double>(m);
}

}  // namespace retrograde::python
