#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "jobslots/unique_fd.h"
#include "system/descriptors.h"

namespace jobslots {

void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool can_open_descriptors(std::size_t count) {
  std::vector<UniqueFd> opened;
  while (opened.size() < count) {
    opened.emplace_back(dup(STDIN_FILENO));
    if (!opened.back()) return false;
  }
  return true;
}

void close_all_descriptors_but(const std::vector<int>& kept) {
  std::vector<int> open;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) {
    // No /proc, or no descriptor left, and then there are few.
    constexpr rlim_t kMany = 65536;
    rlimit limit{kMany, kMany};
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; fd < static_cast<int>(std::min(limit.rlim_cur, kMany)); ++fd) {
      open.push_back(fd);
    }
  } else {
    const int own = dirfd(directory);
    while (const dirent* entry = readdir(directory)) {
      const int fd = std::atoi(entry->d_name);  // "." and ".." give 0, which is kept.
      if (fd != own) open.push_back(fd);
    }
    closedir(directory);
  }
  for (const int fd : open) {
    if (std::ranges::find(kept, fd) == kept.end()) close(fd);
  }
}

bool is_packet_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace jobslots
