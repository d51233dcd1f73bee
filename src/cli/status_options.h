#pragma once

/// What `jobslots status` and `jobslots top` ask, by their arguments.

#include <string>

#include "cli/commands.h"
#include "status/inquiry.h"

namespace jobslots {

struct StatusOptions {
  bool help = false;
  bool json = false;
  PoolPlace place{};
  Sessions sessions = Sessions::kOfUser;
};

/// json_allowed: --json is an option. usage goes to what is said of wrong arguments.
StatusOptions parse_status_options(Arguments arguments, bool json_allowed, const char* usage);

/// Who has not answered by then is shown without.
inline constexpr std::chrono::milliseconds kInquiryLimit{900};

inline Overview inquire(const StatusOptions& options) {
  return inquire(options.place, options.sessions, kInquiryLimit);
}

/// The sentence where there is neither a pool nor a session.
std::string nothing_there(const StatusOptions& options);

/// Prints the overview as text, as wide as the terminal is. The exit status: 1 where there is
/// nothing.
int print_status(const StatusOptions& options, const Overview& overview);

}  // namespace jobslots
