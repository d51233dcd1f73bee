#include "jobslots/makeflags.h"

#include <charconv>
#include <vector>

namespace jobslots {
namespace {

std::vector<std::string> split_words(std::string_view value) {
  std::vector<std::string> words;
  bool in_word = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (c == ' ' || c == '\t') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\\' && i + 1 < value.size()) c = value[++i];
    words.back().push_back(c);
  }
  return words;
}

std::optional<std::string_view> after_prefix(std::string_view word, std::string_view prefix) {
  if (!word.starts_with(prefix)) return std::nullopt;
  return word.substr(prefix.size());
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<PipeAuth> parse_pipe(std::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto read_fd = to_number<int>(text.substr(0, comma));
  const auto write_fd = to_number<int>(text.substr(comma + 1));
  if (!read_fd || !write_fd) return std::nullopt;
  return PipeAuth{*read_fd, *write_fd, *read_fd < 0 || *write_fd < 0};
}

using Auth = std::variant<FifoAuth, PipeAuth>;

/// The auth of one option's value. A withheld pair keeps the numbers of the pair before it: those
/// are make's own, and the way to the pipe through /proc.
Result<Auth> parse_auth(const std::string& value, const Result<Auth>& before) {
  if (const auto path = after_prefix(value, "fifo:")) {
    if (path->empty()) return Unavailable{Reason::kNotUnderstood, "MAKEFLAGS names no fifo"};
    return FifoAuth{std::string(*path)};
  }
  const std::optional<PipeAuth> pipe = parse_pipe(value);
  if (!pipe) {
    return Unavailable{Reason::kNotUnderstood,
                       "the jobserver \"" + value + "\" is neither fifo:PATH nor R,W"};
  }
  if (!pipe->withheld) return *pipe;
  const auto* auth = std::get_if<Auth>(&before);
  const auto* pair = auth ? std::get_if<PipeAuth>(auth) : nullptr;
  return pair ? PipeAuth{pair->read_fd, pair->write_fd, true} : PipeAuth{-1, -1, true};
}

/// The last value counts, whatever the ones before it are.
Result<Auth> last_auth(const std::vector<std::string>& values) {
  Result<Auth> auth = Unavailable{Reason::kNone, "no jobserver in the environment"};
  for (const std::string& value : values) auth = parse_auth(value, auth);
  return auth;
}

}  // namespace

Result<Makeflags> parse_makeflags(std::string_view value) {
  std::vector<std::string> auth_values;
  for (const std::string& word : split_words(value)) {
    if (word == "--") break;
    if (const auto auth = after_prefix(word, "--jobserver-auth=")) {
      auth_values.emplace_back(*auth);
    } else if (const auto fds = after_prefix(word, "--jobserver-fds=")) {
      auth_values.emplace_back(*fds);
    }
  }
  auto auth = last_auth(auth_values);
  if (auto* unavailable = std::get_if<Unavailable>(&auth)) return *unavailable;
  auto job_slots = parse_jobs(value);
  if (job_slots == 0U) job_slots.reset();
  return Makeflags{std::get<0>(auth), job_slots};
}

std::optional<unsigned> parse_jobs(std::string_view value) {
  std::optional<unsigned> jobs;
  for (const std::string& word : split_words(value)) {
    if (word == "--") break;
    if (const auto number = after_prefix(word, "--jobs=")) {
      jobs = to_number<unsigned>(*number).value_or(0);
    } else if (const auto j = after_prefix(word, "-j")) {
      jobs = to_number<unsigned>(*j).value_or(0);
    }
  }
  return jobs;
}

const char* jobserver_variable(const GetEnv& getenv) {
  for (const char* name : {"MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"}) {
    const char* value = getenv(name);
    if (value == nullptr) continue;
    const auto parsed = parse_makeflags(value);
    const auto* unavailable = std::get_if<Unavailable>(&parsed);
    if (unavailable == nullptr || unavailable->reason != Reason::kNone) return name;
  }
  return nullptr;
}

Result<Makeflags> makeflags_from_environment(const GetEnv& getenv) {
  if (const char* name = jobserver_variable(getenv)) return parse_makeflags(getenv(name));
  return Unavailable{Reason::kNone, "no jobserver in MAKEFLAGS, MFLAGS or CARGO_MAKEFLAGS"};
}

}  // namespace jobslots
