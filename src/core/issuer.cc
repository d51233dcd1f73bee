#include "core/issuer.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "system/processes.h"

namespace jobslots {

std::optional<Issuer> issuer_of(const Makeflags& makeflags) {
  const char* const make_variable = std::getenv("MAKE");
  for (const Process& process : ancestors()) {
    if (is_make(process, make_variable)) return Issuer{process.pid, true};
    const auto variables = environment(process.pid);
    if (!variables) continue;
    const auto lookup = [&variables](std::string_view name) -> const char* {
      for (const std::string& variable : *variables) {
        if (variable.starts_with(name) && variable[name.size()] == '=') {
          return variable.c_str() + name.size() + 1;
        }
      }
      return nullptr;
    };
    const auto theirs = makeflags_from_environment(lookup);
    const auto* same = std::get_if<Makeflags>(&theirs);
    if (same == nullptr || *same != makeflags) return Issuer{process.pid, false};
  }
  return std::nullopt;
}

}  // namespace jobslots
