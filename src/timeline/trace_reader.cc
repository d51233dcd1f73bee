#include "timeline/trace_reader.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "session/trace_vocabulary.h"
#include "timeline/salvage.h"
#include "timeline/text.h"

namespace jobslots::timeline {
namespace {

using nlohmann::json;

/// A time beyond a hundred years is none. Up to there a double holds every microsecond.
constexpr double kTimeLimit = 3.2e15;

const json* member(const json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const json& object, std::string_view key) {
  const json* const value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<double> time_of(const json& object, const char* key) {
  const json* const value = member(object, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const auto time = value->get<double>();
  if (!std::isfinite(time) || std::abs(time) > kTimeLimit) return std::nullopt;
  return time;
}

/// A pid or tid, which may be a number or a text.
std::optional<std::string> id_of(const json& object, const char* key) {
  const json* const value = member(object, key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number_integer()) return value->dump();
  return std::nullopt;
}

Kind kind_of(const std::string& category) {
  if (category == trace::kStarting) return Kind::starting;
  if (category == trace::kWaiting) return Kind::waiting;
  if (category == trace::kTest) return Kind::test;
  if (category == trace::kFinishing) return Kind::finishing;
  return Kind::other;
}

std::optional<Span> span_of(const json& event) {
  const auto begin = time_of(event, "ts");
  const auto duration = time_of(event, "dur");
  if (!begin || !duration || *duration < 0) return std::nullopt;
  Span span;
  // Inwards, as the sum is not exact: who takes over a slot must not begin before the other's end.
  span.begin = static_cast<Microseconds>(std::ceil(*begin));
  span.end = std::max(span.begin, static_cast<Microseconds>(std::floor(*begin + *duration)));
  span.kind = kind_of(text_of(event, "cat"));
  span.name = text_of(event, trace::kName);
  if (const json* const arguments = member(event, "args")) {
    span.outcome = text_of(*arguments, trace::kOutcome);
  }
  return span;
}

/// Orders gw2 before gw10.
auto natural_order(const std::string& name) {
  const auto digits = name.find_last_not_of("0123456789") + 1;
  const std::string number = name.substr(std::min(digits, name.size()));
  return std::tuple(name.substr(0, digits), number.size(), number);
}

Microseconds first_begin(const std::vector<Lane>& lanes) {
  auto first = std::numeric_limits<Microseconds>::max();
  for (const Lane& lane : lanes) first = std::min(first, lane.spans.front().begin);
  return first;
}

}  // namespace

/// The events of one file, each handled and forgotten as soon as the parser has it, so that those
/// before the place where a file is cut off are not lost.
class TraceReader::File {
 public:
  File(TraceReader& reader, std::size_t number) : reader_(reader), number_(number) {}

  Reading read(const std::string& text) {
    try {
      const json rest =
          json::parse(text, [this](int depth, json::parse_event_t event, json& value) {
            return keep(depth, event, value);
          });
      reading_.complete = rest.is_array() || rest.is_object();
      if (reading_.complete) return reading_;
    } catch (const json::parse_error& error) {
      reading_.byte = error.byte;
    } catch (const json::exception&) {  // A number that no double holds.
    }
    const std::size_t first_error = std::exchange(reading_, Reading()).byte;
    std::erase_if(reader_.processes_,
                  [this](const auto& entry) { return entry.first.first == number_; });
    const Salvaged salvaged =
        salvage(text, [this](std::string_view event) { return read_event(event); });
    reading_.complete = salvaged.complete;
    reading_.unreadable = salvaged.passed;
    reading_.byte = reading_.spans == 0 ? first_error : salvaged.byte;
    return reading_;
  }

 private:
  bool keep(int depth, json::parse_event_t event, const json& value) {
    using Event = json::parse_event_t;
    if (depth == 0 && event == Event::object_start) event_depth_ = 2;
    if (depth == 1 && event == Event::key) in_events_ = value == "traceEvents";
    if (event != Event::object_end || depth != event_depth_) return true;
    if (event_depth_ == 1 || in_events_) handle(value);
    return false;
  }

  bool read_event(std::string_view text) {
    try {
      handle(json::parse(text));
    } catch (const json::exception&) {
      return false;
    }
    return true;
  }

  void handle(const json& event) {
    const std::string phase = text_of(event, "ph");
    const bool process_name = phase == "M" && text_of(event, trace::kName) == trace::kProcessName;
    const bool thread_name = phase == "M" && text_of(event, trace::kName) == trace::kThreadName;
    if (phase != "X" && !process_name && !thread_name) return;
    const auto pid = id_of(event, "pid");
    const auto tid = id_of(event, "tid");
    auto span = phase == "X" ? span_of(event) : std::nullopt;
    if (!pid || (!process_name && !tid) || (phase == "X" && !span)) {
      ++reading_.broken;
      return;
    }
    Process& process = reader_.processes_[{number_, *pid}];
    if (phase == "X") {
      process.lanes[*tid].spans.push_back(std::move(*span));
      ++reading_.spans;
    } else if (const json* const arguments = member(event, "args")) {
      (process_name ? process.name : process.lanes[*tid].name) = text_of(*arguments, trace::kName);
      const json* const slots = member(*arguments, trace::kJobSlots);
      if (slots != nullptr && slots->is_number_unsigned() &&
          slots->get<std::uint64_t>() <= 100'000) {
        reader_.job_slots_ = std::max(reader_.job_slots_, slots->get<unsigned>());
      }
    }
  }

  TraceReader& reader_;
  std::size_t number_;
  int event_depth_ = 1;
  bool in_events_ = false;
  Reading reading_;
};

Reading TraceReader::read(std::string_view text) {
  return File(*this, files_++).read(valid_utf8(text));
}

Run TraceReader::finish() {
  Run run;
  run.job_slots = job_slots_;
  for (auto& [key, process] : processes_) {
    Session session;
    session.name = process.name.empty() ? "process " + key.second : std::move(process.name);
    for (auto& [tid, lane] : process.lanes) {
      if (lane.spans.empty()) continue;
      if (lane.name.empty()) lane.name = tid;
      std::ranges::stable_sort(lane.spans, {}, &Span::begin);
      session.lanes.push_back(std::move(lane));
    }
    if (session.lanes.empty()) continue;
    std::ranges::stable_sort(session.lanes, {},
                             [](const Lane& lane) { return natural_order(lane.name); });
    run.sessions.push_back(std::move(session));
  }
  if (run.sessions.empty()) return run;
  const auto begin = [](const Session& session) { return first_begin(session.lanes); };
  std::ranges::stable_sort(run.sessions, {}, begin);
  const Microseconds first = begin(run.sessions.front());
  for (Session& session : run.sessions) {
    for (Lane& lane : session.lanes) {
      for (Span& span : lane.spans) {
        span.begin -= first;
        span.end -= first;
        run.duration = std::max(run.duration, span.end);
      }
    }
  }
  return run;
}

}  // namespace jobslots::timeline
