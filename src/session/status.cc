#include "session/status.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace jobslots {
namespace {

using nlohmann::json;

double seconds(Ledger::Time time) { return std::chrono::duration<double>(time).count(); }

json to_object(const SessionStatus::Test& test) {
  return {{"name", test.name}, {"since", seconds(test.time)}};
}

json to_object(const SessionStatus::Worker& worker, bool with_test) {
  json object{{"name", worker.name},
              {"process", worker.process},
              {"state", name_of(worker.state)},
              {"since", seconds(worker.time)},
              {"test", nullptr}};
  if (with_test && worker.test) object["test"] = to_object(*worker.test);
  return object;
}

std::string print(const SessionStatus& status, bool with_tests) {
  json workers = json::array();
  for (const auto& worker : status.workers) workers.push_back(to_object(worker, with_tests));
  json tests = json::array();
  if (with_tests) {
    for (const auto& test : status.other_tests) tests.push_back(to_object(test));
  }
  const json object{{"process", status.controller},    {"title", status.title},
                    {"folder", status.folder},         {"pool", status.pool},
                    {"job_slots", status.job_slots},   {"held", status.held},
                    {"wanted", status.wanted},         {"workers", std::move(workers)},
                    {"other_tests", std::move(tests)}, {"tests_known", with_tests}};
  // Names of files and tests may be any bytes.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string_view name_of(Ledger::State state) {
  switch (state) {
    case Ledger::State::kUnknown:
      break;
    case Ledger::State::kToStart:
      return "to start";
    case Ledger::State::kStarting:
      return "starting";
    case Ledger::State::kIdle:
      return "idle";
    case Ledger::State::kWaiting:
      return "waiting";
    case Ledger::State::kHolding:
      return "working";
  }
  return "";
}

std::string to_json(const SessionStatus& status, std::size_t limit) {
  if (status.tests_known) {
    if (std::string text = print(status, true); text.size() <= limit) return text;
  }
  return print(status, false);
}

}  // namespace jobslots
