#pragma once

/// What /proc says about other processes, see proc(5). A process may end at any moment, and may be
/// another user's: each answer may be missing.

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace jobslots {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;  ///< At most 15 characters, as the kernel keeps it (TASK_COMM_LEN).
};

/// The line /proc/PID/stat: "PID (NAME) STATE PPID ...".
struct ProcessStat {
  std::string name;
  std::vector<std::string> behind_name;  ///< The fields from the third one on.

  /// A field by its number in proc(5), 3 or more. 0 where the kernel has none of this number.
  long long number(std::size_t field) const;
};

/// Nothing where the process has ended or there is no /proc.
std::optional<ProcessStat> read_stat(pid_t pid);

/// For how long the threads of the process could have run while others had the CPUs.
std::chrono::nanoseconds queued_time(pid_t pid);

/// Who the process is, or nothing where it has ended or there is no /proc.
std::optional<Process> read_process(pid_t pid);

/// The processes that run as this user, as far as /proc shows them.
std::vector<pid_t> own_processes();

/// The processes above this one, the nearest first, as far up as they can be seen.
std::vector<Process> ancestors();

/// Whether the process is a make: named make, gmake, gnumake or remake, perhaps with a version
/// behind it, or as the last part of make_variable (the value of $MAKE, which make hands only to
/// recipes of a makefile that exports it; may be null).
bool is_make(const Process& process, const char* make_variable);

/// The nearest ancestor process that is a make. Nothing where no ancestor is one.
std::optional<pid_t> nearest_make(const char* make_variable);

/// The words that the process was started with, its own name first. Nothing where they cannot be
/// read.
std::optional<std::vector<std::string>> command_line(pid_t pid);

/// The environment that the process was started with, NAME=VALUE each. Nothing where it cannot be
/// read, or where the process has written something else there (setproctitle(3)).
std::optional<std::vector<std::string>> environment(pid_t pid);

/// Whether the process is known to be another user's, whose files this one may not open.
bool is_another_users(pid_t pid);

/// The folder that this process is in; empty where that has been removed.
std::string current_folder();

/// The path of the program that the process runs. Nothing where it may not be known.
std::optional<std::string> program_path(pid_t pid);

/// Whether the process has the file open, which is known by its device and inode.
bool has_open(pid_t pid, const struct stat& file);

/// The processes beside this one that have the file behind this descriptor open, as far as this
/// user may know.
std::vector<Process> others_with_open(int fd);

/// The path under which another process' descriptor can be opened: /proc/PID/fd/FD.
std::string descriptor_path(pid_t pid, int fd);

}  // namespace jobslots
