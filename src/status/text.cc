#include "status/text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numbers>

#include "status/columns.h"

namespace jobslots {
namespace {

/// What a terminal must have for each of these to be shown beside the title.
constexpr std::size_t kColumnsForUse = 60;
constexpr std::size_t kColumnsForFolder = 72;

constexpr std::size_t kHasWidth = 5;
constexpr std::size_t kWantsWidth = 6;
constexpr std::size_t kUseWidth = 6;
constexpr std::size_t kTimeWidth = 10;
constexpr std::size_t kStateWidth = 9;
constexpr std::size_t kIndent = 4;
/// A worker's name is shown whole up to so many columns.
constexpr std::size_t kNameLimit = 12;

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

/// A pool halves what was used every ten seconds, so that this many slot-seconds are one slot that
/// is always in use.
std::string average_use(const Holder::Share& share) {
  constexpr double kOneSlot = 10 / std::numbers::ln2;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", share.used / kOneSlot);
  return text.data();
}

double seconds(Ledger::Time time) { return std::chrono::duration<double>(time).count(); }

/// Without the blanks at its end, in at most so many columns.
std::string line(const std::string& text, std::size_t columns) {
  std::string result = columns_of(text) <= columns ? text : fitted(text, columns);
  result.erase(result.find_last_not_of(' ') + 1);
  return result;
}

/// The place only where there is room for all of it.
std::string pool_line(const PoolOverview& pool, std::size_t columns) {
  const std::string place = fitted(pool.folder, columns_of(pool.folder));
  if (!pool.answers) return "the pool at " + place + " does not answer";
  std::string text = std::to_string(pool.job_slots) + " job slots: " + std::to_string(pool.free) +
                     " free, " + std::to_string(pool.held) + " held";
  if (pool.others > 0) text += ", " + std::to_string(pool.others) + " with others";
  std::string whole = text + "  (pool at " + place + ")";
  return columns_of(whole) <= columns ? whole : text;
}

class Table {
 public:
  explicit Table(std::size_t columns) : columns_(columns) {}

  void add(std::string text) { lines_.push_back(line(text, columns_)); }

  void add_head(const char* what) {
    if (!lines_.empty()) add("");
    add(row(what, slots("HAS", "WANTS"), "USE", "FOLDER"));
  }

  void add_holder(const Holder& holder) {
    std::string title = holder.title.empty() ? holder.kind : holder.title;
    if (holder.kind != "session") title += " (" + holder.kind + ")";
    const std::string has = slots(std::to_string(holder.held), std::to_string(holder.wanted));
    add(row(title, has, holder.share ? average_use(*holder.share) : "", holder.folder));
    if (holder.session) {
      add_session(*holder.session);
    } else if (holder.kind == "session") {
      add_note("its broker, process " + std::to_string(holder.process) + ", does not answer");
    } else if (holder.share) {
      const std::string state = holder.held > 0     ? "working"
                                : holder.wanted > 0 ? "waiting"
                                                    : "idle";
      add_line(std::to_string(holder.process), state, holder.share->since, "");
    }
  }

  std::vector<std::string> take() { return std::move(lines_); }

 private:
  static std::string slots(const std::string& has, const std::string& wants) {
    return right(has, kHasWidth) + right(wants, kWantsWidth);
  }

  std::string row(const std::string& title, const std::string& has, const std::string& use,
                  const std::string& folder) const {
    std::string text = has;
    if (columns_ >= kColumnsForUse) text += right(use, kUseWidth);
    text += "  ";
    const std::size_t left = columns_ > text.size() ? columns_ - text.size() : 0;
    if (columns_ < kColumnsForFolder) return text + fitted(title, left);
    const std::size_t for_folder = std::min(columns_of(folder), left / 2 - 2);
    return text + fitted(title, left - 2 - for_folder) + "  " + fitted(folder, for_folder);
  }

  void add_session(const SessionStatus& session) {
    std::size_t names = 1;
    for (const auto& worker : session.workers) {
      names = std::max(names, std::min(columns_of(worker.name), kNameLimit));
    }
    for (const auto& worker : session.workers) {
      add_line(fitted(worker.name, names), worker.state,
               seconds(worker.test ? worker.test->time : worker.time),
               worker.test ? worker.test->name : "");
    }
    for (const auto& test : session.other_tests) {
      add_line(fitted("?", names), "working", seconds(test.time), test.name);
    }
    if (!session.tests_known) add_note("which tests run is not known: pytest does not answer");
  }

  void add_line(const std::string& name, const std::string& state, double since,
                const std::string& test) {
    std::string text = std::string(kIndent, ' ') + name + "  " + fitted(state, kStateWidth);
    text += right(duration_text(since), kTimeWidth) + "  ";
    const std::size_t used = columns_of(text);
    add(text + (columns_ > used ? fitted(test, columns_ - used) : ""));
  }

  void add_note(const std::string& text) { add(std::string(kIndent, ' ') + text); }

  std::size_t columns_;
  std::vector<std::string> lines_;
};

}  // namespace

std::string duration_text(double seconds) {
  constexpr long kMinute = 60;
  constexpr long kHour = 60 * kMinute;
  constexpr long kDay = 24 * kHour;
  const long whole = static_cast<long>(std::clamp(seconds, 0.0, 1e9));
  std::array<char, 64> text{};
  if (whole < kMinute) {
    std::snprintf(text.data(), text.size(), "%ld s", whole);
  } else if (whole < kHour) {
    std::snprintf(text.data(), text.size(), "%ld m %02ld s", whole / kMinute, whole % kMinute);
  } else if (whole < kDay) {
    std::snprintf(text.data(), text.size(), "%ld h %02ld m", whole / kHour,
                  whole % kHour / kMinute);
  } else {
    std::snprintf(text.data(), text.size(), "%ld d %02ld h", whole / kDay, whole % kDay / kHour);
  }
  return text.data();
}

std::vector<std::string> text_lines(const Overview& overview, std::size_t columns) {
  Table table(columns);
  const auto is_in_this_pool = [&overview](const Holder& holder) {
    return overview.pool && holder.pool == overview.pool->folder;
  };
  const auto is_in_another_pool = [&](const Holder& holder) {
    return !holder.pool.empty() && !is_in_this_pool(holder);
  };
  const auto add_those = [&](const char* what, auto which) {
    if (std::ranges::none_of(overview.holders, which)) return;
    table.add_head(what);
    for (const Holder& holder : overview.holders) {
      if (which(holder)) table.add_holder(holder);
    }
  };
  if (overview.pool) table.add(pool_line(*overview.pool, columns));
  add_those("IN THE POOL", is_in_this_pool);
  add_those("IN ANOTHER POOL", is_in_another_pool);
  add_those("UNDER MAKE OR ANOTHER JOBSERVER",
            [](const Holder& holder) { return holder.pool.empty(); });
  return table.take();
}

}  // namespace jobslots
