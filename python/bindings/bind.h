// The parts of the extension module; each binds one room of the library.
#pragma once

#include <nanobind/nanobind.h>

namespace retrograde::python {

void bind_loss(nanobind::module_& m);
void bind_network(nanobind::module_& m);
void bind_optim(nanobind::module_& m);
void bind_check(nanobind::module_& m);
void bind_doctor(nanobind::module_& m);
void bind_model_file(nanobind::module_& m);
void bind_own_check(nanobind::module_& m);
void bind_train(nanobind::module_& m);

}  // namespace retrograde::python
