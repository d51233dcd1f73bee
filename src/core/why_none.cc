#include "core/why_none.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "system/processes.h"

namespace jobslots {
namespace {

/// A program that starts others in an environment of its own making.
struct Tool {
  std::string_view name;
  const char* cure;
};

constexpr std::array kTools{
    Tool{"tox", "let MAKEFLAGS through: pass_env = MAKEFLAGS in the configuration of tox"},
    Tool{"sudo", "let MAKEFLAGS through: sudo --preserve-env=MAKEFLAGS"},
    Tool{"doas", "let MAKEFLAGS through: setenv { MAKEFLAGS } in doas.conf"},
    Tool{"scons",
         "let MAKEFLAGS through: env['ENV']['MAKEFLAGS'] = os.environ['MAKEFLAGS'] in SConstruct"},
    Tool{"su", "let MAKEFLAGS through: su without -, or with --whitelist-environment=MAKEFLAGS"},
    Tool{"runuser",
         "let MAKEFLAGS through: runuser without -, or with "
         "--whitelist-environment=MAKEFLAGS"},
};

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// The name of the program, or of the script or module that an interpreter runs: tox for
/// "/usr/bin/python3 /usr/bin/tox -e py" and for "python -m tox".
bool runs(const Process& process, std::string_view name) {
  if (process.name == name) return true;
  const auto words = command_line(process.pid);
  if (!words || words->size() < 2 || !base_name(words->front()).starts_with("python")) return false;
  const bool module = words->size() > 2 && (*words)[1] == "-m";
  return base_name((*words)[module ? 2 : 1]) == name;
}

/// What is known of between this process and that make.
struct InBetween {
  std::string who = "something in between removes it";
  std::string remedy;  ///< Empty: nothing better is known than what is said of all.
};

InBetween tool_below(pid_t make_process) {
  for (const Process& process : ancestors()) {
    if (process.pid == make_process) break;
    const auto tool =
        std::ranges::find_if(kTools, [&](const Tool& known) { return runs(process, known.name); });
    if (tool == kTools.end()) continue;
    return {std::string(tool->name) + " (process " + std::to_string(process.pid) + ") removes it",
            tool->cure};
  }
  return {};
}

Unavailable without_jobserver(unsigned jobs, bool given) {
  if (jobs == 0) {
    return {Reason::kUnlimited, "make runs with -j without a number: no limit, and no job slots"};
  }
  return {Reason::kOneJob, given ? "make runs with -j1, one job at a time"
                                 : "make runs without -jN, one job at a time"};
}

Unavailable removed(pid_t make_process, const std::string& finding) {
  const InBetween tool = tool_below(make_process);
  Unavailable why{Reason::kRemoved, finding + ": " + tool.who, tool.remedy};
  if (is_another_users(make_process)) {
    why.remedy = Unavailable{Reason::kNotPermitted, ""}.cure();
  }
  return why;
}

}  // namespace

std::optional<unsigned> jobs_given_to(pid_t make_process) {
  auto words = command_line(make_process);
  if (!words || words->empty()) return std::nullopt;
  words->erase(words->begin());
  if (const auto jobs = jobs_of_command_line(*words)) return jobs;
  const auto variables = environment(make_process);
  if (!variables) return std::nullopt;
  for (const std::string_view name : {"MAKEFLAGS=", "GNUMAKEFLAGS="}) {
    for (const std::string& variable : *variables) {
      if (!variable.starts_with(name)) continue;
      if (const auto jobs = parse_jobs(std::string_view(variable).substr(name.size()))) return jobs;
    }
  }
  return 1;
}

Unavailable why_none(const GetEnv& getenv, std::optional<pid_t> make_process) {
  const char* makeflags = getenv("MAKEFLAGS");
  if (!make_process && getenv("MAKELEVEL") == nullptr) {
    return {Reason::kNone, "this is not inside make -jN"};
  }
  if (!make_process && makeflags == nullptr) {
    return {Reason::kRemoved,
            "MAKELEVEL is set, but MAKEFLAGS is not set: something in between removes it"};
  }
  const auto here = makeflags != nullptr ? parse_jobs(makeflags) : std::nullopt;
  const auto given = make_process ? jobs_given_to(*make_process) : std::nullopt;
  if (here && *here > 1) {
    return {Reason::kRemoved, "MAKEFLAGS has -j" + std::to_string(*here) +
                                  ", but names no jobserver: something in between removes it"};
  }
  if (here || (given && *given <= 1) || (makeflags != nullptr && !given)) {
    return without_jobserver(here.value_or(given.value_or(1)), here.has_value());
  }
  const std::string process = "(process " + std::to_string(*make_process) + ")";
  if (makeflags == nullptr) {
    const std::string jobs = given ? " with -j" + std::to_string(*given) : "";
    return removed(*make_process,
                   "make is above this " + process + jobs + ", but MAKEFLAGS is not set");
  }
  return removed(*make_process, "make " + process + " was given -j" + std::to_string(*given) +
                                    ", but MAKEFLAGS does not have it");
}

}  // namespace jobslots
