// Bidirectional networks: the reference's gradient is the loss's slope, whatever joins the directions, and
// their own mistakes are named.
#include <gmock/gmock.h>

#include "doctor/draw.h"

namespace retrograde::doctor {
namespace {

Shape two_directions(Cell cell = Cell::elman) {
  Shape s;
  s.cell = cell, s.directions = 2;
  return s;
}

// The slope of the loss by one number of a parameter, by central differences of step 1e-5.
double slope(const Problem& p, Real Layer::*part, std::size_t layer, std::size_t at) {
  double side[2];
  for (const int sign : {0, 1}) {
    Problem q = p;
    (q.layers[layer].*part)[at] += sign ? 1e-5 : -1e-5;
    side[sign] = loss_of(q);
  }
  return (side[1] - side[0]) / 2e-5;
}

TEST(Bidirectional, TheReferenceIsTheLosssSlopeHoweverTheDirectionsAreJoined) {
  Random random(11);
  for (const Cell cell : {Cell::elman, Cell::lstm, Cell::gru})
    for (int form = 0; form < 16; ++form) {
      Shape s = two_directions(cell);
      s.summed = form & 1, s.ragged = form & 2, s.last = form & 4, s.own_ends = s.last && (form & 2);
      s.layers = form & 8 ? 2 : 1;
      const Problem p = random_problem(s, random);
      const auto pieces = pieces_of(p);
      const auto made = gradients_of(p, right_plan(p));
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (pieces[i].kind > Kind::b) continue;
        Real Layer::*part = pieces[i].kind == Kind::W   ? &Layer::W
                            : pieces[i].kind == Kind::U ? &Layer::U
                                                        : &Layer::b;
        const std::size_t at = random.below(made[i].size());
        const double truth = slope(p, part, static_cast<std::size_t>(pieces[i].layer), pieces[i].base + at);
        EXPECT_NEAR(made[i][at], truth, 1e-7 * (1 + std::abs(truth))) << "form " << form << ", piece " << i;
      }
      if (s.summed && s.layers == 2) continue;  // not among those that are looked for
      const Report r = diagnose(make_case(p, made));
      EXPECT_EQ(r.verdict, Verdict::agrees) << "form " << form << "\n" << r.text();
    }
}

TEST(Bidirectional, WhatIsWrongBetweenTheDirectionsIsNamed) {
  Random random(12);
  const Problem p = random_problem(two_directions(), random);
  for (const int layer : {0, 1}) {
    Mistakes mistakes;
    add_direction_mistakes(p, layer, mistakes);
    EXPECT_EQ(mistakes.size(), layer ? 4U : 3U);
    for (const Mistake& m : mistakes)
      EXPECT_TRUE(named(make_case(p, planted(p, {&m})), {&m}))
          << m.name << ": " << m.sentence << "\n"
          << diagnose(make_case(p, planted(p, {&m}))).text();
  }
}

// An author's own names, a matrix for each direction in the head, weights [in, out].
TEST(Bidirectional, NamesAndAHeadForEachDirectionAreRecognised) {
  Random random(13);
  const Problem p = random_problem(two_directions(), random);
  const auto n = [](int v) { return static_cast<std::size_t>(v); };
  const auto transposed = [&](const Real& v, int rows, int cols, int from = 0, int width = 0) {
    Real out;
    for (int c = 0; c < cols; ++c)
      for (int r = 0; r < rows; ++r) out.push_back(v[n(r * (width ? width : cols) + from + c)]);
    return out;
  };
  Case c;
  const auto add = [&](const std::string& name, std::vector<std::size_t> shape, Real v) {
    c.arrays.push_back({name, Array{std::move(shape), std::move(v), Dtype::float64}});
  };
  const auto made = gradients_of(p, right_plan(p));
  const int H = p.layers[0].hidden;
  for (const int d : {0, 1}) {
    const std::string end = d ? "_b" : "_f";
    const Layer& y = p.layers[n(d)];
    const std::size_t first = n(3 * d);
    add("W" + end, {n(p.I), n(H)}, transposed(y.W, H, p.I)),
        add("U" + end, {n(H), n(H)}, transposed(y.U, H, H));
    add("b" + end, {n(H)}, y.b), add("V" + end, {n(H), n(p.O)}, transposed(p.V, p.O, H, d * H, 2 * H));
    add("dW" + end, {n(p.I), n(H)}, transposed(made[first], H, p.I));
    add("dU" + end, {n(H), n(H)}, transposed(made[first + 1], H, H)),
        add("db" + end, {n(H)}, made[first + 2]);
    add("dV" + end, {n(H), n(p.O)}, transposed(made[6], p.O, H, d * H, 2 * H));
    add(d ? "h0_b" : "h0_f", {n(p.B), n(H)}, y.h0);
    c.hints.roles[d ? "h0_b" : "h0_f"] = "h0";
  }
  add("c", {n(p.O)}, p.c), add("dc", {n(p.O)}, made[7]);
  add("x", {n(p.T), n(p.B), n(p.I)}, p.x), add("target", {n(p.T), n(p.B), n(p.O)}, p.target);
  add("loss", {}, {loss_of(p)});
  const Report right = diagnose(c);
  EXPECT_EQ(right.verdict, Verdict::agrees) << right.text();
  EXPECT_THAT(right.network, testing::HasSubstr("bidirectional"));
  for (NamedArray& a : c.arrays)
    if (a.name == "dW_b" || a.name == "dU_b" || a.name == "db_b") a.array.values.assign(a.array.size(), 0);
  const Report missing = diagnose(c);
  EXPECT_TRUE(mentions(missing, "direction-missing")) << missing.text();
}

}  // namespace
}  // namespace retrograde::doctor
