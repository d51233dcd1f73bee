/// Any bytes as the value of MAKEFLAGS.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "jobslots/makeflags.h"

namespace jobslots::fuzz {
namespace {

bool same(const Result<Makeflags>& one, const Result<Makeflags>& other) {
  if (one.index() != other.index()) return false;
  if (const auto* makeflags = std::get_if<Makeflags>(&one)) {
    return *makeflags == std::get<Makeflags>(other);
  }
  const auto& why = std::get<Unavailable>(one);
  const auto& other_why = std::get<Unavailable>(other);
  return why.reason == other_why.reason && why.detail == other_why.detail;
}

bool is_none(const Result<Makeflags>& result) {
  const auto* why = std::get_if<Unavailable>(&result);
  return why != nullptr && why->reason == Reason::kNone;
}

void check_result(const Result<Makeflags>& result) {
  if (const auto* why = std::get_if<Unavailable>(&result)) {
    check(why->reason == Reason::kNone || why->reason == Reason::kNotUnderstood,
          "parsing ends with one of two reasons");
    check(!why->detail.empty() && !why->cure().empty(), "a reason has a detail and a cure");
    check(why->message().find("; cure: ") != std::string::npos, "the message has the cure");
    check(name_of(why->reason) != "unknown", "a reason has a name");
    return;
  }
  const auto& makeflags = std::get<Makeflags>(result);
  check(makeflags.job_slots.value_or(1) >= 1, "job slots are at least one");
  if (const auto* fifo = std::get_if<FifoAuth>(&makeflags.auth)) {
    check(!fifo->path.empty(), "a fifo has a path");
    return;
  }
  const auto& pipe = std::get<PipeAuth>(makeflags.auth);
  const bool known = pipe.read_fd >= 0 && pipe.write_fd >= 0;
  const bool unknown = pipe.read_fd == -1 && pipe.write_fd == -1;
  check(known || (pipe.withheld && unknown), "a pipe has two descriptors, or none where withheld");
}

void check_words_around(const std::string& value, const Result<Makeflags>& result) {
  check(is_none(parse_makeflags(" -- " + value)), "after -- there are no options");
  if (value.ends_with('\\')) return;  // It would protect what follows.
  check(same(parse_makeflags(value + " -- --jobserver-auth=fifo:/x -j7"), result),
        "after -- there are no options, whatever is before");
  const auto more = parse_makeflags(value + " --jobserver-auth=fifo:/x -j7");
  check(same(more, Makeflags{FifoAuth{"/x"}, 7}) || same(more, result), "the last one counts");
}

void check_jobs(const std::string& value) {
  check(!parse_jobs(" -- " + value), "after -- there are no options");
  if (value.ends_with('\\')) return;  // It would protect what follows.
  const auto jobs = parse_jobs(value);
  check(parse_jobs(value + " -- -j7") == jobs, "after -- there are no options");
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find('\n', begin), value.size());
    words.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  const auto given = jobs_of_command_line(words);
  words.insert(words.end(), {"--", "-j7"});
  check(jobs_of_command_line(words) == given, "nor on a command line");
}

/// A path comes through whatever is in it, escaped as make does.
void check_path(std::string_view path) {
  std::string value = "-j2 --jobserver-auth=fifo:";
  for (const char c : path) {
    if (c == ' ' || c == '\t' || c == '\\') value += '\\';
    value += c;
  }
  const auto result = parse_makeflags(value);
  if (path.empty()) {
    check(std::holds_alternative<Unavailable>(result), "an empty path is no path");
  } else {
    check(same(result, Makeflags{FifoAuth{std::string(path)}, 2}), "a path comes through");
  }
}

void check_environment(const std::string& value) {
  const Result<Makeflags> alone = parse_makeflags(value.c_str());
  const auto found = makeflags_from_environment([&value](const char* name) {
    return name == std::string_view("MAKEFLAGS") ? value.c_str() : "-j3 --jobserver-auth=3,4";
  });
  const Result<Makeflags> next = Makeflags{PipeAuth{3, 4}, 3};
  check(same(found, is_none(alone) ? next : alone), "the first that speaks of one counts");
}

}  // namespace
}  // namespace jobslots::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jobslots;
  // Not of a copy, whose end would be a zero: reading beyond this end is found.
  const auto result = parse_makeflags({reinterpret_cast<const char*>(data), size});
  const std::string value(reinterpret_cast<const char*>(data), size);
  fuzz::check_result(result);
  fuzz::check_words_around(value, result);
  fuzz::check_jobs(value);
  fuzz::check_path(value);
  fuzz::check_environment(value);
  return 0;
}
