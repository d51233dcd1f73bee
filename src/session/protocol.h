#pragma once

/// The messages between the broker and its clients: AF_UNIX, SOCK_SEQPACKET, one text a packet,
/// words separated by one blank. python/pytest_xdist_gnumake/protocol.py is the clients' side of
/// it; tests of both read tests/protocol_samples.json.
///
///   worker -> broker                        broker -> worker
///     hello VERSION worker|remote NAME        welcome VERSION [trace]
///     want [WORK]                             grant (when there is a job slot)
///     next TIME OUTCOME WORK                  yield (others need it)
///     done [OUTCOME]                          keep (see there)
///
///   controller -> broker                    broker -> controller
///     hello VERSION controller                welcome VERSION SLOTS PATH
///     start NAME                              begin NAME (when there is a job slot for it)
///     cancel NAME
///     ended NAME                              holds NAME (for each that has a slot), then
///     lost NAME                               lent NAME (one more slot, to end a deadlock)
///     sync                                    synced
///     title TEXT
///     trace FILE                              traced, or untraced TEXT (also later on)
///     sum                                     worker NAME HELD WAITED (for each one started)
///                                             summed MOST SPAN LENT TIME
///                                             running
///     runs NAME TIME TEST (for each), told
///     bye                                     pool PATH (before welcome: where the slots come
///     from)
///                                             note TEXT
///                                             unavailable VERSION REASON TEXT (the broker ends)
///
///   observer -> broker                      broker -> observer
///     hello VERSION observer                  session JSON (the connection ends)
///
/// Whoever says something else is told "refused TEXT". A worker's connection is closed then; the
/// controller's, on which the session hangs, is not. NAME may hold blanks, and goes to the end of
/// the packet, or to the numbers that stand there. A part that is empty is left out with its blank.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace jobslots {

inline constexpr int kProtocolVersion = 1;
/// Bytes of a message; longer ones from clients are refused.
inline constexpr std::size_t kMessageLimit = 4096;
/// Bytes of an observer's JSON, at the most: a socket takes them as one packet.
inline constexpr std::size_t kStatusLimit = 131072;

namespace message {

// To the broker.

struct Hello {
  enum class Role {
    kController,
    kWorker,
    kRemote,    ///< A worker that the controller speaks for: its process is not seen from here, and
                ///< its life is its connection.
    kObserver,  ///< Has no slot, and is told once what the session does: `jobslots status`.
  };
  int version = kProtocolVersion;
  Role role = Role::kController;
  std::string name;  ///< The worker's.
};
/// A job slot is wanted, or will be soon: it is granted when there is one.
struct Want {
  std::string work;  ///< For the trace: "starting", "finishing", or "test NODEID".
};
/// While tracing: a test has ended, and the worker keeps its slot for the next one.
struct Next {
  std::int64_t time = 0;  ///< When: nanoseconds of CLOCK_MONOTONIC, as it may be read later.
  std::string outcome;    ///< One word.
  std::string work;
};
/// The job slot is given back.
struct Done {
  std::string outcome;  ///< For the trace: how the test ended.
};
/// A worker is to be started: it is begun when there is a slot for it, which it holds from then on.
/// Its first want is granted at once.
struct Start {
  std::string name;
};
/// A start is taken back, begun or not, as the worker is not to be started.
struct Cancel {
  std::string name;
};
/// A worker that was started has ended before it said hello: its slot is free.
struct Ended {
  std::string name;
};
/// xdist has given the worker up. If its process lives on, as it has called exec(3), say, it is
/// ended, and its slot is free.
struct Lost {
  std::string name;
};
/// To be answered when every start before it has begun for which there was a slot.
struct Sync {};
/// What the session is called in the trace.
struct Title {
  std::string text;
};
struct Trace {
  std::string file;  ///< An absolute path.
};
/// To be answered with the sums of each worker, and Summed.
struct Sum {};
/// The answer to Running: a test runs in this worker, "-" where that is not known. Then Told.
struct Runs {
  std::string name;
  std::int64_t time = 0;  ///< Nanoseconds since it has begun.
  std::string test;
};
struct Told {};
/// The session is over: the broker ends when all workers have.
struct Bye {};

// From the broker.

struct Welcome {
  bool traced = false;  ///< Whether to say what slots are wanted for, and how tests ended.
};
struct WelcomeController {
  unsigned job_slots = 0;  ///< N of make's -jN, 0 where make does not tell.
  std::string path;        ///< Where workers connect.
};
/// The slots are those of the pool in this folder, which has WelcomeController's number of them.
struct Pool {
  std::string path;
};
/// Something that people are to know.
struct Note {
  std::string text;
};
struct Unavailable {
  std::string reason;  ///< name_of(Reason)
  std::string text;
};
struct Grant {};
/// The slot is to be given back at the end of the test that runs, as others need it. One that comes
/// when the slot has been given back already is to be passed over.
struct Yield {};
/// Slots had to be lent: from now on a worker keeps its slot, in spite of yield, as long as a
/// fixture that it has set up is of use to the next test too. Others may wait for what that holds.
struct Keep {};
struct Refused {
  std::string text;
};
struct Begin {
  std::string name;
};
/// The worker has a slot: said of each before Lent, as one of them keeps what all wait for.
struct Holds {
  std::string name;
};
/// Nothing has moved for a while: the worker has a slot beyond those that there are.
struct Lent {
  std::string name;
};
struct Synced {};
struct Traced {};
/// Why there is no trace, or no more of it.
struct Untraced {
  std::string text;
};
struct WorkerSums {
  std::string name;
  std::int64_t held = 0;    ///< Nanoseconds with a slot.
  std::int64_t waited = 0;  ///< Nanoseconds of waiting for one.
};
struct Summed {
  std::size_t most = 0;       ///< The most slots in use at one moment.
  std::int64_t span = 0;      ///< Nanoseconds from the first slot taken to the last one free.
  std::size_t lent = 0;       ///< How often a slot was lent.
  std::int64_t lent_for = 0;  ///< Nanoseconds in which somebody worked on a lent slot.
};
/// To be answered with Runs for each test that runs, and Told. A worker says nothing of its tests
/// while no trace is written: it is the controller who knows.
struct Running {};
/// What the session does, see session/status.h.
struct Status {
  std::string json;
};

}  // namespace message

using FromClient =
    std::variant<message::Hello, message::Want, message::Next, message::Done, message::Start,
                 message::Cancel, message::Ended, message::Lost, message::Sync, message::Title,
                 message::Trace, message::Sum, message::Runs, message::Told, message::Bye>;
using ToClient =
    std::variant<message::Welcome, message::WelcomeController, message::Pool, message::Note,
                 message::Unavailable, message::Grant, message::Yield, message::Keep,
                 message::Refused, message::Begin, message::Holds, message::Lent, message::Synced,
                 message::Traced, message::Untraced, message::WorkerSums, message::Summed,
                 message::Running, message::Status>;

/// The message of a packet, or nothing where it is none of this protocol.
std::optional<FromClient> parse(std::string_view packet);

/// The packet of a message. What is said for people is cut, so that it keeps to kMessageLimit.
std::string to_packet(const ToClient& message);

}  // namespace jobslots
