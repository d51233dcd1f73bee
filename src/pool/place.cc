#include "pool/place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/words.h"

namespace jobslots {
namespace {

constexpr const char* kOtherPlace = "name another folder: JOBSLOTS_POOL=/path/of/a/folder";

Unavailable unusable(const std::string& directory, const std::string& why) {
  return {Reason::kNotPermitted, "the pool's folder " + directory + " " + why, kOtherPlace};
}

bool is_own_directory(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

}  // namespace

Result<PoolPlace> PoolPlace::named(std::string_view word, const GetEnv& getenv) {
  if (word == kMachinePool) {
    // Where the variable is not set, as below cron(8), the folder is mostly there all the same.
    const std::string user = std::to_string(geteuid());
    const char* const variable = getenv("XDG_RUNTIME_DIR");
    const std::string runtime = variable == nullptr ? "/run/user/" + user : variable;
    if (runtime.starts_with('/') && is_own_directory(runtime)) {
      return PoolPlace{runtime + "/jobslots"};
    }
    return PoolPlace{"/tmp/jobslots-" + user};
  }
  if (!word.starts_with('/')) {
    return Unavailable{Reason::kNotUnderstood, "there is no pool \"" + std::string(word) + "\"",
                       "JOBSLOTS_POOL is machine, off, or the absolute path of a pool's folder"};
  }
  std::filesystem::path path(word);
  if (path.extension() == ".socket") return PoolPlace{path.parent_path().string()};
  if (!path.has_filename()) path = path.parent_path();  // Without the slash at its end.
  return PoolPlace{path.string()};
}

std::optional<PoolPlace> PoolPlace::of_fifo(const std::string& path) {
  PoolPlace place{std::filesystem::path(path).parent_path().string()};
  struct stat status {};
  if (path != place.fifo() || stat(place.socket().c_str(), &status) != 0) return std::nullopt;
  return place;
}

std::optional<Unavailable> PoolPlace::prepare() const {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return unusable(directory, std::string("cannot be made: ") + std::strerror(errno));
  }
  // No link, which another user may have put there.
  const UniqueFd opened(
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!opened || fstat(opened.get(), &status) != 0) {
    return unusable(directory, std::string("cannot be entered: ") + std::strerror(errno));
  }
  if (status.st_uid != geteuid()) return unusable(directory, "belongs to another user");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return unusable(directory, "can be written to by other users");
  }
  return std::nullopt;
}

bool is_same_file(const std::string& path, int fd) {
  struct stat at_path {};
  struct stat opened {};
  return lstat(path.c_str(), &at_path) == 0 && fstat(fd, &opened) == 0 &&
         at_path.st_dev == opened.st_dev && at_path.st_ino == opened.st_ino;
}

unsigned weight_here(const GetEnv& getenv) {
  constexpr unsigned kMost = 1000;
  const char* const text = getenv(kWeightVariable);
  const auto weight = text == nullptr ? std::nullopt : number_of<unsigned>(text);
  return weight && *weight >= 1 && *weight <= kMost ? *weight : 1;
}

std::optional<std::string> pool_word(const GetEnv& getenv) {
  const char* const word = getenv(kPoolVariable);
  if (word == nullptr || *word == '\0' || word == kPoolOff) return std::nullopt;
  return word;
}

}  // namespace jobslots
