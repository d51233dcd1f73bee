#include "session/protocol.h"

#include <charconv>

#include "core/words.h"

namespace jobslots {
namespace {

using message::Begin;
using message::Bye;
using message::Cancel;
using message::Done;
using message::Ended;
using message::Hello;
using message::Lost;
using message::Next;
using message::Runs;
using message::Start;
using message::Sum;
using message::Sync;
using message::Title;
using message::Told;
using message::Trace;
using message::Want;

/// Of a text for people: what stands before it in a packet is short.
constexpr std::size_t kTextLimit = kMessageLimit - 64;

std::optional<FromClient> parse_hello(std::string_view text) {
  Hello hello;
  const std::string_view version = take_word(text);
  std::from_chars(version.data(), version.data() + version.size(), hello.version);
  if (hello.version < 0 || std::to_string(hello.version) != version) return std::nullopt;
  if (text == "controller") return hello;
  hello.role = Hello::Role::kObserver;
  if (text == "observer") return hello;
  const std::string_view role = take_word(text);
  if ((role != "worker" && role != "remote") || text.empty()) return std::nullopt;
  hello.role = role == "worker" ? Hello::Role::kWorker : Hello::Role::kRemote;
  hello.name = text;
  return hello;
}

std::optional<FromClient> parse_next(std::string_view text) {
  const auto time = number_of<std::int64_t>(take_word(text));
  const std::string_view outcome = take_word(text);
  if (!time || outcome.empty() || text.empty()) return std::nullopt;
  return Next{*time, std::string(outcome), std::string(text)};
}

/// The name goes to the first number behind it.
std::optional<FromClient> parse_runs(std::string_view text) {
  for (std::size_t end = text.find(' '); end != std::string_view::npos;
       end = text.find(' ', end + 1)) {
    std::string_view rest = text.substr(end + 1);
    const auto time = number_of<std::int64_t>(take_word(rest));
    if (time && end > 0 && !rest.empty()) {
      return Runs{std::string(text.substr(0, end)), *time, std::string(rest)};
    }
  }
  return std::nullopt;
}

/// A message that has a text, or one that has none.
template <class Message>
std::optional<FromClient> with(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return Message{std::string(text)};
}

template <class Message>
std::optional<FromClient> alone(std::string_view text) {
  if (!text.empty()) return std::nullopt;
  return Message{};
}

std::string version() { return std::to_string(kProtocolVersion); }

struct Print {
  std::string operator()(const message::Welcome& welcome) const {
    return "welcome " + version() + (welcome.traced ? " trace" : "");
  }
  std::string operator()(const message::WelcomeController& welcome) const {
    return "welcome " + version() + " " + std::to_string(welcome.job_slots) + " " + welcome.path;
  }
  std::string operator()(const message::Pool& pool) const { return "pool " + pool.path; }
  std::string operator()(const message::Note& note) const {
    return "note " + note.text.substr(0, kTextLimit);
  }
  std::string operator()(const message::Unavailable& none) const {
    return "unavailable " + version() + " " + none.reason + " " + none.text.substr(0, kTextLimit);
  }
  std::string operator()(const message::Grant&) const { return "grant"; }
  std::string operator()(const message::Yield&) const { return "yield"; }
  std::string operator()(const message::Keep&) const { return "keep"; }
  std::string operator()(const message::Refused& refused) const {
    return "refused " + refused.text.substr(0, kTextLimit);
  }
  std::string operator()(const Begin& begin) const { return "begin " + begin.name; }
  std::string operator()(const message::Holds& holds) const { return "holds " + holds.name; }
  std::string operator()(const message::Lent& lent) const { return "lent " + lent.name; }
  std::string operator()(const message::Synced&) const { return "synced"; }
  std::string operator()(const message::Traced&) const { return "traced"; }
  std::string operator()(const message::Untraced& untraced) const {
    return "untraced " + untraced.text.substr(0, kTextLimit);
  }
  std::string operator()(const message::WorkerSums& sums) const {
    return "worker " + sums.name + " " + std::to_string(sums.held) + " " +
           std::to_string(sums.waited);
  }
  std::string operator()(const message::Summed& sums) const {
    return "summed " + std::to_string(sums.most) + " " + std::to_string(sums.span) + " " +
           std::to_string(sums.lent) + " " + std::to_string(sums.lent_for);
  }
  std::string operator()(const message::Running&) const { return "running"; }
  std::string operator()(const message::Status& status) const { return "session " + status.json; }
};

}  // namespace

std::optional<FromClient> parse(std::string_view packet) {
  if (packet.size() > kMessageLimit) return std::nullopt;
  std::string_view text = packet;
  const std::string_view kind = take_word(text);
  if (text.empty() && kind.size() < packet.size()) return std::nullopt;  // A blank for nothing.
  if (kind == "want") return Want{std::string(text)};
  if (kind == "next") return parse_next(text);
  if (kind == "done") return Done{std::string(text)};
  if (kind == "hello") return parse_hello(text);
  if (kind == "start") return with<Start>(text);
  if (kind == "cancel") return with<Cancel>(text);
  if (kind == "ended") return with<Ended>(text);
  if (kind == "lost") return with<Lost>(text);
  if (kind == "title") return with<Title>(text);
  if (kind == "trace") return with<Trace>(text);
  if (kind == "sync") return alone<Sync>(text);
  if (kind == "sum") return alone<Sum>(text);
  if (kind == "runs") return parse_runs(text);
  if (kind == "told") return alone<Told>(text);
  if (kind == "bye") return alone<Bye>(text);
  return std::nullopt;
}

std::string to_packet(const ToClient& message) { return std::visit(Print(), message); }

}  // namespace jobslots
