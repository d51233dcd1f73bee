#pragma once

/// What a session says of itself to who asks, as JSON: docs/status.md describes the fields.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "session/ledger.h"

namespace jobslots {

struct SessionStatus {
  struct Test {
    std::string name;
    Ledger::Time time{};  ///< Since it has begun.
  };
  struct Worker {
    std::string name;
    long process = 0;     ///< 0 where there is none yet.
    std::string state;    ///< "to start", "starting", "idle", "waiting" or "working".
    Ledger::Time time{};  ///< Since it has been so.
    std::optional<Test> test{};
  };

  long controller = 0;
  std::string title;
  std::string folder;
  std::string pool;        ///< The folder of the slots' pool, empty under a jobserver.
  unsigned job_slots = 0;  ///< N of make's -jN or of the pool, 0 where that is not known.
  std::size_t held = 0;
  std::size_t wanted = 0;  ///< Those included that it has.
  std::vector<Worker> workers;
  std::vector<Test> other_tests;  ///< Whose worker is not known.
  bool tests_known = false;       ///< The controller has said which tests run.
};

/// The word for SessionStatus::Worker::state.
std::string_view name_of(Ledger::State state);

/// At most limit bytes: tests are left out where it would be more.
std::string to_json(const SessionStatus& status, std::size_t limit);

/// What to_json() has printed; nothing where it is something else.
std::optional<SessionStatus> status_of_json(std::string_view json);

}  // namespace jobslots
