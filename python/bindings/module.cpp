// The extension module retrograde._core: the library as the package's own Python sees it.
#include <nanobind/nanobind.h>

#include "bind.h"
#include "retrograde/base/error.h"

NB_MODULE(_core, m) {
  namespace nb = nanobind;
  using namespace retrograde;
  m.attr("version") = RETROGRADE_VERSION;
  nb::exception<UsageError>(m, "UsageError", PyExc_ValueError);
  nb::exception<DataError>(m, "DataError", PyExc_ValueError);
  nb::exception<FileError>(m, "FileError", PyExc_OSError);
  python::bind_loss(m);
  python::bind_network(m);
  python::bind_optim(m);
  python::bind_check(m);
  python::bind_doctor(m);
  python::bind_model_file(m);
  python::bind_own_check(m);
  python::bind_train(m);
}
