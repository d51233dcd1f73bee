#include "timeline/html.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>

#include "session/trace_vocabulary.h"
#include "timeline/assets.h"
#include "timeline/legend.h"
#include "timeline/text.h"

namespace jobslots::timeline {
namespace {

using nlohmann::json;

/// All names together, in characters, so that a page of 20,000 tests stays below 5 MB.
constexpr std::size_t kNamesBudget = 2'400'000;
constexpr std::size_t kLongestName = 1'000;
constexpr std::size_t kShortestName = 60;
constexpr std::size_t kOutcomeLength = 40;
constexpr std::size_t kFailuresListed = 200;

/// Texts that many spans share, each kept once.
class Texts {
 public:
  explicit Texts(std::size_t characters) : characters_(characters) {}

  std::size_t index(const std::string& text) {
    const auto [found, added] = indexes_.try_emplace(text, list_.size());
    if (added) list_.push_back(shortened(text, characters_));
    return found->second;
  }

  const json& list() const { return list_; }

 private:
  std::size_t characters_;
  std::unordered_map<std::string, std::size_t> indexes_;
  json list_ = json::array();
};

std::size_t name_length(const Run& run) {
  std::size_t spans = 1;
  for (const Session& session : run.sessions) {
    for (const Lane& lane : session.lanes) spans += lane.spans.size();
  }
  return std::clamp(kNamesBudget / spans, kShortestName, kLongestName);
}

/// What page.js draws; described there.
std::string data(const Run& run, const std::vector<Step>& steps) {
  Texts names(name_length(run));
  Texts outcomes(kOutcomeLength);
  json sessions = json::array();
  for (const Session& session : run.sessions) {
    json lanes = json::array();
    for (const Lane& lane : session.lanes) {
      json spans = json::array();
      for (const Span& span : lane.spans) {
        spans.insert(
            spans.end(),
            {json(span.begin), json(span.end - span.begin), json(static_cast<unsigned>(span.kind)),
             json(names.index(span.name)), json(outcomes.index(span.outcome))});
      }
      lanes.push_back({{"name", shortened(lane.name, kLongestName)}, {"spans", std::move(spans)}});
    }
    sessions.push_back(
        {{"name", shortened(session.name, kLongestName)}, {"lanes", std::move(lanes)}});
  }
  json curve = json::array();
  for (const Step& step : steps) {
    curve.push_back(step.at);
    curve.push_back(step.in_use);
  }
  json kinds = json::array();
  for (const Kind kind :
       {Kind::starting, Kind::waiting, Kind::test, Kind::finishing, Kind::other}) {
    kinds.push_back(label(kind));
  }
  const json all{{"slots", run.job_slots},      {"duration", run.duration},
                 {"kinds", std::move(kinds)},   {"names", names.list()},
                 {"outcomes", outcomes.list()}, {"failures", trace::kFailures},
                 {"steps", std::move(curve)},   {"sessions", std::move(sessions)}};
  std::string text;
  // "<" is only ever part of a string, and "</script>" would end the element.
  for (const char c : all.dump(-1, ' ', false, json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

std::string legend_items(const Run& run) {
  std::string items;
  for (const LegendEntry& entry : legend(run)) {
    items += "<li><svg viewBox=\"0 0 26 14\" aria-hidden=\"true\">" + entry.swatch + "</svg>" +
             entry.label + "</li>\n";
  }
  return items;
}

std::string rows(const Run& run) {
  std::string text;
  for (const Session& session : run.sessions) {
    for (const Lane& lane : session.lanes) {
      const Totals sum = totals(lane);
      for (const std::string& cell :
           {escaped(shortened(session.name, 200)), escaped(shortened(lane.name, 200)),
            std::to_string(sum.tests), std::to_string(sum.failed), seconds(sum.busy),
            seconds(sum.waiting)}) {
        text += (text.empty() || text.back() == '\n' ? "<tr><td>" : "<td>") + cell + "</td>";
      }
      text += "</tr>\n";
    }
  }
  return text;
}

std::string failures(const Run& run) {
  std::string items;
  std::size_t listed = 0;
  std::size_t more = 0;
  for (const Session& session : run.sessions) {
    for (const Lane& lane : session.lanes) {
      for (const Span& span : lane.spans) {
        if (!is_failure(span)) continue;
        if (++listed > kFailuresListed) {
          ++more;
          continue;
        }
        items += "<li>" + escaped(shortened(span.name, kLongestName)) + " (" +
                 escaped(span.outcome) + ", " + escaped(shortened(lane.name, 200)) + ")</li>\n";
      }
    }
  }
  if (listed == 0) return "";
  if (more != 0) items += "<li>and " + std::to_string(more) + " more</li>\n";
  return "<p>Failed tests:</p>\n<ul>\n" + items + "</ul>\n";
}

/// page with each {{name}} replaced by its text. What is put in is not looked at again.
std::string filled(std::string_view page, const std::map<std::string_view, std::string>& texts) {
  std::string result;
  for (;;) {
    const std::size_t open = page.find("{{");
    result += page.substr(0, open);
    if (open == std::string_view::npos) return result;
    const std::size_t close = page.find("}}", open);
    result += texts.at(page.substr(open + 2, close - open - 2));
    page.remove_prefix(close + 2);
  }
}

}  // namespace

std::string html(const Run& run) {
  const std::vector<Step> steps = slots_in_use(run);
  return filled(kPageHtml, {{"title", title(run)},
                            {"theme", std::string(kThemeCss)},
                            {"style", std::string(kPictureCss) + std::string(kPageCss)},
                            {"summary", summary(run, steps)},
                            {"definitions", definitions()},
                            {"legend", legend_items(run)},
                            {"rows", rows(run)},
                            {"failures", failures(run)},
                            {"data", data(run, steps)},
                            {"script", std::string(kPageJs)}});
}

}  // namespace jobslots::timeline
