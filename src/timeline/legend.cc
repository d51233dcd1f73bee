#include "timeline/legend.h"

#include <array>

namespace jobslots::timeline {

namespace {

struct Look {
  const char* label;
  const char* style_class;
};

/// In the order of Kind.
constexpr std::array kLooks{Look{"starting", "starting"}, Look{"waiting for a slot", "waiting"},
                            Look{"test", "test"}, Look{"finishing", "finishing"},
                            Look{"other work", "other"}};

}  // namespace

const char* label(Kind kind) { return kLooks.at(static_cast<std::size_t>(kind)).label; }

const char* style_class(Kind kind) { return kLooks.at(static_cast<std::size_t>(kind)).style_class; }

std::string definitions() {
  return R"(<defs>
<pattern id="starting" width="6" height="6" patternUnits="userSpaceOnUse"><path class="stripes" d="M-1 1 1 -1M-1 7 7 -1M5 7 7 5"/></pattern>
<pattern id="finishing" width="6" height="6" patternUnits="userSpaceOnUse"><path class="stripes" d="M-1 5 1 7M-1 -1 7 7M5 -1 7 1"/></pattern>
<g id="failed"><circle class="disc" r="6.5"/><path class="cross" d="M-2.5 -2.5 2.5 2.5M-2.5 2.5 2.5 -2.5"/></g>
</defs>
)";
}

std::vector<LegendEntry> legend(const Run& run) {
  std::array<bool, kLooks.size()> present{};
  for (const Session& session : run.sessions) {
    for (const Lane& lane : session.lanes) {
      for (const Span& span : lane.spans) present[static_cast<std::size_t>(span.kind)] = true;
    }
  }
  std::vector<LegendEntry> entries;
  for (const Kind kind :
       {Kind::test, Kind::other, Kind::starting, Kind::finishing, Kind::waiting}) {
    if (!present[static_cast<std::size_t>(kind)]) continue;
    const std::string shape = kind == Kind::waiting
                                  ? R"(path d="M1 3V11M1 7H25M25 3V11")"
                                  : R"(rect x="0.5" y="0.5" width="25" height="13")";
    entries.push_back({"<" + shape + " class=\"" + style_class(kind) + "\"/>", label(kind)});
  }
  if (totals(run).failed != 0) {
    entries.push_back(
        {R"(<rect class="failed" width="26" height="14"/><use href="#failed" x="13" y="7"/>)",
         "failed test"});
  }
  return entries;
}

}  // namespace jobslots::timeline
