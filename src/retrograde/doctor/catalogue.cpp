// The catalogue's families put together, for one network and for the page docs/mistakes.md.
#include "retrograde/doctor/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

Mistakes sweep_mistakes(const Problem& problem, const Words& words, int layer) {
  Mistakes all, out;
  if (layer + 1 == static_cast<int>(problem.layers.size()))
    add_upstream_mistakes(problem, words, out);
  else if (problem.net.directions == 1)
    add_layer_mistakes(problem, words, layer, out);
  add_cell_mistakes(problem, layer, out);
  if (problem.net.directions == 2) add_direction_mistakes(problem, layer, out);
  add_derivative_mistakes(problem, words, all);
  add_factor_mistakes(problem, words, all);
  add_term_mistakes(problem, words, all);
  add_carry_mistakes(problem, words, all);
  add_gate_mistakes(problem, words, all);
  add_record_mistakes(problem, all);
  add_time_mistakes(problem, words, all);
  add_variant_mistakes(problem, words, all);
  for (Mistake& m : all)
    if (m.layer == layer) out.push_back(std::move(m));
  return out;
}

namespace {

// A network on which the catalogue is laid out: only its shape matters.
Problem specimen(Cell cell, int layers, bool head_of_classes, bool last) {
  Problem p;
  p.T = 5, p.B = 3, p.I = 4, p.O = 7, p.gates = gate_count(cell);
  p.net.cell = cell;
  p.net.last_output = last;
  if (head_of_classes) p.net.loss = Loss::softmax_cross_entropy, p.net.head_activation = Activation::softmax;
  p.end.assign(3, 5);
  p.x.assign(60, 1);
  for (int l = 0; l < layers; ++l) {
    Layer y;
    y.inputs = l ? 7 : 4, y.hidden = 7;
    p.layers.push_back(y);
  }
  return p;
}

struct Entry {
  std::string cell, where, sentence, fix;
};
using Page = std::map<std::string, std::vector<Entry>>;

void put(Page& page, const std::string& name, Entry e) {
  auto& list = page[name];
  const bool known = std::any_of(list.begin(), list.end(), [&](const Entry& x) {
    return x.sentence == e.sentence && x.where == e.where;
  });
  if (!known && list.size() < 8) list.push_back(std::move(e));
}

void lay_out(Page& page, const Problem& p) {
  const Words words;
  const std::string cell(p.net.cell == Cell::elman ? "Elman" : name(p.net.cell));
  for (const Mistake& m : head_mistakes(p, words)) put(page, m.name, {cell, m.where, m.sentence, m.fix});
  for (int l = 0; l < static_cast<int>(p.layers.size()); ++l)
    for (Mistake& m : sweep_mistakes(p, words, l)) {
      fill_lines(p, words, m);
      put(page, m.name, {cell, m.where, m.sentence, m.fix});
    }
  for (Kind kind : {Kind::W, Kind::U, Kind::b, Kind::V, Kind::dx, Kind::dh0})
    for (int layer = 0; layer < static_cast<int>(p.layers.size()); ++layer) {
      const Piece piece{kind, layer, 0, 7, kind == Kind::b ? 1 : kind == Kind::W && layer == 0 ? 4 : 7,
                        0,    7,     1};
      Product right;
      right.right = kind == Kind::W ? Var::x : kind == Kind::U || kind == Kind::V ? Var::h : Var::none;
      if (kind == Kind::V && p.net.pool != Pool::last) right.right = Var::pool;
      right.shift = kind == Kind::U ? -1 : 0;
      for (const BlockMistake& m : block_mistakes(p, words, piece, right))
        if (!m.name.empty()) put(page, m.name, {cell, "one block", m.sentence, m.fix});
    }
}

// What is found by fitting numbers or by watching calls, not by patching the table.
void lay_out_the_rest(Page& page) {
  const auto add = [&](const char* name, const char* where, const char* sentence, const char* fix) {
    put(page, name, {"any", where, sentence, fix});
  };
  add("sign", "blocks", "the sign is wrong", "multiply by -1");
  add("factor-two", "blocks", "it is twice or half of what it should be", "the loss's own factor");
  for (const char* axis : {"time", "batch", "output"})
    put(page, fmt::format("{}-mean-or-sum", axis),
        {"any", "blocks",
         fmt::format("a sum where the loss takes the mean over the {}, or the reverse", axis),
         "the loss's own reduction"});
  add("block-scaled", "blocks", "it is another multiple of what it should be", "the reported factor");
  add("zero", "one block", "the gradient is zero throughout", "add every step's part to it");
  add("self-accumulated", "one block", "it is added to itself and stays zero", "add every step's part to it");
  add("clipped", "blocks", "entries, or the norm, are clipped", "check the gradient before it is clipped");
  add("regulariser-missing", "blocks",
      "a multiple of the parameter is in the gradient but not in the loss, or the reverse",
      "the same penalty in both");
  add("forget-bias", "the forward", "the gradient belongs to a forget gate with another constant bias",
      "one forward for both");
  add("initial-state-ignored", "the forward", "the gradient belongs to a network that starts from zero",
      "start from h0 and c0");
  add("chunk-not-carried", "the forward",
      "every piece starts from zero: the state is not carried across the cut",
      "start a piece from the state that the one before ended with");
  add("direction-missing", "blocks", "one direction's gradients are zero throughout",
      "run the other direction's backward");
  add("mask-redrawn", "calls",
      "the loss is repeatable and the gradient is not: the backward draws its dropout mask anew",
      "keep the forward's mask for the backward");
  for (const auto& [name, sentence, fix] :
       {std::tuple("step-too-large", "the author's differences are off by their truncation",
                   "a step of about 1e-5"),
        std::tuple("step-too-small", "rounding of the loss is all that is off in the author's differences",
                   "a step of about 1e-5 of the parameter's size"),
        std::tuple("single-precision", "the author's differences are made of a loss in float32",
                   "float64 for the check"),
        std::tuple("kink", "the author's step crosses a kink", "a smaller step there"),
        std::tuple("state-overwritten-between-evaluations",
                   "the author's evaluations of the loss start from the state that others left behind",
                   "start every evaluation from the same h0"),
        std::tuple("nothing-tested", "both sides of the author's check are the same numbers, or all are zero",
                   "compute the numeric side from the loss alone")})
    put(page, name, {"any", "the check itself", sentence, fix});
  add("nan-compared", "the claim", "it contains NaN or infinity, which gap > threshold lets pass",
      "not (gap <= allowed)");
  add("not-repeatable", "calls", "two calls at one point differ",
      "draw random numbers from a seed that each call sets");
  add("keeps-state", "calls", "the answer depends on the call before",
      "start every call from the same state");
  add("accumulates-between-calls", "calls", "a second call gives twice the first",
      "zero the gradients first");
  add("mutates-input", "calls", "the call writes into its input", "work on a copy");
  add("parameters-left-changed", "calls", "the parameters are changed after the call", "restore them");
}

}  // namespace

std::string catalogue_page() {
  Page page;
  for (Cell cell : {Cell::elman, Cell::lstm, Cell::gru}) {
    lay_out(page, specimen(cell, 1, false, false));
    lay_out(page, specimen(cell, 2, false, false));
  }
  Problem both = specimen(Cell::elman, 2, false, false), plain = specimen(Cell::lstm, 1, false, false);
  both.net.directions = 2, both.layers[1].inputs = both.layers[0].inputs;
  plain.net.plain_cell = true;
  lay_out(page, both);
  lay_out(page, plain);
  lay_out(page, specimen(Cell::elman, 1, true, false));
  lay_out(page, specimen(Cell::elman, 1, false, true));
  for (const Pool pool : {Pool::mean, Pool::sum}) {
    Problem p = specimen(Cell::elman, 1, false, true);
    p.net.pool = pool;
    lay_out(page, p);
  }
  Problem final = specimen(Cell::lstm, 1, false, false);
  final.final_gradient.assign(21, 1), final.final_cell_gradient.assign(21, 1);
  lay_out(page, final);
  for (const auto& [reach, chunk] : {std::pair(2, 0), {-1, 2}}) {  // a truncation that the author means
    Problem p = specimen(Cell::elman, 1, false, false);
    p.net.reach = reach, p.net.chunk = chunk;
    lay_out(page, p);
  }
  lay_out_the_rest(page);
  std::string out =
      "# The catalogue of mistakes\n\nWhat `retrograde doctor` can name, written by the program from its own "
      "catalogue. A name stands for\n"
      "one kind of mistake; below each, up to eight places where it is known, what the code does there, and "
      "the right line.\n";
  for (const auto& [name, entries] : page) {
    out += fmt::format("\n## `{}`\n\n", name);
    for (const Entry& e : entries)
      out += fmt::format("- {}, {}: {}.{}\n", e.cell, e.where, e.sentence,
                         e.fix.empty() ? "" : fmt::format(" Right: `{}`", e.fix));
  }
  return out;
}

}  // namespace retrograde::doctor
