#include "jobslots/server.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace jobslots {
namespace {

Unavailable failed(const std::string& what) {
  return {Reason::kSystem, what + ": " + std::strerror(errno)};
}

/// As make writes a path into MAKEFLAGS, see jobslots/makeflags.h.
std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == ' ' || c == '\t' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

}  // namespace

Result<Server> Server::create(unsigned job_slots, const std::string& directory) {
  std::string own = directory + "/jobserver-XXXXXX";
  if (mkdtemp(own.data()) == nullptr) return failed("no directory in " + directory);
  Server server(job_slots, own, UniqueFd());
  const std::string path = server.fifo_path();
  if (mkfifo(path.c_str(), 0600) != 0) return failed("no fifo " + path);
  server.fifo_ = UniqueFd(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!server.fifo_) return failed("cannot open " + path);
  for (unsigned i = 1; i < job_slots; ++i) {
    if (write(server.fifo_.get(), "+", 1) != 1) return failed("cannot fill " + path);
  }
  return server;
}

Server::~Server() {
  if (directory_.empty()) return;  // Moved from.
  unlink(fifo_path().c_str());
  rmdir(directory_.c_str());
}

std::string Server::makeflags() const {
  return " -j" + std::to_string(job_slots_) + " --jobserver-auth=fifo:" + escaped(fifo_path());
}

int Server::tokens_available() const {
  int count = 0;
  ioctl(fifo_.get(), FIONREAD, &count);
  return count;
}

}  // namespace jobslots
