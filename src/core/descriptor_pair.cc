#include "core/descriptor_pair.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

#include "system/processes.h"

namespace jobslots {
namespace {

bool same_file(const DescriptorPair::End& one, const DescriptorPair::End& other) {
  return one.status.st_dev == other.status.st_dev && one.status.st_ino == other.status.st_ino;
}

bool may_be_used(const struct stat& status, bool direction) {
  return direction && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

}  // namespace

bool DescriptorPair::one_pipe() const {
  return usable() && read.is_fifo() && same_file(read, write);
}

bool DescriptorPair::same_as(const DescriptorPair& other) const {
  return usable() && other.usable() && same_file(read, other.read) && same_file(write, other.write);
}

DescriptorPair inherited_pair(const PipeAuth& pipe) {
  DescriptorPair pair;
  const auto look = [&pair](int fd, int other_direction) {
    DescriptorPair::End end;
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &end.status) != 0) {
      pair.error = errno;
    } else {
      end.usable = may_be_used(end.status, (flags & O_ACCMODE) != other_direction);
    }
    return end;
  };
  pair.read = look(pipe.read_fd, O_WRONLY);
  pair.write = look(pipe.write_fd, O_RDONLY);
  return pair;
}

/// The mode bits of the link tell how a descriptor was opened, see proc(5) on /proc/PID/fd.
DescriptorPair pair_of(pid_t process, const PipeAuth& pipe) {
  DescriptorPair pair;
  pair.process = process;
  const auto look = [&](int fd, mode_t direction) {
    const std::string path = descriptor_path(process, fd);
    DescriptorPair::End end;
    struct stat link {};
    if (stat(path.c_str(), &end.status) != 0 || lstat(path.c_str(), &link) != 0) {
      pair.error = errno == ENOENT ? EBADF : errno;
    } else {
      end.usable = may_be_used(end.status, (link.st_mode & direction) != 0);
    }
    return end;
  };
  pair.read = look(pipe.read_fd, S_IRUSR);
  pair.write = look(pipe.write_fd, S_IWUSR);
  return pair;
}

}  // namespace jobslots
