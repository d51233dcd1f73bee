#include "jobslots/makeflags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace jobslots {
namespace {

/// The words as they are written, with their backslashes.
std::vector<std::string_view> written_words(std::string_view value) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0;;) {
    begin = value.find_first_not_of(" \t", begin);
    if (begin == std::string_view::npos) return words;
    std::size_t end = begin;
    while (end < value.size() && value[end] != ' ' && value[end] != '\t') {
      end += value[end] == '\\' ? 2 : 1;
    }
    words.push_back(value.substr(begin, end - begin));
    begin = std::min(end, value.size());
  }
}

/// A backslash at the value's end protects nothing, and stands for itself.
std::string without_backslashes(std::string_view word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && i + 1 < word.size()) ++i;
    text.push_back(word[i]);
  }
  return text;
}

std::vector<std::string> split_words(std::string_view value) {
  std::vector<std::string> words;
  for (const std::string_view word : written_words(value)) {
    words.push_back(without_backslashes(word));
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
    if (path->empty()) return Unavailable{Reason::kNotUnderstood, "--jobserver-auth names no fifo"};
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

/// Whether the next word is the value of an option that is written without "=": -f FILE,
/// --file FILE, also in its short forms, see make's --help.
bool takes_next_word(std::string_view word) {
  constexpr std::array<std::string_view, 14> kWithValue{
      "--assume-new",    "--assume-old",     "--directory",  "--eval",     "--file",
      "--include-dir",   "--jobserver-auth", "--makefile",   "--new-file", "--old-file",
      "--jobserver-fds", "--sync-mutex",     "--temp-stdin", "--what-if"};
  if (!word.starts_with("--")) {
    return word.find_first_of("CEIWfo") == word.size() - 1;
  }
  return std::ranges::any_of(kWithValue, [word](auto option) { return option.starts_with(word); });
}

/// What stands behind the j of a word of one-letter options, such as -j8 and -kj8; behind a letter
/// that has a value (-Cjoin) there are no more options.
std::optional<std::string_view> after_j(std::string_view word) {
  const std::size_t at = word.find_first_of("jCEIOWflo", 1);
  if (at == std::string_view::npos || word[at] != 'j') return std::nullopt;
  return word.substr(at + 1);
}

/// As make writes a path into MAKEFLAGS.
std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == ' ' || c == '\t' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

}  // namespace

std::string to_makeflags(const Makeflags& makeflags) {
  std::string text = makeflags.job_slots ? " -j" + std::to_string(*makeflags.job_slots) : "";
  if (const auto* fifo = std::get_if<FifoAuth>(&makeflags.auth)) {
    return text + " --jobserver-auth=fifo:" + escaped(fifo->path);
  }
  const auto& pipe = std::get<PipeAuth>(makeflags.auth);
  return text + " --jobserver-auth=" + std::to_string(pipe.read_fd) + "," +
         std::to_string(pipe.write_fd);
}

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

std::string with_jobserver(std::string_view value, std::string_view jobserver) {
  std::string options;
  std::string definitions;
  for (const std::string_view word : written_words(value)) {
    const bool behind = !definitions.empty() || word == "--";
    if (!behind &&
        (word.starts_with("--jobserver-auth=") || word.starts_with("--jobserver-fds="))) {
      continue;
    }
    std::string& part = behind ? definitions : options;
    // One-letter options without a dash have to stay where make looks for them: at the beginning.
    if (behind || !options.empty()) part += ' ';
    part += word;
  }
  return options + std::string(jobserver) + definitions;
}

std::optional<unsigned> jobs_of_command_line(std::span<const std::string> words) {
  std::optional<unsigned> jobs;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") break;
    if (!word.starts_with('-')) continue;
    std::optional<std::string_view> number;
    if (!word.starts_with("--")) {
      number = after_j(word);
    } else if (word == "--jobs") {
      number = "";
    } else {
      number = after_prefix(word, "--jobs=");
    }
    const std::string_view next = i + 1 < words.size() ? std::string_view(words[i + 1]) : "";
    if (number == "" && next.find_first_not_of("0123456789") == std::string_view::npos) {
      number = next;
      ++i;
    } else if (!number && takes_next_word(word) && next != "--") {
      ++i;
    }
    if (number) jobs = to_number<unsigned>(*number).value_or(0);
  }
  return jobs;
}

std::optional<unsigned> parse_jobs(std::string_view value) {
  auto words = split_words(value);
  // The one-letter options come first, without a dash.
  const auto is_letters = [](const std::string& word) {
    return !word.starts_with('-') && word.find('=') == std::string::npos;
  };
  if (!words.empty() && is_letters(words.front())) words.front() = '-' + words.front();
  return jobs_of_command_line(words);
}

std::vector<std::string> jobserver_variables(const GetEnv& getenv) {
  const auto speaks = [&getenv](const char* name) {
    const char* value = getenv(name);
    if (value == nullptr) return false;
    const auto parsed = parse_makeflags(value);
    const auto* why = std::get_if<Unavailable>(&parsed);
    return why == nullptr || why->reason != Reason::kNone;
  };
  std::vector<std::string> names;
  if (speaks("MAKEFLAGS")) names.emplace_back("MAKEFLAGS");
  const bool left = names.empty() && getenv("MAKEFLAGS") != nullptr;
  if (!left && speaks("MFLAGS")) names.emplace_back("MFLAGS");
  if (speaks("CARGO_MAKEFLAGS")) names.emplace_back("CARGO_MAKEFLAGS");
  return names;
}

Result<Makeflags> makeflags_from_environment(const GetEnv& getenv) {
  auto variables = jobserver_variables(getenv);
  if (variables.empty()) {
    return Unavailable{Reason::kNone, "no jobserver in MAKEFLAGS, MFLAGS or CARGO_MAKEFLAGS"};
  }
  auto makeflags = parse_makeflags(getenv(variables.front().c_str()));
  if (auto* why = std::get_if<Unavailable>(&makeflags)) why->variables = std::move(variables);
  return makeflags;
}

}  // namespace jobslots
