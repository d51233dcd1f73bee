#include "pool/protocol.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/words.h"

namespace jobslots::pool {
namespace {

constexpr std::array<std::pair<Hello::Role, std::string_view>, 4> kRoles{
    {{Hello::Role::kSession, "session"},
     {Hello::Role::kCommand, "command"},
     {Hello::Role::kProgram, "program"},
     {Hello::Role::kObserver, "observer"}}};

std::optional<Hello> parse_hello(std::string_view text) {
  const auto version = number_of<int>(take_word(text));
  const std::string_view role = take_word(text);
  const auto weight = number_of<unsigned>(take_word(text));
  const auto held = number_of<std::size_t>(text);
  if (!version || !weight || !held) return std::nullopt;
  for (const auto& [known, name] : kRoles) {
    if (name == role) return Hello{*version, known, *weight, *held};
  }
  return std::nullopt;
}

std::optional<Welcome> parse_welcome(std::string_view text) {
  const auto version = number_of<int>(take_word(text));
  const auto job_slots = number_of<unsigned>(take_word(text));
  if (!version || !job_slots || text.empty()) return std::nullopt;
  return Welcome{*version, *job_slots, std::string(text)};
}

/// A message of a text, of one number, or of two.
template <class Message>
std::optional<Message> with_text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return Message{std::string(text)};
}
template <class Message, class Number = std::size_t>
std::optional<Message> with_number(std::string_view text) {
  const auto number = number_of<Number>(text);
  if (!number) return std::nullopt;
  return Message{*number};
}
template <class Message>
std::optional<Message> with_numbers(std::string_view text) {
  const auto first = number_of<std::size_t>(take_word(text));
  const auto second = number_of<std::size_t>(text);
  if (!first || !second) return std::nullopt;
  return Message{*first, *second};
}

template <class... Numbers>
std::string numbers(std::string_view kind, Numbers... number) {
  std::string text(kind);
  ((text.append(" ").append(std::to_string(number))), ...);
  return text;
}

std::string text(std::string_view kind, std::string_view text, std::size_t limit = kMessageLimit) {
  std::string packet(kind);
  packet += ' ';
  packet += text.substr(0, limit - packet.size());
  return packet;
}

struct Print {
  std::string operator()(const Hello& hello) const {
    return numbers("hello", hello.version).append(" ").append(name_of(hello.role)) +
           numbers("", hello.weight, hello.held);
  }
  std::string operator()(const Title& title) const { return text("title", title.text); }
  std::string operator()(const Folder& folder) const { return text("folder", folder.path); }
  std::string operator()(const Socket& socket) const { return text("socket", socket.path); }
  std::string operator()(const Want& want) const { return numbers("want", want.total, want.spare); }
  std::string operator()(const Back& back) const { return numbers("back", back.count); }
  std::string operator()(const Stay& stay) const { return numbers("stay", stay.process); }
  std::string operator()(const Status&) const { return "status"; }

  std::string operator()(const Welcome& welcome) const {
    return numbers("welcome", welcome.version, welcome.job_slots) + " " + welcome.fifo;
  }
  std::string operator()(const Grant& grant) const {
    return numbers("grant", grant.count, grant.free);
  }
  std::string operator()(const Settled& settled) const { return numbers("settled", settled.free); }
  std::string operator()(const Yield& yield) const { return numbers("yield", yield.count); }
  std::string operator()(const Refused& refused) const { return text("refused", refused.text); }
  std::string operator()(const Described& client) const {
    return text("client", client.json, kAnswerLimit);
  }
  std::string operator()(const Summary& pool) const {
    return text("pool", pool.json, kAnswerLimit);
  }
};

}  // namespace

std::string_view name_of(Hello::Role role) {
  return std::ranges::find(kRoles, role, &std::pair<Hello::Role, std::string_view>::first)->second;
}

std::optional<FromClient> parse_from_client(std::string_view packet) {
  if (packet.size() > kMessageLimit) return std::nullopt;
  std::string_view rest = packet;
  const std::string_view kind = take_word(rest);
  if (kind == "hello") return parse_hello(rest);
  if (kind == "title") return with_text<Title>(rest);
  if (kind == "folder") return with_text<Folder>(rest);
  if (kind == "socket") return with_text<Socket>(rest);
  if (kind == "want") return with_numbers<Want>(rest);
  if (kind == "back") return with_number<Back>(rest);
  if (kind == "stay") return with_number<Stay, pid_t>(rest);
  if (packet == "status") return Status{};
  return std::nullopt;
}

std::optional<ToClient> parse_to_client(std::string_view packet) {
  std::string_view rest = packet;
  const std::string_view kind = take_word(rest);
  if (kind == "welcome") return parse_welcome(rest);
  if (kind == "grant") return with_numbers<Grant>(rest);
  if (kind == "settled") return with_number<Settled>(rest);
  if (kind == "yield") return with_number<Yield>(rest);
  if (kind == "refused") return with_text<Refused>(rest);
  if (kind == "client") return with_text<Described>(rest);
  if (kind == "pool") return with_text<Summary>(rest);
  return std::nullopt;
}

std::string to_packet(const FromClient& message) { return std::visit(Print(), message); }
std::string to_packet(const ToClient& message) { return std::visit(Print(), message); }

}  // namespace jobslots::pool
