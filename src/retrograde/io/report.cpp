#include "retrograde/io/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace retrograde {
namespace {

constexpr double kWidth = 720, kHeight = 300, kLeft = 64, kRight = 16, kTop = 16, kBottom = 36;

constexpr std::string_view kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 "
    "1em;color:#222;background:#fff}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:1em 0}"
    "th,td{padding:.15em .8em;text-align:right;border-bottom:1px solid #ddd}tr.best{font-weight:bold}"
    "pre{background:#f5f5f5;padding:1em;overflow:auto}svg{width:100%;height:auto}"
    "svg text{font:12px system-ui,sans-serif;fill:#555}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}pre{background:#2a2a2a}"
    "th,td{border-color:#444}svg text{fill:#aaa}}";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

struct Point {
  double epoch, loss;
};

std::vector<Point> curve(const std::vector<Json>& epochs, const char* key) {
  std::vector<Point> points;
  for (const Json& epoch : epochs) {
    const auto loss = epoch.find(key);
    if (loss == epoch.end() || !loss->is_number() || !epoch.contains("epoch") || !epoch["epoch"].is_number())
      continue;
    points.push_back({epoch["epoch"].get<double>(), loss->get<double>()});
  }
  return points;
}

// A step of 1, 2 or 5 times a power of ten that cuts `range` into about four.
double tick_step(double range) {
  const double rough = range / 4, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (step * power >= rough) return step * power;
  }
  return 10 * power;
}

class Axes {
 public:
  Axes(const std::vector<Point>& a, const std::vector<Point>& b) {
    for (const auto* points : {&a, &b}) {
      for (const Point& p : *points) {
        first_ = std::min(first_, p.epoch);
        last_ = std::max(last_, p.epoch);
        low_ = std::min(low_, p.loss);
        high_ = std::max(high_, p.loss);
      }
    }
    if (!(high_ > low_)) high_ = low_ + 1, low_ -= 1;
    if (!(last_ > first_)) last_ = first_ + 1;
  }

  std::string draw() const {
    std::string svg;
    for (double v = std::ceil(low_ / step(high_ - low_)) * step(high_ - low_); v <= high_;
         v += step(high_ - low_)) {
      svg += fmt::format("<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' stroke='#8884'/>", kLeft,
                         kWidth - kRight, y(v), y(v));
      svg += fmt::format("<text x='{}' y='{:.1f}' text-anchor='end'>{:.4g}</text>", kLeft - 8, y(v) + 4, v);
    }
    const double epochs = std::max(1.0, step(last_ - first_));
    for (double e = std::ceil(first_ / epochs) * epochs; e <= last_; e += epochs) {
      svg += fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{:g}</text>", x(e),
                         kHeight - kBottom + 18, e);
    }
    return svg +
           fmt::format("<text x='{}' y='{}' text-anchor='end'>epoch</text>", kWidth - kRight, kHeight - 4);
  }

  std::string line(const std::vector<Point>& points, std::string_view colour, std::string_view label,
                   double label_x) const {
    if (points.empty()) return {};
    std::string path;
    for (const Point& p : points) path += fmt::format("{:.1f},{:.1f} ", x(p.epoch), y(p.loss));
    return fmt::format(
        "<polyline points='{}' fill='none' stroke='{}' stroke-width='2' stroke-linejoin='round'/>"
        "<circle cx='{:.1f}' cy='{:.1f}' r='2.5' fill='{}'/>"
        "<text x='{}' y='{}' style='fill:{}'>{}</text>",
        path, colour, x(points.back().epoch), y(points.back().loss), colour, label_x, kTop + 4, colour,
        label);
  }

 private:
  static double step(double range) { return tick_step(range); }
  double x(double epoch) const {
    return kLeft + (epoch - first_) / (last_ - first_) * (kWidth - kLeft - kRight);
  }
  double y(double loss) const {
    return kHeight - kBottom - (loss - low_) / (high_ - low_) * (kHeight - kTop - kBottom - 12);
  }

  double first_ = std::numeric_limits<double>::infinity(), last_ = -std::numeric_limits<double>::infinity();
  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
};

std::string picture(const std::vector<Json>& epochs) {
  const auto train = curve(epochs, "train"), valid = curve(epochs, "valid");
  if (train.empty() && valid.empty()) return "<p>No epoch has been finished.</p>";
  const Axes axes(train, valid);
  return fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='loss by epoch'>{}{}{}</svg>", kWidth,
                     kHeight, axes.draw(), axes.line(train, "#3b78c3", "training", kWidth - 200),
                     axes.line(valid, "#d2691e", "validation", kWidth - 110));
}

std::string cell(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  if (value.is_string()) return escaped(value.get<std::string>());
  return escaped(value.dump());
}

std::string table(const std::vector<Json>& epochs) {
  // The epoch and the losses first, then whatever else is there, in the order of its names.
  std::vector<std::string> columns = {"epoch", "train", "valid"};
  for (const Json& epoch : epochs) {
    for (const auto& [key, value] : epoch.items()) {
      if (std::ranges::find(columns, key) == columns.end() && value.is_primitive()) columns.push_back(key);
    }
  }
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const auto loss = [&](std::size_t at) {
      return epochs[at].value("valid", epochs[at].value("train", Json()));
    };
    if (loss(i).is_number() && (!best || loss(i) < loss(*best))) best = i;
  }
  std::string html = "<table><tr>";
  for (const auto& column : columns) html += fmt::format("<th>{}</th>", escaped(column));
  html += "</tr>\n";
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    html += i == best ? "<tr class='best'>" : "<tr>";
    for (const auto& column : columns) {
      html += fmt::format("<td>{}</td>", epochs[i].contains(column) ? cell(epochs[i][column]) : "");
    }
    html += "</tr>\n";
  }
  return html + "</table>";
}

}  // namespace

std::string report_html(std::string_view title, const Json& config, const std::vector<Json>& epochs) {
  return fmt::format(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{0}</title>"
      "<meta name='viewport' content='width=device-width'><style>{1}</style></head>\n<body><h1>{0}</h1>\n"
      "<h2>Loss</h2>\n{2}\n<h2>Epochs</h2>\n{3}\n<h2>Configuration</h2>\n<pre>{4}</pre></body></html>\n",
      escaped(title), kStyle, picture(epochs), table(epochs), escaped(config.dump(2)));
}

}  // namespace retrograde
