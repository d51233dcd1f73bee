#include "session/trace_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace jobslots {
namespace {

bool stands_for_itself(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

/// A JSON string. Node ids may hold any byte; most hold none that JSON writes in another way.
std::string quoted(std::string_view text) {
  if (std::ranges::all_of(text, stands_for_itself)) return '"' + std::string(text) + '"';
  using nlohmann::json;
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string microseconds(TraceText::Time time) {
  std::array<char, 32> text{};
  const auto nanoseconds = static_cast<long long>(time.count());
  std::snprintf(text.data(), text.size(), "%lld.%03lld", nanoseconds / 1000, nanoseconds % 1000);
  return text.data();
}

}  // namespace

void TraceText::begin_event(std::string_view name, char phase) {
  events_ += events_.empty() ? "{\"name\":" : ",\n{\"name\":";
  events_ += quoted(name);
  events_ += ",\"ph\":\"";
  events_ += phase;
  events_ += "\",\"pid\":" + std::to_string(process_);
}

void TraceText::name_process(std::string_view name, unsigned job_slots) {
  begin_event(trace::kProcessName, 'M');
  events_ += ",\"tid\":0,\"args\":{" + quoted(trace::kName) + ":" + quoted(name) + "," +
             quoted(trace::kJobSlots) + ":" + std::to_string(job_slots) + "}}";
}

void TraceText::name_worker(unsigned worker, std::string_view name) {
  begin_event(trace::kThreadName, 'M');
  events_ += ",\"tid\":" + std::to_string(worker) + ",\"args\":{" + quoted(trace::kName) + ":" +
             quoted(name) + "}}";
}

void TraceText::span(unsigned worker, std::string_view category, std::string_view name, Time begin,
                     Time end, std::string_view outcome) {
  begin_event(name, 'X');
  events_ += ",\"tid\":" + std::to_string(worker) + ",\"cat\":" + quoted(category) +
             ",\"ts\":" + microseconds(begin) + ",\"dur\":" + microseconds(end - begin);
  if (!outcome.empty()) {
    events_ += ",\"args\":{" + quoted(trace::kOutcome) + ":" + quoted(outcome) + "}";
  }
  events_ += "}";
}

void TraceText::counter(const trace::Counter& counter, std::size_t value, Time time) {
  begin_event(counter.name, 'C');
  events_ += ",\"ts\":" + microseconds(time) + ",\"args\":{" + quoted(counter.unit) + ":" +
             std::to_string(value) + "}}";
}

}  // namespace jobslots
