#include "system/job.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "system/peer.h"

namespace jobslots {
namespace {

/// What the plugin sets for the workers of a session, which take it out of their own environment.
constexpr std::string_view kWorkersVariable = "PYTEST_XDIST_GNUMAKE_BROKER=";
/// How execnet starts a Python interpreter for a worker: it reads from the standard input what to
/// run.
constexpr std::string_view kWorkersCommand = "sys.stdin.readline()";

bool is_worker(pid_t pid) {
  const auto variables = environment(pid);
  const auto words = command_line(pid);
  if (!variables || !words) return false;
  const auto names = [](const std::string& text) { return text.starts_with(kWorkersVariable); };
  const auto reads = [](const std::string& text) {
    return text.find(kWorkersCommand) != std::string::npos;
  };
  return std::ranges::any_of(*variables, names) && std::ranges::any_of(*words, reads);
}

/// The time at which the process was started, in clock ticks since boot: with it a number that is
/// given again names another process.
long long start_of(pid_t pid) {
  constexpr std::size_t kStart = 22;
  const auto stat = read_stat(pid);
  return stat ? stat->number(kStart) : 0;
}

Job job_of(pid_t process, const struct stat& jobserver) {
  std::string name = "jobslots/" + std::to_string(geteuid()) + "/" +
                     std::to_string(jobserver.st_dev) + ":" + std::to_string(jobserver.st_ino) +
                     "/" + std::to_string(process) + "/" + std::to_string(start_of(process));
  return {process, std::move(name), open_pidfd(process)};
}

}  // namespace

std::optional<Job> find_job(const std::vector<Process>& ancestors, int jobserver, Makes makes) {
  struct stat file {};
  if (fstat(jobserver, &file) != 0) return std::nullopt;
  const char* const make_variable = std::getenv("MAKE");
  // A named one is opened by those who use it; an anonymous one is inherited, or it is a socket.
  std::error_code error;
  const auto link = std::filesystem::read_symlink(descriptor_path(getpid(), jobserver), error);
  const bool named = !error && link.string().starts_with('/');
  for (std::size_t i = 0; i < ancestors.size(); ++i) {
    const Process& process = ancestors[i];
    if (process.pid == getpid()) continue;  // It has it open to ask this.
    if (is_worker(process.pid)) return job_of(process.pid, file);
    const bool outermost =
        i + 1 == ancestors.size() || named || !has_open(ancestors[i + 1].pid, file);
    const bool make = makes == Makes::kCount && is_make(process, make_variable);
    if (!make && !(outermost && has_open(process.pid, file))) continue;
    // The controller takes slots itself: nobody counts it as a job of a jobserver.
    if (i == 0) return std::nullopt;
    return job_of(ancestors[i - 1].pid, file);
  }
  return std::nullopt;
}

}  // namespace jobslots
