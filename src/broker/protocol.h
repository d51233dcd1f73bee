#pragma once

/// The messages between the broker and its clients: AF_UNIX, SOCK_SEQPACKET, one text a packet,
/// words separated by one blank.
///
///   worker -> broker                        broker -> worker
///     hello VERSION worker NAME               welcome VERSION
///     want                                    grant (when there is a job slot)
///     done
///
///   controller -> broker                    broker -> controller
///     hello VERSION controller                welcome VERSION SLOTS PATH
///     start NAME                              begin NAME (when there is a job slot for it)
///     cancel NAME
///     sync                                    synced
///     bye                                     unavailable VERSION REASON TEXT (the broker ends)
///
/// A worker that was begun holds its slot from then on: its first want is granted at once. cancel
/// takes back a start that has not begun, or a slot whose worker has ended before it said hello.
/// synced says that every start before it has begun for which there was a slot.
///
/// SLOTS is N of make's -jN, 0 where make does not tell; PATH is where workers connect, to the end
/// of the packet. REASON is one word of name_of(Reason). Before the broker closes the connection of
/// a client that breaks the protocol, it says "refused TEXT".

#include <cstddef>

namespace jobslots {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMessageLimit = 256;  ///< Bytes; longer ones from clients are refused.

}  // namespace jobslots
