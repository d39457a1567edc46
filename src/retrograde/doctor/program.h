// The case's callables: the author's loss and gradient, called with copies and watched.
//
// The audit comes before any number: the same point is asked again, after itself and after another point, and
// every array that was handed over is compared with what came back.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "retrograde/doctor/report.h"
#include "retrograde/doctor/roles.h"

namespace retrograde::doctor {

class Program {
 public:
  // Splits the case's arrays into parameters and batch as the roles say.
  Program(const Case& given, const Roles& roles);

  bool has_gradient() const { return static_cast<bool>(given_.gradient); }
  bool has_loss() const { return static_cast<bool>(given_.loss); }
  const Arrays& parameters() const { return parameters_; }
  const Arrays& batch() const { return batch_; }
  // Of an array of the batch.
  Role role(const std::string& name) const;

  Arrays gradient(const Arrays& parameters, const Arrays& batch);
  double loss(const Arrays& parameters, const Arrays& batch);

  // Findings of the family "conduct". `first` receives the first answer at the case's own point.
  std::vector<Finding> audit(Arrays& first);
  // Other parameters of the same size.
  Arrays other_parameters() const;

 private:
  bool follows_from_before();
  std::optional<Finding> unlike(const Arrays& first, const Arrays& second);
  static void watch(const Arrays& before, const Arrays& after, std::vector<std::string>& changed);

  const Case& given_;
  Arrays parameters_, batch_;
  std::map<std::string, Role> roles_;
  std::vector<std::string> changed_parameters_, changed_batch_;
};

// Fills the blocks' claims from a gradient's answer, which names them as the parameters or as their
// gradients, or has them in the parameters' order. DataError if it names no parameter.
void take_claims(const Arrays& answer, std::vector<Block>& blocks);

}  // namespace retrograde::doctor
