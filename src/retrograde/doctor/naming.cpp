#include "retrograde/doctor/naming.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace retrograde::doctor {

std::string plain_lower(const std::string& s) {
  std::string out;
  for (char c : s)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool weightlike(const std::string& name) {
  return !name.empty() && std::string("wuvbWUVB").find(name[0]) != std::string::npos;
}

bool contains(const std::string& s, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* w) { return s.find(w) != std::string::npos; });
}

Suggestion suggest(const std::string& name) {
  const std::string l = plain_lower(name);
  Suggestion s;
  s.bias = !l.empty() && (l[0] == 'b' || contains(l, {"bias"}));
  s.V = contains(l, {"hy", "ya", "out", "head", "fc", "dense", "linear", "hq", "ho", "hv", "ay", "dec",
                     "softmax", "proj", "voc"}) ||
        l == "v" || l == "wy" || l == "by" || l == "c" || l == "wo" || l == "bo";
  s.U = contains(l, {"hh", "rec", "aa", "ss", "hid", "whid"}) || (!l.empty() && l[0] == 'u') || l == "wh" ||
        l == "wr" || l == "ws";
  s.W = contains(l, {"xh", "ih", "inp", "ax", "xs", "wx", "hx", "xt", "enc"}) || l == "w" || l == "wi" ||
        l == "win";
  s.embedding = contains(l, {"emb", "lookup", "wte", "vectors"}) || l == "e" || l == "we" || l == "l";
  s.start = contains(l, {"proj", "init", "start", "feat", "img", "h0"});
  if (l.find("ih") != std::string::npos) s.U = false;  // weight_ih_h
  if (s.embedding) s.W = s.U = s.V = false;
  if (l == "u" || l == "w") s.letter = l[0];
  s.direction = direction_by_name(name);
  for (char c : name)  // the last digit: weight_ih_l0, p0_1
    if (std::isdigit(static_cast<unsigned char>(c))) s.layer = c - '0';
  return s;
}

int direction_by_name(const std::string& name) {
  std::string low = name;
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (contains(low, {"reverse", "backward", "bwd", "bw", "right"})) return 1;
  if (contains(low, {"forward", "fwd", "fw", "left"})) return 0;
  // One letter at the end: W_f, b_b, Uf, Whb.
  const std::string plain = plain_lower(name);
  const bool apart = low.size() > 1 && !std::isalnum(static_cast<unsigned char>(low[low.size() - 2]));
  if (plain.size() < 2 || !(apart || plain.size() <= 3)) return -1;
  return plain.back() == 'f' ? 0 : plain.back() == 'b' || plain.back() == 'r' ? 1 : -1;
}

std::vector<int> gates_by_name(Cell cell, const std::vector<std::string>& names) {
  std::vector<std::string> rest;
  for (const auto& n : names) rest.push_back(plain_lower(n));
  auto same = [&](auto at) {
    return std::all_of(rest.begin(), rest.end(),
                       [&](const std::string& s) { return s.size() > 1 && at(s) == at(rest[0]); });
  };
  while (same([](const std::string& s) { return s.front(); }))
    for (auto& s : rest) s.erase(0, 1);
  while (same([](const std::string& s) { return s.back(); }))
    for (auto& s : rest) s.pop_back();
  std::vector<int> gate(names.size(), -1);
  auto claim = [&](int g, std::initializer_list<char> letters) {
    for (char c : letters)
      for (std::size_t k = 0; k < rest.size(); ++k)
        if (gate[k] < 0 && !rest[k].empty() && rest[k][0] == c) {
          gate[k] = g;
          return;
        }
  };
  if (cell == Cell::lstm)
    claim(1, {'f'}), claim(3, {'o'}), claim(0, {'i', 'u'}),
        claim(2, {'g', 'c', 'a', 'n', 'u', 'z', 'j', 'h', 's'});
  else
    claim(0, {'r'}), claim(1, {'z', 'u'}), claim(2, {'n', 'h', 'c', 'g', 't', 'w', 's'});
  const auto open = std::count(gate.begin(), gate.end(), -1);
  const int all = cell == Cell::lstm ? 4 : 3;
  if (open == 1 && static_cast<int>(gate.size()) == all)  // the others tell which it is
    *std::find(gate.begin(), gate.end(), -1) =
        all * (all - 1) / 2 - std::accumulate(gate.begin(), gate.end(), 1);
  return std::count(gate.begin(), gate.end(), -1) ? std::vector<int>() : gate;
}

}  // namespace retrograde::doctor
