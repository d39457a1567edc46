// Model files.
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <filesystem>
#include <string>

#include "arrays.h"
#include "bind.h"
#include "retrograde/io/model.h"

namespace retrograde::python {
namespace {

template <class T>
void bind_save(nb::module_& m) {
  m.def(
      "save",
      [](const std::filesystem::path& path, const Network<T>& network, const std::string& preprocess) {
        nb::gil_scoped_release release;
        save_model(path, network, parse_json(preprocess, "preprocess"));
      },
      nb::arg("path"), nb::arg("network"), nb::arg("preprocess"));
}

template <class T>
std::pair<nb::object, std::string> loaded(const std::filesystem::path& path) {
  auto model = [&] {
    nb::gil_scoped_release release;
    return load_model<T>(path);
  }();
  return {nb::cast(std::move(model.network)), model.preprocess.dump()};
}

}  // namespace

void bind_model_file(nb::module_& m) {
  nb::exception<SelfTestError>(m, "SelfTestError", m.attr("FileError"));
  bind_save<float>(m);
  bind_save<double>(m);
  m.def(
      "load",
      [](const std::filesystem::path& path) {
        return model_dtype(path) == Dtype::float32 ? loaded<float>(path) : loaded<double>(path);
      },
      nb::arg("path"), "The network and what the file says about preprocessing (JSON).");
}

}  // namespace retrograde::python
