#include "timeline/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "timeline/assets.h"
#include "timeline/legend.h"
#include "timeline/text.h"

namespace jobslots::timeline {
namespace {

constexpr double kWidth = 900;
constexpr double kMargin = 18;
constexpr double kCurveTop = 138;
constexpr double kCurveBottom = 238;
constexpr double kLaneHeight = 20;
constexpr double kLanePitch = 24;
constexpr double kHeadingHeight = 34;
constexpr std::size_t kNamedSpans = 3000;
constexpr std::size_t kLaneName = 12;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string_view view = text;
  if (view.ends_with(".0")) view.remove_suffix(2);
  return std::string(view);
}

std::string text_at(double x, double y, std::string_view classes, std::string_view text) {
  return joined({"<text x=\"", number(x), "\" y=\"", number(y), "\" class=\"", classes, "\">",
                 escaped(text), "</text>\n"});
}

std::string line(double x1, double y1, double x2, double y2, std::string_view style) {
  return joined({"<path class=\"", style, "\" d=\"M", number(x1), " ", number(y1), "L", number(x2),
                 " ", number(y2), "\"/>\n"});
}

class Picture {
 public:
  explicit Picture(const Run& run) : run_(run), steps_(slots_in_use(run)) {
    std::size_t characters = 3;
    for (const Session& session : run.sessions) {
      for (const Lane& lane : session.lanes) {
        // A byte is never less than a character: at worst the names get more room.
        characters = std::max(characters, std::min(lane.name.size(), kLaneName));
        spans_ += lane.spans.size();
      }
    }
    left_ = kMargin + 12 + 11 * static_cast<double>(characters);
  }

  std::string draw() {
    double y = kCurveBottom + 8;
    std::string lanes;
    for (const Session& session : run_.sessions) {
      lanes += joined(
          {"<rect class=\"paper\" y=\"", number(y + 6), "\" width=\"100%\" height=\"26\"/>\n"});
      lanes += text_at(kMargin, y + 24, "heading", shortened(session.name, 70));
      y += kHeadingHeight;
      for (const Lane& lane : session.lanes) {
        lanes += draw_lane(lane, y);
        y += kLanePitch;
      }
    }
    const double height = y + 44;
    const std::string words = title(run_) + ": " + summary(run_, steps_);
    std::string picture =
        joined({"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", number(kWidth), " ",
                number(height), "\" width=\"", number(kWidth), "\" height=\"", number(height),
                "\" role=\"img\" aria-labelledby=\"words\">\n<title id=\"words\">", words,
                "</title>\n<style>\n"});
    picture += std::string(kThemeCss) + std::string(kPictureCss) + std::string(kSvgCss) +
               "</style>\n" + definitions();
    picture += "<rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n";
    picture += text_at(kMargin, 34, "title", title(run_));
    picture += text_at(kMargin, 62, "muted", summary(run_, steps_));
    return picture + draw_legend() + draw_axis(y) + draw_curve() + lanes + "</svg>\n";
  }

 private:
  double x_of(Microseconds time) const {
    const auto whole = static_cast<double>(std::max<Microseconds>(run_.duration, 1));
    return left_ + static_cast<double>(time) / whole * (kWidth - kMargin - left_);
  }

  std::string draw_legend() const {
    std::string text;
    double x = kMargin;
    for (const LegendEntry& entry : legend(run_)) {
      text += joined({"<g transform=\"translate(", number(x), " 80)\">", entry.swatch,
                      text_at(33, 12, "", entry.label), "</g>\n"});
      x += 58 + 9.3 * static_cast<double>(entry.label.size());  // Room for the larger font, too.
    }
    return text;
  }

  std::string draw_axis(double bottom) const {
    const auto whole = static_cast<double>(std::max<Microseconds>(run_.duration, 1)) / 1e6;
    const double rough = whole / 8;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * power;
    for (const double factor : {5, 2, 1}) {
      if (factor * power >= rough) step = factor * power;
    }
    const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
    std::string text;
    for (int i = 0; i * step <= whole && i <= 10; ++i) {
      const double x = x_of(std::llround(i * step * 1e6));
      char label[400];
      std::snprintf(label, sizeof label, "%.*f s", digits, i * step);
      const bool fits = x + 30 < kWidth;
      text += line(x, kCurveTop, x, bottom + 4, "grid");
      text +=
          text_at(fits ? x : kWidth - 8, bottom + 26, fits ? "muted middle" : "muted end", label);
    }
    return text;
  }

  std::string draw_curve() const {
    const unsigned most =
        std::max({run_.job_slots, std::ranges::max(steps_, {}, &Step::in_use).in_use, 1U});
    const auto y_of = [&](double count) {
      return kCurveBottom - count * (kCurveBottom - kCurveTop - 6) / most;
    };
    // The average of each pixel column: handing a slot over takes less than one can see.
    const auto columns = static_cast<std::size_t>(kWidth - kMargin - left_);
    const double width = (kWidth - kMargin - left_) / static_cast<double>(columns);
    std::string path = joined({"M", number(left_), " ", number(kCurveBottom)});
    double height = 0;
    std::size_t column = 0;
    for (const double in_use : average_in_use(run_, steps_, columns)) {
      constexpr double kVisible = 0.005;
      if (std::abs(in_use - height) > kVisible) {
        height = in_use;
        path += joined(
            {"H", number(left_ + width * static_cast<double>(column)), "V", number(y_of(height))});
      }
      ++column;
    }
    path += joined({"H", number(kWidth - kMargin)});
    std::string text = text_at(kMargin, kCurveTop - 16, "heading", "slots in use");
    text += joined({"<path class=\"area\" d=\"", path, "V", number(kCurveBottom), "H",
                    number(left_), "Z\"/>\n<path class=\"curve\" d=\"", path, "\"/>\n"});
    text += text_at(left_ - 8, kCurveBottom + 3, "muted end", "0");
    if (run_.job_slots == 0 || y_of(run_.job_slots) - y_of(most) > 20) {
      text += text_at(left_ - 8, y_of(most) + 5, "muted end", std::to_string(most));
    }
    if (run_.job_slots == 0) return text;
    const double y = y_of(run_.job_slots);
    return text + line(left_, y, kWidth - kMargin, y, "limit") +
           text_at(left_ - 8, y + 5, "heading end", "-j" + std::to_string(run_.job_slots));
  }

  std::string draw_lane(const Lane& lane, double y) const {
    std::string text =
        joined({"<rect class=\"band\" x=\"", number(left_), "\" y=\"", number(y), "\" width=\"",
                number(kWidth - kMargin - left_), "\" height=\"", number(kLaneHeight), "\"/>\n"});
    text += text_at(left_ - 8, y + 15, "end", shortened(lane.name, kLaneName));
    text += spans_ <= kNamedSpans ? named_spans(lane, y) : merged_spans(lane, y);
    double free = 0;
    for (const Span& span : lane.spans) {
      const double x = (x_of(span.begin) + x_of(span.end)) / 2;
      if (!is_failure(span) || x < free) continue;
      text += joined({"<use href=\"#failed\" x=\"", number(x), "\" y=\"",
                      number(y + kLaneHeight / 2), "\"/>\n"});
      free = x + 14;
    }
    return text;
  }

  /// The outline of a bar, or of the thin line of a wait, from one x to another.
  static std::string shape(Kind kind, double from, double to, double y) {
    const double width = std::max(to - from - (to - from > 3 ? 1 : 0), 0.3);
    if (kind != Kind::waiting) {
      return joined({"M", number(from), " ", number(y), "h", number(width), "v",
                     number(kLaneHeight), "h-", number(width), "z"});
    }
    const std::string ends = to - from > 4 ? number(y + 6) + "v8m0 -4" : number(y + 10);
    return joined(
        {"M", number(from), " ", ends, "h", number(width), (to - from > 4 ? "m0 -4v8" : "")});
  }

  std::string named_spans(const Lane& lane, double y) const {
    std::string text;
    for (const Span& span : lane.spans) {
      std::string name = span.kind == Kind::waiting || span.name.empty()
                             ? label(span.kind)
                             : shortened(span.name, 300);
      if (!span.outcome.empty()) name += joined({" (", shortened(span.outcome, 40), ")"});
      name += joined({", ", seconds(span.begin), " + ", seconds(span.end - span.begin)});
      text += joined({"<path class=\"", (is_failure(span) ? "failed" : style_class(span.kind)),
                      "\" d=\"", shape(span.kind, x_of(span.begin), x_of(span.end), y),
                      "\"><title>", escaped(name), "</title></path>\n"});
    }
    return text;
  }

  /// A path for each kind; spans of a kind with less than half a pixel between them are one.
  std::string merged_spans(const Lane& lane, double y) const {
    std::string text;
    for (const Kind kind :
         {Kind::waiting, Kind::starting, Kind::test, Kind::finishing, Kind::other}) {
      std::string path;
      double from = 0;
      double to = -1;
      for (const Span& span : lane.spans) {
        if (span.kind != kind) continue;
        if (to >= 0 && x_of(span.begin) < to + 0.5) {
          to = std::max(to, x_of(span.end));
          continue;
        }
        if (to >= 0) path += shape(kind, from, to, y);
        from = x_of(span.begin);
        to = x_of(span.end);
      }
      if (to < 0) continue;
      text += joined({"<path class=\"", style_class(kind), "\" d=\"", path,
                      shape(kind, from, to, y), "\"/>\n"});
    }
    return text;
  }

  const Run& run_;
  std::vector<Step> steps_;
  std::size_t spans_ = 0;
  double left_ = 0;
};

}  // namespace

std::string svg(const Run& run) { return Picture(run).draw(); }

}  // namespace jobslots::timeline
