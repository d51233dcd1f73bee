/// Any bytes as a trace, up to the page and the SVG.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "check.h"
#include "timeline/html.h"
#include "timeline/run.h"
#include "timeline/svg.h"
#include "timeline/text.h"
#include "timeline/trace_reader.h"

namespace jobslots::fuzz {
namespace {

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t number = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++number;
  return number;
}

void check_run(const timeline::Run& run) {
  std::size_t lanes = 0;
  for (const auto& session : run.sessions) {
    lanes += session.lanes.size();
    for (const auto& lane : session.lanes) {
      check(std::ranges::is_sorted(lane.spans, {}, &timeline::Span::begin), "spans are in order");
      for (const auto& span : lane.spans) {
        check(0 <= span.begin && span.begin <= span.end && span.end <= run.duration,
              "a span is within the run");
      }
    }
  }
  const auto steps = timeline::slots_in_use(run);
  check(steps.back().in_use == 0 || run.duration == 0, "in the end no slot is in use");
  for (const auto& step : steps) check(step.in_use <= lanes, "a lane uses one slot at most");
}

void check_pictures(const timeline::Run& run) {
  const std::string page = timeline::html(run);
  check(occurrences(page, "</script>") == 2, "no name ends a script");
  check(timeline::valid_utf8(page) == page, "the page is UTF-8");
  const std::string picture = timeline::svg(run);
  check(occurrences(picture, "<script") == 0, "no name becomes an element");
  check(timeline::valid_utf8(picture) == picture, "the SVG is UTF-8");
}

}  // namespace
}  // namespace jobslots::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  jobslots::timeline::TraceReader reader;
  reader.read({reinterpret_cast<const char*>(data), size});
  const auto run = reader.finish();
  jobslots::fuzz::check_run(run);
  jobslots::fuzz::check_pictures(run);
  return 0;
}
