#pragma once

/// A session without sockets and processes: events go in, and what follows from them comes out as
/// words.

#include <gmock/gmock.h>

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "session/session.h"

namespace jobslots::test {

/// An effect as a word: "0: begin a", "1: grant", "hang up 1", "drop 1", "interrupt 1", "kill 1",
/// "examine 1 2", "return a", "title TEXT", "open trace FILE".
struct ToWord {
  std::string operator()(const Session::Send& send) const {
    return std::to_string(send.client) + ": " + to_packet(send.message);
  }
  std::string operator()(const Session::HangUp& hang_up) const {
    return "hang up " + std::to_string(hang_up.client);
  }
  std::string operator()(const Session::Drop& drop) const {
    return "drop " + std::to_string(drop.client);
  }
  std::string operator()(const Session::Interrupt& interrupt) const {
    return "interrupt " + std::to_string(interrupt.client);
  }
  std::string operator()(const Session::Kill& kill) const {
    return "kill " + std::to_string(kill.client);
  }
  std::string operator()(const Session::Examine& examine) const {
    std::string word = "examine";
    for (const Session::ClientId client : examine.clients) word += " " + std::to_string(client);
    return word;
  }
  std::string operator()(const Session::Return& token) const {
    return std::string("return ") + token.token;
  }
  std::string operator()(const Session::SetTitle& set) const { return "title " + set.title; }
  std::string operator()(const Session::OpenTrace& trace) const {
    return "open trace " + trace.file;
  }
};

/// A session under three job slots, with the tokens a and b, in virtual time. Each step settles, as
/// the broker does, and gives what has followed.
class SessionTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;
  using Client = Session::ClientId;

  /// A worker of a process of its own, which has said hello.
  Client greeted(const std::string& name = "gw0", bool watched = true) {
    const Client client = connected(watched);
    said(client, "hello 1 worker " + name);
    return client;
  }
  Client connected(bool watched = true) { return session_.connected({++last_pid_, watched}); }
  Words said(Client client, const std::string& packet) {
    session_.said(client, packet, now_);
    return settled();
  }
  Words controller_said(const std::string& packet) { return said(Session::kController, packet); }
  Words hung_up(Client client) {
    session_.hung_up(client, now_);
    return settled();
  }
  Words gone(Client client) {
    session_.gone(client, now_);
    return settled();
  }
  Words settled() {
    Words words;
    take_effects(words);
    for (;;) {
      const std::size_t to_take = session_.settle(tokens_.size(), now_);
      for (std::size_t i = 0; i < to_take; ++i) {
        const char token = tokens_.front();
        tokens_.pop_front();
        session_.token(token, now_);
      }
      if (to_take == 0) session_.starts_settled();
      take_effects(words);
      if (to_take == 0) return words;
    }
  }
  void pass(Session::Time time) { now_ += time; }
  /// The clients that were to be examined have used so much CPU time in their lives, and have
  /// waited so long for a CPU.
  Words examined(std::optional<Session::Time> used, Session::Time queued = {}) {
    session_.examined(used ? std::optional(Stall::Cpu{*used, queued}) : std::nullopt, now_);
    return settled();
  }

  Session session_{{1000, true}, 3};
  std::deque<char> tokens_{'a', 'b'};  ///< Those that lie in make's jobserver.
  Session::Time now_ = std::chrono::hours(1);
  long last_pid_ = 1000;

 private:
  void take_effects(Words& words) {
    while (const auto effect = session_.next_effect()) {
      words.push_back(std::visit(ToWord(), *effect));
      if (const auto* token = std::get_if<Session::Return>(&*effect)) {
        tokens_.push_back(token->token);
      }
    }
  }
};

}  // namespace jobslots::test
