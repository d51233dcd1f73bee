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
              {"state", worker.state},
              {"since", seconds(worker.time)},
              {"test", nullptr}};
  if (with_test && worker.test) object["test"] = to_object(*worker.test);
  return object;
}

Ledger::Time time_of(const json& object) {
  const std::chrono::duration<double> since(object.at("since").get<double>());
  return std::chrono::duration_cast<Ledger::Time>(since);
}

SessionStatus::Test test_of(const json& object) {
  return {object.at("name").get<std::string>(), time_of(object)};
}

SessionStatus::Worker worker_of(const json& object) {
  SessionStatus::Worker worker{object.at("name").get<std::string>(),
                               object.at("process").get<long>(),
                               object.at("state").get<std::string>(), time_of(object)};
  if (const json& test = object.at("test"); !test.is_null()) worker.test = test_of(test);
  return worker;
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

std::optional<SessionStatus> status_of_json(std::string_view text) {
  try {
    const json object = json::parse(text);
    SessionStatus status;
    object.at("process").get_to(status.controller);
    object.at("title").get_to(status.title);
    object.at("folder").get_to(status.folder);
    object.at("pool").get_to(status.pool);
    object.at("job_slots").get_to(status.job_slots);
    object.at("held").get_to(status.held);
    object.at("wanted").get_to(status.wanted);
    object.at("tests_known").get_to(status.tests_known);
    for (const json& worker : object.at("workers")) status.workers.push_back(worker_of(worker));
    for (const json& test : object.at("other_tests")) status.other_tests.push_back(test_of(test));
    return status;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

}  // namespace jobslots
