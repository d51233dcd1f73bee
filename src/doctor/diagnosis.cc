#include "doctor/diagnosis.h"

#include <string>
#include <vector>

#include "jobslots/token_source.h"
#include "system/processes.h"
#include "system/rendezvous.h"

namespace jobslots {
namespace {

Reached look_at(const TokenSource& tokens) {
  return {tokens.is_device(), tokens.make_process(), tokens.tokens_available()};
}

/// Whether the process was started with a -j that has more than one job.
bool was_given_jobs(pid_t process) {
  std::string words;
  for (const std::string& word : command_line(process).value_or(std::vector<std::string>())) {
    words += word + " ";
  }
  return parse_jobs(words).value_or(1) != 1;
}

}  // namespace

Unavailable why_none(const GetEnv& getenv, std::optional<pid_t> make_process) {
  if (!make_process && getenv("MAKELEVEL") == nullptr) {
    return {Reason::kNone, "this is not inside make -jN"};
  }
  const char* makeflags = getenv("MAKEFLAGS");
  if (makeflags == nullptr) {
    const std::string seen =
        make_process ? "make is above this (process " + std::to_string(*make_process) + ")"
                     : "MAKELEVEL is set";
    return {Reason::kRemoved, seen + ", but MAKEFLAGS is not set: something in between removes it"};
  }
  const auto jobs = parse_jobs(makeflags);
  if (!jobs && make_process && was_given_jobs(*make_process)) {
    return {Reason::kRemoved, "make (process " + std::to_string(*make_process) +
                                  ") was given -j, but MAKEFLAGS does not have it: something in "
                                  "between removes it"};
  }
  if (!jobs) return {Reason::kOneJob, "make runs without -jN, one job at a time"};
  if (*jobs == 1) return {Reason::kOneJob, "make runs with -j1, one job at a time"};
  if (*jobs == 0) {
    return {Reason::kUnlimited, "make runs with -j without a number: no limit, and no job slots"};
  }
  return {Reason::kRemoved, "MAKEFLAGS has -j" + std::to_string(*jobs) +
                                ", but names no jobserver: something in between removes it"};
}

Diagnosis diagnose(const GetEnv& getenv) {
  Diagnosis found;
  if (const char* value = getenv("MAKEFLAGS")) found.makeflags = value;
  if (const char* name = jobserver_variable(getenv)) {
    found.variable = name;
    found.value = getenv(name);
    auto parsed = parse_makeflags(found.value);
    if (auto* jobserver = std::get_if<Makeflags>(&parsed)) found.jobserver = std::move(*jobserver);
  }
  const auto make_process = nearest_make(getenv("MAKE"));
  const auto tokens = TokenSource::from_environment(getenv);
  if (const auto* opened = std::get_if<TokenSource>(&tokens)) {
    found.reached = look_at(*opened);
    const auto rendezvous = Rendezvous::create(getenv("TMPDIR"));
    if (const auto* why = std::get_if<Unavailable>(&rendezvous)) found.why_not = *why;
  } else if (const auto& why = std::get<Unavailable>(tokens); why.reason != Reason::kNone) {
    found.why_not = why;
  } else {
    found.why_not = why_none(getenv, make_process);
  }
  if (make_process) found.ancestor = Ancestor{*make_process, program_of(*make_process)};
  const char* path = getenv("PATH");
  found.on_path = make_on_path(path == nullptr ? "/bin:/usr/bin" : path);
  return found;
}

}  // namespace jobslots
