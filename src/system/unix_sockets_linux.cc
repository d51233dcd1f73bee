#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "system/unix_sockets.h"

namespace jobslots {

UnixSockets UnixSockets::listening() {
  // "Num RefCount Protocol Flags Type St Inode Path", after a line of heads.
  constexpr unsigned long kListens = 0x10000;  // __SO_ACCEPTCON of the kernel's net.h.
  constexpr int kHexadecimal = 16;
  UnixSockets sockets;
  std::ifstream file("/proc/net/unix");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string number, references, protocol, flags, type, state, inode, path;
    words >> number >> references >> protocol >> flags >> type >> state >> inode;
    if (!std::getline(words >> std::ws, path) || !path.starts_with('/')) continue;
    if ((std::strtoul(flags.c_str(), nullptr, kHexadecimal) & kListens) == 0) continue;
    sockets.paths_.emplace("socket:[" + inode + "]", path);
  }
  return sockets;
}

std::vector<std::string> UnixSockets::of(pid_t process) const {
  std::vector<std::string> paths;
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/" + std::to_string(process) + "/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::error_code unreadable;
    const auto target = std::filesystem::read_symlink(entry->path(), unreadable);
    if (const auto path = paths_.find(target.string()); path != paths_.end()) {
      paths.push_back(path->second);
    }
  }
  return paths;
}

}  // namespace jobslots
