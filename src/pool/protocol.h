#pragma once

/// The messages between a pool and its clients: AF_UNIX, SOCK_SEQPACKET, one text a packet, words
/// separated by one blank. docs/protocol.md describes them for other programs.
///
///   client -> pool                            pool -> client
///     hello VERSION ROLE WEIGHT HELD            welcome VERSION SLOTS FIFO
///     title TEXT, folder TEXT, socket PATH
///     want TOTAL SPARE                          grant COUNT FREE (as often as it likes), then
///                                               settled FREE
///     back COUNT                                yield COUNT
///     stay PID
///     status                                    client JSON (a line for each), then pool JSON
///
/// Whoever says something else is told "refused TEXT", and its connection is closed. When that
/// closes, all that the client has is free.

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace jobslots::pool {

inline constexpr int kVersion = 1;
/// Bytes of a message from a client; longer ones are refused.
inline constexpr std::size_t kMessageLimit = 4096;
/// Who says that it has more slots than this is no client of a pool.
inline constexpr std::size_t kMostHeld = 65536;
/// Bytes of a message from the pool, which are longer where they describe clients.
inline constexpr std::size_t kAnswerLimit = 65536;

// To the pool.

struct Hello {
  enum class Role {
    kSession,   ///< Of pytest.
    kCommand,   ///< `jobslots run`, which has one slot for its command.
    kProgram,   ///< Any other program that runs jobs of its own.
    kObserver,  ///< Has no slots, and keeps no pool alive: `jobslots status`.
  };
  int version = kVersion;
  Role role = Role::kProgram;
  unsigned weight = 1;   ///< A client of weight 2 is due twice the slots of one of weight 1.
  std::size_t held = 0;  ///< Slots that it has got from a pool which has died since.
};
/// What `jobslots status` says of the client: what it runs, and in which folder.
struct Title {
  std::string text;
};
struct Folder {
  std::string path;
};
/// Where the client itself can be asked what it does: see session/protocol.h.
struct Socket {
  std::string path;
};
/// The client wants to have so many slots in all, those included that it has. Those it does not
/// have yet are granted while more than `spare` slots are free.
struct Want {
  std::size_t total = 0;
  std::size_t spare = 0;
  bool operator==(const Want&) const = default;
};
/// So many slots are given back.
struct Back {
  std::size_t count = 0;
};
/// The pool is not to end before this process does: it has the pool in its environment.
struct Stay {
  pid_t process = 0;
};
struct Status {};

// From the pool.

struct Welcome {
  int version = kVersion;
  unsigned job_slots = 0;
  std::string fifo;  ///< The pool's jobserver, for MAKEFLAGS.
};
/// The client has so many slots more. So many are left free.
struct Grant {
  std::size_t count = 0;
  std::size_t free = 0;
};
/// All has been granted of the last want that can be now.
struct Settled {
  std::size_t free = 0;
};
/// So many slots are to be given back as soon as the client's work allows: others wait.
struct Yield {
  std::size_t count = 0;
};
struct Refused {
  std::string text;
};
/// A JSON object for each of some clients, each in a line of its own: see docs/protocol.md.
struct Described {
  std::string json;
};
struct Summary {
  std::string json;
};

using FromClient = std::variant<Hello, Title, Folder, Socket, Want, Back, Stay, Status>;
using ToClient = std::variant<Welcome, Grant, Settled, Yield, Refused, Described, Summary>;

/// The role's word in messages: "session".
std::string_view name_of(Hello::Role role);

/// The message of a packet, or nothing where it is none of this protocol.
std::optional<FromClient> parse_from_client(std::string_view packet);
std::optional<ToClient> parse_to_client(std::string_view packet);

std::string to_packet(const FromClient& message);
std::string to_packet(const ToClient& message);

}  // namespace jobslots::pool
