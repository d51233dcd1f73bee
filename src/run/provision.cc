#include "run/provision.h"

namespace jobslots {

Variables variables_for(const GetEnv& getenv, const std::string& jobserver) {
  const char* const makeflags = getenv("MAKEFLAGS");
  Variables variables{
      {"MAKEFLAGS", with_jobserver(makeflags == nullptr ? "" : makeflags, jobserver)},
      {"CARGO_MAKEFLAGS", jobserver},
      // The first slot of such a jobserver is there, whatever was the case around it.
      {kImplicitSlotVariable, std::nullopt}};
  // make does not read it, but sets it: what it names is another jobserver.
  if (const char* const old = getenv("MFLAGS")) {
    const auto named = parse_makeflags(old);
    const auto* why = std::get_if<Unavailable>(&named);
    if (why == nullptr || why->reason != Reason::kNone) variables["MFLAGS"] = std::nullopt;
  }
  return variables;
}

}  // namespace jobslots
