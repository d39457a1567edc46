// What a factor means: the names for a gradient that is some number of times too large.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/doctor/reader.h"

namespace retrograde::doctor {

namespace {

struct Axis {
  double n;
  const char *name, *what;
};

class Namer {
 public:
  Namer(const Problem& problem, double factor) : r_(factor) {
    double steps = 0;
    for (int e : problem.end) steps += e;
    time_ = {static_cast<double>(problem.T), "time-mean-or-sum", "the number of steps"};
    if (problem.ragged()) valid_ = {steps, "time-mean-or-sum", "the number of valid steps"};
    batch_ = {static_cast<double>(problem.B), "batch-mean-or-sum", "the batch size"};
    outputs_ = {problem.net.head ? static_cast<double>(problem.O) : 1, "output-mean-or-sum",
                "the number of outputs"};
  }

  std::vector<Atom> names() {
    if (r_ == 0) {
      add("zero", "the gradient is zero throughout", 0).fix = "add every step's part to it";
      return out_;
    }
    if (is(-1)) add("sign", "the sign is wrong", 0);
    if (is(2)) add("factor-two", "it is twice too large", 0);
    if (is(0.5)) add("factor-two", "it is half of what it should be", 0);
    for (const Axis& a : {time_, batch_, outputs_, valid_}) one(a);
    // A mean over the outputs too is the same mean.
    for (const Axis& a : {time_, batch_}) with_outputs({a});
    with_outputs({time_, batch_});
    const bool plain = !out_.empty();
    if (!plain) two(time_, batch_);
    for (const Axis& a : {time_, batch_, outputs_, valid_})
      if (!plain) and_factor(a);
    if (!plain && (is(-2) || is(-0.5)))
      second(add("sign", "the sign is wrong", 0.05), "factor-two", "beside the sign, there is a factor two");
    if (out_.empty()) add("block-scaled", fmt::format("it is {:.10g} times what it should be", r_), 0.1);
    std::stable_sort(out_.begin(), out_.end(),
                     [](const Atom& a, const Atom& b) { return a.weight < b.weight; });
    return out_;
  }

 private:
  bool is(double v) const { return std::abs(r_ / v - 1) < 1e-6; }

  Atom& add(const char* name, std::string sentence, double weight) {
    Atom a;
    a.name = name, a.sentence = std::move(sentence), a.weight = weight;
    a.fix = fmt::format("multiply by {:.6g}", 1 / r_);
    out_.push_back(std::move(a));
    return out_.back();
  }
  static void second(Atom& a, const char* name, std::string sentence) {
    a.also = name, a.also_sentence = std::move(sentence);
  }
  static std::string reads(const std::string& factor, const std::string& what, bool large) {
    return large ? fmt::format("it is {} ({}) times too large: a sum where the loss takes the mean", factor,
                               what)
                 : fmt::format("it is divided by {} ({}) once too often: a mean where the loss takes the sum",
                               factor, what);
  }
  static std::string reads(const Axis& a, bool large) { return reads(fmt::format("{}", a.n), a.what, large); }

  void one(const Axis& a) {
    if (a.n < 2) return;
    if (is(a.n) || is(1 / a.n)) add(a.name, reads(a, is(a.n)), 0.01);
  }

  // The product of these axes and the outputs, named by each of them.
  void with_outputs(std::vector<Axis> axes) {
    axes.push_back(outputs_);
    double n = 1;
    std::string what;
    for (const Axis& a : axes) {
      if (a.n < 2) return;
      n *= a.n;
      what += fmt::format("{}{}", what.empty() ? "" : " times ", a.what);
    }
    if (!is(n) && !is(1 / n)) return;
    for (const Axis& a : axes) add(a.name, reads(fmt::format("{}", n), what, is(n)), 0.03);
  }

  void two(const Axis& a, const Axis& b) {
    if (a.n < 2 || b.n < 2) return;
    for (const double up : {1.0, -1.0})
      for (const double down : {1.0, -1.0})
        if (is(std::pow(a.n, up) * std::pow(b.n, down)))
          second(add(a.name, reads(a, up > 0), 0.06), b.name, reads(b, down > 0));
  }

  void and_factor(const Axis& a) {
    if (a.n < 2) return;
    for (const double up : {1.0, -1.0}) {
      const double n = std::pow(a.n, up);
      if (is(2 * n) || is(n / 2))
        second(add(a.name, reads(a, up > 0), 0.05), "factor-two",
               is(2 * n) ? "beside that, it is twice too large"
                         : "beside that, it is half of what it should be");
      if (is(-n)) second(add(a.name, reads(a, up > 0), 0.06), "sign", "beside that, the sign is wrong");
    }
  }

  double r_;
  Axis time_{1, "", ""}, valid_{1, "", ""}, batch_{1, "", ""}, outputs_{1, "", ""};
  std::vector<Atom> out_;
};

}  // namespace

std::vector<Atom> name_scale(const Problem& problem, double factor) { return Namer(problem, factor).names(); }

}  // namespace retrograde::doctor
