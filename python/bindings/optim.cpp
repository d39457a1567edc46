// Optimisers on flat vectors.
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include "arrays.h"
#include "bind.h"
#include "retrograde/base/error.h"
#include "retrograde/optim/clip.h"
#include "retrograde/optim/optimizer.h"

namespace retrograde::python {
namespace {

template <class T>
using InOut = nb::ndarray<T, nb::c_contig, nb::device::cpu, nb::ndim<1>>;

template <class T>
void bind_optimizer(nb::module_& m, const char* class_name) {
  nb::class_<Optimizer<T>>(m, class_name)
      .def(nb::init<const Method&, std::size_t>(), nb::arg("method"), nb::arg("size"))
      .def(
          "step",
          [](Optimizer<T>& optimizer, InOut<T> parameters, const In<T>& gradients) {
            nb::gil_scoped_release release;
            optimizer.step({parameters.data(), parameters.size()}, span_of(gradients));
          },
          nb::arg("parameters").noconvert(), nb::arg("gradients"));
  m.def(
      "clip_norm",
      [](InOut<T> gradients, double limit) {
        nb::gil_scoped_release release;
        return clip_norm(std::span<T>(gradients.data(), gradients.size()), limit);
      },
      nb::arg("gradients").noconvert(), nb::arg("limit"),
      "Shortens the gradient, in place, to the limit; returns its norm before.");
}

}  // namespace

void bind_optim(nb::module_& m) {
  nb::class_<Method>(m, "Method", "An optimiser's formula and options; see retrograde.Adam and the others.")
      .def_prop_ro("name", [](const Method& method) { return name(method); });
  m.def(
      "sgd",
      [](double lr, double momentum, double dampening, bool nesterov, double weight_decay) {
        return Method(Sgd{lr, momentum, dampening, nesterov, weight_decay});
      },
      nb::arg("lr"), nb::arg("momentum"), nb::arg("dampening"), nb::arg("nesterov"), nb::arg("weight_decay"));
  m.def(
      "rmsprop",
      [](double lr, double alpha, double eps, double momentum, bool centered, double weight_decay) {
        return Method(RmsProp{lr, alpha, eps, momentum, centered, weight_decay});
      },
      nb::arg("lr"), nb::arg("alpha"), nb::arg("eps"), nb::arg("momentum"), nb::arg("centered"),
      nb::arg("weight_decay"));
  m.def(
      "adam",
      [](double lr, double beta1, double beta2, double eps, double weight_decay) {
        return Method(Adam{lr, beta1, beta2, eps, weight_decay});
      },
      nb::arg("lr"), nb::arg("beta1"), nb::arg("beta2"), nb::arg("eps"), nb::arg("weight_decay"));
  m.def(
      "adamw",
      [](double lr, double beta1, double beta2, double eps, double weight_decay) {
        return Method(AdamW{lr, beta1, beta2, eps, weight_decay});
      },
      nb::arg("lr"), nb::arg("beta1"), nb::arg("beta2"), nb::arg("eps"), nb::arg("weight_decay"));
  bind_optimizer<float>(m, "Optimizer32");
  bind_optimizer<double>(m, "Optimizer64");
}

}  // namespace retrograde::python
