#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "cli/status_options.h"
#include "status/columns.h"
#include "status/text.h"
#include "system/descriptors.h"
#include "system/terminal.h"

namespace jobslots {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage = "usage: jobslots top [machine | FOLDER]";

constexpr const char* kHelp = R"TEXT(
Shows who has which job slots, and goes on doing so: what jobslots status
prints, anew each second. Where the output is no terminal it is printed once.

keys:
  up, down, page up, page down  show another part
  q                             end
)TEXT";

constexpr std::chrono::seconds kEach{1};

constexpr std::array kEnds{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/// Whether whoever started this program (nohup, say) keeps the signal from it. One that is blocked
/// would be read all the same.
bool ignored(int number) {
  struct sigaction action {};
  sigaction(number, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

/// The signals that this program waits for; the others are as they were.
sigset_t awaited() {
  sigset_t signals{};
  sigemptyset(&signals);
  for (const int number : kEnds) {
    if (!ignored(number)) sigaddset(&signals, number);
  }
  sigaddset(&signals, SIGTSTP);
  sigaddset(&signals, SIGWINCH);
  return signals;
}

class Top {
 public:
  explicit Top(const StatusOptions& options) : options_(options) {
    const sigset_t signals = awaited();
    sigprocmask(SIG_BLOCK, &signals, &mask_before_);
    signals_ = UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  /// Until a key or a signal ends it. The signal, or 0.
  int run() {
    for (;;) {
      const auto next = Clock::now() + kEach;
      ask();
      do {
        if (!paint()) return 0;
        if (const auto end = wait(next)) return *end;
      } while (Clock::now() < next);
    }
  }

  const sigset_t& mask_before() const { return mask_before_; }

 private:
  void ask() { overview_ = inquire(options_); }

  bool paint() {
    const TerminalSize size = terminal_size();
    auto lines = overview_.empty()
                     ? std::vector<std::string>{fitted(nothing_there(options_), size.columns)}
                     : text_lines(overview_, size.columns);
    page_ = std::max<std::size_t>(size.rows, 2) - 1;
    first_ = std::min(first_, lines.size() > page_ ? lines.size() - page_ : 0);
    const std::size_t below = lines.size() - first_ - std::min(lines.size() - first_, page_);
    lines.resize(lines.size() - below);
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first_));
    if (first_ + below > 0) {
      const std::string rest =
          std::to_string(first_) + " lines above, " + std::to_string(below) + " below";
      lines.push_back(fitted(rest, size.columns));
    }
    return terminal_.paint(lines);
  }

  /// What ends it, as run() says.
  std::optional<int> wait(Clock::time_point next) {
    std::array<pollfd, 2> sources{{{signals_.get(), POLLIN, 0}, {terminal_.keys_fd(), POLLIN, 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
    poll(sources.data(), sources.size(), static_cast<int>(std::max<long>(left.count(), 0)));
    signalfd_siginfo signal{};
    while (read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
      const int number = static_cast<int>(signal.ssi_signo);
      if (std::ranges::find(kEnds, number) != kEnds.end()) return number;
      if (number == SIGTSTP) pause();
    }
    if (sources[1].revents == 0) return std::nullopt;
    const auto keys = terminal_.keys();
    return keys ? hear(*keys) : std::optional(0);
  }

  void pause() {
    terminal_.restore();
    raise(SIGSTOP);
    terminal_.take();
  }

  std::optional<int> hear(std::string_view keys) {
    const std::array<std::pair<std::string_view, long>, 4> moves{
        {{"\x1b[A", -1}, {"\x1b[B", 1}, {"\x1b[5~", -page()}, {"\x1b[6~", page()}}};
    while (!keys.empty()) {
      if (keys.front() == 'q') return 0;
      const auto* const move = std::ranges::find_if(
          moves, [keys](const auto& one) { return keys.starts_with(one.first); });
      if (move == moves.end()) {
        keys.remove_prefix(1);
        continue;
      }
      first_ = static_cast<std::size_t>(std::max(0L, static_cast<long>(first_) + move->second));
      keys.remove_prefix(move->first.size());
    }
    return std::nullopt;
  }

  long page() const { return static_cast<long>(page_); }

  const StatusOptions& options_;
  sigset_t mask_before_{};
  UniqueFd signals_;
  Terminal terminal_;
  Overview overview_;
  std::size_t page_ = 1;   ///< Lines that the screen shows.
  std::size_t first_ = 0;  ///< The first of them.
};

}  // namespace

int top_command(Arguments arguments) {
  const StatusOptions options = parse_status_options(arguments, false, kUsage);
  if (options.help) {
    std::printf("%s\n%s", kUsage, kHelp);
    return EXIT_SUCCESS;
  }
  allow_many_descriptors();
  if (isatty(STDOUT_FILENO) == 0) return print_status(options, inquire(options));
  int signal = 0;
  sigset_t mask{};
  {
    Top top(options);
    signal = top.run();
    mask = top.mask_before();
  }
  // It ends of that, now that the terminal is as it was.
  if (signal != 0) raise(signal);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  return EXIT_SUCCESS;
}

}  // namespace jobslots
