#include "timeline/run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "session/trace_vocabulary.h"

namespace jobslots::timeline {
namespace {

/// The times in which a lane uses a slot, without overlaps.
std::vector<std::pair<Microseconds, Microseconds>> busy_times(const Lane& lane) {
  std::vector<std::pair<Microseconds, Microseconds>> times;
  for (const Span& span : lane.spans) {
    if (span.kind == Kind::waiting || span.begin == span.end) continue;
    if (!times.empty() && span.begin <= times.back().second) {
      times.back().second = std::max(times.back().second, span.end);
    } else {
      times.emplace_back(span.begin, span.end);
    }
  }
  return times;
}

std::string count(std::size_t number, const char* thing) {
  return std::to_string(number) + " " + thing + (number == 1 ? "" : "s");
}

}  // namespace

std::vector<Step> slots_in_use(const Run& run) {
  std::vector<std::pair<Microseconds, int>> changes;
  for (const Session& session : run.sessions) {
    for (const Lane& lane : session.lanes) {
      for (const auto& [begin, end] : busy_times(lane)) {
        changes.emplace_back(begin, 1);
        changes.emplace_back(end, -1);
      }
    }
  }
  std::ranges::sort(changes);
  std::vector<Step> steps{{0, 0}};
  int in_use = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    in_use += changes[i].second;
    const Step step{changes[i].first, static_cast<unsigned>(in_use)};
    if (i + 1 < changes.size() && changes[i + 1].first == step.at) continue;
    if (steps.back().at == step.at) {
      steps.back() = step;
    } else if (steps.back().in_use != step.in_use) {
      steps.push_back(step);
    }
  }
  return steps;
}

Totals totals(const Lane& lane) {
  Totals sum;
  for (const Span& span : lane.spans) {
    if (span.kind == Kind::test) ++sum.tests;
    if (is_failure(span)) ++sum.failed;
    if (span.kind == Kind::waiting) sum.waiting += span.end - span.begin;
  }
  for (const auto& [begin, end] : busy_times(lane)) sum.busy += end - begin;
  return sum;
}

std::vector<double> average_in_use(const Run& run, const std::vector<Step>& steps,
                                   std::size_t parts) {
  std::vector<double> averages;
  const double length = static_cast<double>(run.duration) / static_cast<double>(parts);
  std::size_t next = 0;
  double in_use = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    double from = length * static_cast<double>(part);
    const double to = length * static_cast<double>(part + 1);
    double sum = 0;
    for (; next < steps.size() && static_cast<double>(steps[next].at) < to; ++next) {
      const double at = std::max(from, static_cast<double>(steps[next].at));
      sum += in_use * (at - from);
      from = at;
      in_use = steps[next].in_use;
    }
    averages.push_back(length > 0 ? (sum + in_use * (to - from)) / length : in_use);
  }
  return averages;
}

Totals totals(const Run& run) {
  Totals sum;
  for (const Session& session : run.sessions) {
    for (const Lane& lane : session.lanes) {
      const Totals one = totals(lane);
      sum.tests += one.tests;
      sum.failed += one.failed;
      sum.busy += one.busy;
      sum.waiting += one.waiting;
    }
  }
  return sum;
}

bool is_failure(const Span& span) {
  return span.kind == Kind::test &&
         std::ranges::find(trace::kFailures, span.outcome) != trace::kFailures.end();
}

std::string seconds(Microseconds time) {
  char text[48];
  std::snprintf(text, sizeof text, time != 0 && time < 10'000 ? "%.4f s" : "%.2f s",
                static_cast<double>(time) / 1e6);
  return text;
}

std::string title(const Run& run) {
  const auto has_workers = [](const Session& session) {
    return std::ranges::any_of(session.lanes, [](const Lane& lane) {
      return std::ranges::any_of(lane.spans,
                                 [](const Span& span) { return span.kind != Kind::other; });
    });
  };
  const auto with_workers =
      static_cast<std::size_t>(std::ranges::count_if(run.sessions, has_workers));
  const std::string sessions =
      count(with_workers == 0 ? run.sessions.size() : with_workers, "session");
  return run.job_slots == 0 ? sessions
                            : "make -j" + std::to_string(run.job_slots) + ", " + sessions;
}

std::string summary(const Run& run, const std::vector<Step>& steps) {
  const Totals sum = totals(run);
  const unsigned most = std::ranges::max(steps, {}, &Step::in_use).in_use;
  const double average =
      run.duration == 0 ? 0 : static_cast<double>(sum.busy) / static_cast<double>(run.duration);
  char slots[96];
  std::snprintf(slots, sizeof slots, "slots in use: at most %u, on average %.2f", most, average);
  std::string text = seconds(run.duration) + ", " + count(sum.tests, "test");
  if (sum.failed != 0) text += " (" + std::to_string(sum.failed) + " failed)";
  text += std::string(", ") + slots;
  if (run.job_slots != 0) text += " of " + std::to_string(run.job_slots);
  return text;
}

}  // namespace jobslots::timeline
