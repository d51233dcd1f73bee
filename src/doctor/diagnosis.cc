#include "doctor/diagnosis.h"

#include <string>

#include "core/why_none.h"
#include "jobslots/token_source.h"
#include "system/processes.h"
#include "system/rendezvous.h"

namespace jobslots {
namespace {

Reached look_at(const TokenSource& tokens) {
  return {tokens.is_device(), tokens.holder(), tokens.tokens_available()};
}

}  // namespace

Diagnosis diagnose(const GetEnv& getenv) {
  Diagnosis found;
  if (const char* value = getenv("MAKEFLAGS")) found.makeflags = value;
  if (const auto names = jobserver_variables(getenv); !names.empty()) {
    found.variable = names.front();
    found.value = getenv(names.front().c_str());
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
