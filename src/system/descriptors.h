#pragma once

/// The descriptors of this process as a whole.

#include <cstddef>
#include <vector>

namespace jobslots {

/// Raises the soft limit of this process to the hard one, see getrlimit(2) on RLIMIT_NOFILE. It
/// stays where it is if that fails.
void allow_many_descriptors();

/// Whether so many more can be open at the same time.
bool can_open_descriptors(std::size_t count);

/// Closes all but these. Inherited descriptors may be a log file or the pipe that somebody reads to
/// its end: they must not stay open as long as this process lives.
void close_all_descriptors_but(const std::vector<int>& kept);

/// Whether it is a socket of the kind SOCK_SEQPACKET.
bool is_packet_socket(int fd);

}  // namespace jobslots
