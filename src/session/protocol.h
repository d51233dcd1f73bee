#pragma once

/// The messages between the broker and its clients: AF_UNIX, SOCK_SEQPACKET, one text a packet,
/// words separated by one blank.
///
///   worker -> broker                        broker -> worker
///     hello VERSION worker NAME               welcome VERSION [trace]
///     want [WORK]                             grant (when there is a job slot)
///     done [OUTCOME]
///
///   controller -> broker                    broker -> controller
///     hello VERSION controller                welcome VERSION SLOTS PATH
///     start NAME                              begin NAME (when there is a job slot for it)
///     cancel NAME
///     ended NAME
///     sync                                    synced
///     title TEXT
///     trace FILE                              traced, or untraced TEXT (also later on)
///     sum                                     worker NAME HELD WAITED (for each one started)
///                                             summed MOST SPAN
///     bye                                     unavailable VERSION REASON TEXT (the broker ends)
///
/// NAME may hold blanks, and goes to the end of the packet, or to the numbers that stand there.
///
/// A worker that was begun holds its slot from then on: its first want is granted at once. cancel
/// takes back a start, begun or not, as the worker is not to be started; ended gives back the slot
/// of one that was, and has ended before it said hello. synced says that every start before it has
/// begun for which there was a slot.
///
/// The broker says trace where it writes one. Then WORK is what the slot is wanted for (starting,
/// finishing, or test NODEID), and OUTCOME how the test ended. untraced says why there is no trace,
/// or no more of it. FILE is an absolute path; title says what the session is called there.
///
/// HELD and WAITED are the nanoseconds for which the worker had a slot, and waited for one; MOST
/// the most slots in use at one moment, and SPAN the nanoseconds from the first one taken to the
/// last one free.
///
/// SLOTS is N of make's -jN, 0 where make does not tell; PATH is where workers connect, to the end
/// of the packet. REASON is one word of name_of(Reason). Before the broker closes the connection of
/// a client that breaks the protocol, it says "refused TEXT".

#include <cstddef>

namespace jobslots {

inline constexpr int kProtocolVersion = 1;
/// Bytes of a message; longer ones from clients are refused.
inline constexpr std::size_t kMessageLimit = 4096;

}  // namespace jobslots
