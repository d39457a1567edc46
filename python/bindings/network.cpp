// Networks, what a forward leaves, and gradients; float32 and float64 are two classes each.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>

#include "arrays.h"
#include "bind.h"
#include "reading.h"
#include "retrograde/base/json.h"
#include "retrograde/sequence/backward.h"

namespace retrograde::python {
namespace {

template <class T>
void run(const Network<T>& network, const Reading<T>& reading, Tape<T>& tape, bool keep_tape,
         bool keep_preactivations) {
  const auto start = reading.start();
  auto random = reading.dropout();
  forward(network, reading.input(), tape,
          {.start = start ? &*start : nullptr,
           .dropout = random ? &*random : nullptr,
           .keep_preactivations = keep_preactivations,
           .keep_tape = keep_tape});
}

template <class T>
Shape output_shape(const Tape<T>& tape) {
  const std::size_t batch = tape.rows().batch(), width = tape.config_.output_width();
  return tape.config_.at == At::every ? Shape{batch, tape.rows().steps(), width} : Shape{batch, width};
}

template <class T>
void bind_network_of(nb::module_& m, const char* network_name, const char* reading_name,
                     const char* goal_name, const char* tape_name) {
  using Net = Network<T>;
  using Optional = std::optional<StateArrays<T>>;

  nb::class_<Reading<T>>(m, reading_name)
      .def(
          "__init__",
          [](Reading<T>* self, std::optional<In<T>> x, std::optional<In<std::int32_t>> tokens,
             std::vector<std::size_t> lengths, Optional h, Optional c, std::optional<std::uint64_t> seed) {
            new (self) Reading<T>{std::move(x), std::move(tokens), std::move(lengths),
                                  std::move(h), std::move(c),      seed};
          },
          nb::arg("x").none(), nb::arg("tokens").none(), nb::arg("lengths"), nb::arg("h").none(),
          nb::arg("c").none(), nb::arg("dropout_seed").none());

  nb::class_<Goal<T>>(m, goal_name)
      .def(
          "__init__",
          [](Goal<T>* self, std::optional<In<T>> values, std::optional<In<std::int32_t>> classes,
             std::optional<In<T>> weights) {
            new (self) Goal<T>{std::move(values), std::move(classes), std::move(weights)};
          },
          nb::arg("values").none(), nb::arg("classes").none(), nb::arg("weights").none());

  nb::class_<Tape<T>>(m, tape_name)
      .def("outputs",
           [](const Tape<T>& tape) {
             auto values = (nb::gil_scoped_release(), tape.outputs());
             return owned(std::move(values), output_shape(tape));
           })
      .def("head_preactivations",
           [](const Tape<T>& tape) { return owned(tape.head_preactivations(), output_shape(tape)); })
      .def(
          "states",
          [](const Tape<T>& tape, std::size_t layer, bool reverse, std::size_t which) {
            auto values = tape.states(layer, reverse, which);
            return owned(std::move(values),
                         {tape.rows().batch(), tape.rows().steps() + 1, tape.config_.hidden[layer]});
          },
          nb::arg("layer"), nb::arg("reverse"), nb::arg("which"))
      .def(
          "preactivations",
          [](const Tape<T>& tape, std::size_t layer, bool reverse) {
            auto values = tape.preactivations(layer, reverse);
            const std::size_t rows = tape.rows().batch() * tape.rows().steps();
            const std::size_t width = values.size() / rows;
            return owned(std::move(values), {tape.rows().batch(), tape.rows().steps(), width});
          },
          nb::arg("layer"), nb::arg("reverse"))
      .def("final_state", [](const Tape<T>& tape) {
        State<T> state = tape.final_state();
        const std::size_t batch = tape.rows().batch();
        return std::pair(arrays_of(std::move(state.h), batch), arrays_of(std::move(state.c), batch));
      });

  nb::class_<Net>(m, network_name)
      .def(
          "__init__",
          [](Net* self, const std::string& config) {
            new (self) Net(config_from_json(parse_json(config, "the configuration")));
          },
          nb::arg("config"))
      .def("config", [](const Net& net) { return to_json(net.config()).dump(); })
      .def("blocks",
           [](const Net& net) {
             std::vector<std::tuple<std::string, Shape, std::size_t>> blocks;
             for (const auto& block : net.parameters().blocks())
               blocks.emplace_back(block.name, block.shape, block.offset);
             return blocks;
           })
      .def(
          "flat",
          [](nb::handle_t<Net> self) {
            auto flat = nb::cast<Net&>(self).parameters().flat();
            return nb::ndarray<nb::numpy, T, nb::ndim<1>>(flat.data(), {flat.size()}, self);
          },
          "All parameters, writable, in the order of blocks().")
      .def(
          "forward",
          [](const Net& net, const Reading<T>& reading, bool keep_tape, bool keep_preactivations) {
            auto tape = std::make_unique<Tape<T>>();
            nb::gil_scoped_release release;
            run(net, reading, *tape, keep_tape, keep_preactivations);
            return tape.release();
          },
          nb::arg("reading"), nb::arg("keep_tape"), nb::arg("keep_preactivations"))
      .def(
          "backward",
          [](const Net& net, Tape<T>& tape, const std::optional<In<T>>& dy, const std::optional<In<T>>& dz,
             const Optional& dh, const Optional& dc, const Bptt& bptt, bool want_dx) {
            Gradients<T> gradients(net);
            gradients.want_dx = want_dx;
            gradients.want_start = true;
            {
              nb::gil_scoped_release release;
              State<T> final_state{dh ? values_of(*dh) : std::vector<std::vector<T>>{},
                                   dc ? values_of(*dc) : std::vector<std::vector<T>>{}};
              Cotangent<T> cotangent;
              if (dy) cotangent.outputs = span_of(*dy);
              if (dz) cotangent.head_preactivations = span_of(*dz);
              if (dh || dc) cotangent.final_state = &final_state;
              backward(net, tape, cotangent, bptt, gradients);
            }
            const std::size_t batch = tape.rows().batch();
            const Shape shape = want_dx ? Shape{batch, tape.rows().steps(), net.config().inputs} : Shape{0};
            auto flat = copy_of<T>(std::as_const(gradients.parameters).flat());
            const std::size_t size = flat.size();
            return std::tuple(owned(std::move(flat), {size}), owned(std::move(gradients.dx), shape),
                              arrays_of(std::move(gradients.start.h), batch),
                              arrays_of(std::move(gradients.start.c), batch));
          },
          nb::arg("tape"), nb::arg("dy").none(), nb::arg("dz").none(), nb::arg("dh").none(),
          nb::arg("dc").none(), nb::arg("bptt"), nb::arg("want_dx"))
      .def(
          "loss",
          [](const Net& net, const Reading<T>& reading, const Loss& loss, const Goal<T>& goal) {
            nb::gil_scoped_release release;
            Tape<T> tape;
            run(net, reading, tape, false, false);
            return loss_of(tape, loss, goal.target());
          },
          nb::arg("reading"), nb::arg("loss"), nb::arg("goal"))
      .def(
          "loss_and_gradients",
          [](const Net& net, const Reading<T>& reading, const Loss& loss, const Goal<T>& goal,
             const Bptt& bptt) {
            double value = 0;
            Gradients<T> gradients(net);
            std::vector<T> flat;
            {
              nb::gil_scoped_release release;
              Tape<T> tape;
              run(net, reading, tape, true, false);
              value = loss_and_gradients(net, tape, loss, goal.target(), bptt, gradients);
              flat = copy_of<T>(std::as_const(gradients.parameters).flat());
            }
            const std::size_t size = flat.size();
            return std::pair(value, owned(std::move(flat), {size}));
          },
          nb::arg("reading"), nb::arg("loss"), nb::arg("goal"), nb::arg("bptt"));

  m.def(
      "first_not_finite",
      [](const In<T>& array, const std::vector<std::size_t>& lengths) -> std::ptrdiff_t {
        nb::gil_scoped_release release;
        const std::size_t row = lengths.empty() ? array.size() : array.size() / lengths.size();
        for (std::size_t begin = 0, b = 0; begin < array.size(); begin += row, ++b) {
          const std::size_t step = lengths.empty() ? row : row / array.shape(1);
          const std::size_t count = lengths.empty() ? row : step * lengths[b];
          for (std::size_t i = begin; i < begin + count; ++i)
            if (!std::isfinite(array.data()[i])) return static_cast<std::ptrdiff_t>(i);
        }
        return -1;
      },
      nb::arg("array"), nb::arg("lengths"),
      "Index into the flattened array of the first entry that is NaN or infinite, else -1. With `lengths` "
      "the "
      "array is [B, T, ...] and steps past a sequence's end are not looked at.");
}

}  // namespace

void bind_network(nb::module_& m) {
  bind_network_of<float>(m, "Network32", "Reading32", "Goal32", "Tape32");
  bind_network_of<double>(m, "Network64", "Reading64", "Goal64", "Tape64");
}

}  // namespace retrograde::python
