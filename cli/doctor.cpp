// `retrograde doctor`: somebody else's failing gradient, as arrays in a file or as a program to probe, and
// what is wrong with it.
#include "retrograde/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/exchange.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/data/npz.h"

namespace retrograde::cli {
namespace {

using doctor::Arrays;
using Clock = std::chrono::steady_clock;

struct DoctorOptions {
  std::string path, run;
  std::vector<std::string> hints;
  double seconds = doctor::Options{}.seconds;
  bool json = false;
};

const std::vector<std::string> kRoles = {"input",          "target",    "h0",      "c0",     "lengths",
                                         "mask",           "loss",      "outputs", "states", "upstream",
                                         "final gradient", "parameter", "ignore"};

bool is_role(const std::string& word) {
  return std::ranges::count(kRoles, word) > 0 || word.starts_with("gradient of ") ||
         word.starts_with("numeric gradient of ");
}

std::string* field(doctor::Hints& hints, const std::string& key) {
  if (key == "cell") return &hints.cell;
  if (key == "activation") return &hints.activation;
  if (key == "head") return &hints.head_activation;
  if (key == "loss") return &hints.loss;
  if (key == "truncation") return &hints.truncation;
  return nullptr;
}

// "cell=lstm" says what the network is; "h0=States" or "States=h0" say what an array is.
void take_hint(const std::string& hint, const Arrays& arrays, doctor::Hints& to) {
  const std::size_t at = hint.find('=');
  if (at == std::string::npos)
    throw UsageError("--hint {}: expected KEY=VALUE, as cell=lstm or h0=States", hint);
  const std::string key = hint.substr(0, at), value = hint.substr(at + 1);
  const auto named = [&](const std::string& name) {
    return std::ranges::any_of(arrays, [&](const doctor::NamedArray& a) { return a.name == name; });
  };
  if (is_role(key) && named(value)) {
    to.roles[value] = key;
  } else if (named(key) && is_role(value)) {
    to.roles[key] = value;
  } else if (std::string* text = field(to, key)) {
    *text = value;
  } else if (is_role(key) || named(key)) {
    std::vector<std::string> names;
    for (const auto& a : arrays) names.push_back(a.name);
    throw UsageError(
        "--hint {}: {}\n       The arrays are {}.", hint,
        is_role(key)
            ? fmt::format("there is no array \"{}\"", value)
            : fmt::format(
                  "\"{}\" is no role; the roles are {}, \"gradient of NAME\", \"numeric gradient of NAME\"",
                  value, fmt::join(kRoles, ", ")),
        fmt::join(names, ", "));
  } else {
    throw UsageError(
        "--hint {}: \"{}\" is neither cell, activation, head, loss, truncation, a role ({}) nor an array",
        hint, key, fmt::join(kRoles, ", "));
  }
}

Arrays arrays_of(Npz content) {
  Arrays out;
  for (auto& [name, array] : content.arrays) out.push_back({name, std::move(array)});
  return out;
}

Array number(double value) { return {{}, {value}, Dtype::int64}; }

// The user's program as the doctor's two functions. One start answers both for one point; the n-th question
// about the same point asks for n computations in a row, so that whatever a program keeps between them shows.
class Probe {
 public:
  explicit Probe(Exchange& exchange) : exchange_(exchange) {}

  // The program's own point: at one of other shapes it may refuse, and need not be heard.
  void own(const Npz& point) { own_ = point; }

  double loss(Arrays& parameters, Arrays& batch) {
    const Npz& reply = ask(parameters, batch, losses_);
    const auto at = reply.arrays.find("loss");
    if (at == reply.arrays.end() || at->second.size() != 1)
      throw DataError("the program's reply holds no single number \"loss\"");
    return at->second.values[0];
  }

  Arrays gradient(Arrays& parameters, Arrays& batch) {
    const Npz& reply = ask(parameters, batch, gradients_);
    Arrays out;
    for (const auto& [name, array] : reply.arrays)
      if (!asked_.arrays.contains(name) && name != "loss") out.push_back({name, array});
    return out;
  }

 private:
  bool like_own(const Npz& request) const {
    return std::ranges::all_of(request.arrays, [&](const auto& entry) {
      const auto at = own_.arrays.find(entry.first);
      return at == own_.arrays.end() || at->second.shape == entry.second.shape;
    });
  }

  const Npz& ask(Arrays& parameters, Arrays& batch, int& calls) {
    Npz request;
    for (const Arrays* group : {&parameters, &batch})
      for (const auto& [name, array] : *group) request.arrays[name] = array;
    if (npz_bytes(request) != npz_bytes(asked_)) {
      asked_ = request;
      replies_.clear();
      losses_ = gradients_ = 0;
    }
    const auto n = static_cast<std::size_t>(++calls);
    while (replies_.size() < n) {
      request.arrays["calls"] = number(static_cast<double>(replies_.size() + 1));
      replies_.push_back(exchange_.ask(request, !like_own(request)));
    }
    // What the program changed is seen by the doctor, as if it had been called.
    for (Arrays* group : {&parameters, &batch})
      for (auto& [name, array] : *group)
        if (const auto at = replies_[n - 1].arrays.find(name); at != replies_[n - 1].arrays.end())
          array = at->second;
    return replies_[n - 1];
  }

  Exchange& exchange_;
  Npz own_, asked_;
  std::vector<Npz> replies_;
  int losses_ = 0, gradients_ = 0;
};

Exit exit_of(doctor::Verdict verdict) {
  switch (verdict) {
    case doctor::Verdict::agrees:
      return Exit::fine;
    case doctor::Verdict::differs:
      return Exit::check_failed;
    case doctor::Verdict::cannot_tell:
      break;
  }
  return Exit::cannot_tell;
}

Exit diagnose(const DoctorOptions& options) {
  if (options.path.empty() && options.run.empty())
    throw UsageError(
        "what shall be examined? Give a .npz file or --run \"PROGRAM\"; see retrograde doctor --help");
  LiveLine line;
  const auto start = Clock::now();
  const auto show = [&](const std::string& text) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (seconds > 2 && line.due()) line.draw(fmt::format("doctor  {} ({})", text, minutes(seconds)));
  };
  Exchange exchange(options.run, [&](int starts) { show(fmt::format("probe {}: {}", starts, options.run)); });
  Npz content = options.path.empty() ? Npz{} : read_npz(options.path);
  doctor::Case patient;
  Probe probe(exchange);
  if (!options.run.empty()) {
    Npz request = content;
    request.arrays["calls"] = number(1);
    Npz reply = exchange.ask(request);
    content.arrays.merge(reply.arrays);
    content.texts.merge(reply.texts);
    probe.own(content);
    if (content.arrays.contains("loss"))
      patient.loss = [&](Arrays& p, Arrays& b) { return probe.loss(p, b); };
    patient.gradient = [&](Arrays& p, Arrays& b) { return probe.gradient(p, b); };
  }
  for (const auto& [key, value] : content.texts)
    if (std::string* text = field(patient.hints, key)) *text = value;
  patient.arrays = arrays_of(std::move(content));
  for (const std::string& hint : options.hints) take_hint(hint, patient.arrays, patient.hints);

  const doctor::Report report =
      doctor::diagnose(patient, {.seconds = options.seconds, .progress = [&](const std::string& what) {
                                   show(what);
                                   return true;
                                 }});
  line.clear();
  fmt::print("{}\n", options.json ? report.json().dump(2) : fitted(report.text(), 10));
  return exit_of(report.verdict);
}

}  // namespace

Command add_doctor(CLI::App& app) {
  CLI::App* sub = app.add_subcommand(
      "doctor",
      "Say what is wrong with somebody else's gradient\n\n"
      "Examples:\n"
      "  retrograde doctor case.npz                       parameters, batch, loss and claimed gradients as "
      "arrays\n"
      "  retrograde doctor --run \"python my.py\"           the program is asked; see "
      "docs/doctor_protocol.md\n"
      "  retrograde doctor case.npz --hint cell=lstm --hint h0=States\n\n"
      "Names are free: roles are found from names, shapes and values, and hints override.\n"
      "Exit: 0 the gradient agrees, 3 it differs, 5 cannot tell, 4 the arrays are no gradient case.\n");
  auto options = std::make_shared<DoctorOptions>();
  sub->add_option("case", options->path, "a .npz file with the arrays");
  sub->add_option("--run", options->run, "a program to ask instead, or for more points");
  sub->add_option("--hint", options->hints,
                  "KEY=VALUE: cell, activation, head, loss or truncation; or a role and an array's name")
      ->expected(1)
      ->take_all();
  sub->add_option("--seconds", options->seconds, "time for the search")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_flag("--json", options->json, "the report as JSON");
  return {sub, [options] {
            try {
              return diagnose(*options);
            } catch (const Interrupted&) {
              return Exit::interrupted;
            }
          }};
}

}  // namespace retrograde::cli
