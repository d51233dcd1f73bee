#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cli/commands.h"
#include "core/words.h"
#include "jobslots/makeflags.h"
#include "pool/connection.h"
#include "pool/server.h"
#include "pool/start.h"
#include "system/allowance.h"
#include "system/descriptors.h"
#include "system/signals.h"

namespace jobslots {
namespace {

constexpr const char* kUsage = "usage: jobslots pool --env [machine | FOLDER]";

constexpr const char* kHelp = R"TEXT(
Prints the lines with which a shell, and everything that is started from it,
joins the pool of job slots of this machine, or the one in a folder:

    eval "$(jobslots pool --env)"

pytest sessions, make from 4.4 on, ninja from 1.13 on, cargo and others take
their slots from there then. The pool is there as long as the shell is. It has
as many slots as there are CPUs that the first process which needed it may use,
or as JOBSLOTS_JOBS says.

options:
  --env  print them
)TEXT";

/// How long a pool stays that nobody needs, in seconds.
constexpr const char* kLingerVariable = "JOBSLOTS_POOL_LINGER";
constexpr std::chrono::seconds kLinger{10};

PoolServer::Time linger() {
  const char* const text = std::getenv(kLingerVariable);
  const auto seconds = text == nullptr ? std::nullopt : number_of<unsigned>(text);
  return seconds ? std::chrono::seconds(*seconds) : kLinger;
}

/// To start_pool(), which reads what is printed.
int report(const Unavailable& why) {
  std::printf("%s\n%s", why.finding().c_str(), why.cure().c_str());
  return EXIT_FAILURE;
}

int serve(const std::string& directory, bool follows_another) {
  UniqueFd lock(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  close_all_descriptors_but({lock.get(), STDOUT_FILENO});
  // The numbers of the other standard streams are to mean nothing here.
  open("/dev/null", O_RDWR);
  open("/dev/null", O_RDWR);
  ignore_all_signals_but_faults();
  allow_many_descriptors();
  if (chdir("/") != 0) return EXIT_FAILURE;
  const auto jobs = allowed_jobs(std::getenv);
  if (const auto* why = std::get_if<Unavailable>(&jobs)) return report(*why);
  auto server = PoolServer::create({directory}, std::move(lock), std::get<unsigned>(jobs), linger(),
                                   follows_another);
  if (const auto* why = std::get_if<Unavailable>(&server)) return report(*why);
  // Who starts it waits for this process, and the pool is to be nobody's child.
  if (fork() != 0) _exit(EXIT_SUCCESS);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return std::get<PoolServer>(server).run() ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// A word for a shell, as it is.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') text += "'\\'";
    text += c;
  }
  return text + "'";
}

void print_variable(const char* name, const std::string& value) {
  std::printf("export %s=%s\n", name, quoted(value).c_str());
}

int print_environment(const std::string& word) {
  auto place = PoolPlace::named(word, std::getenv);
  if (const auto* why = std::get_if<Unavailable>(&place)) throw UsageError(why->message());
  auto pool =
      PoolConnection::open(std::get<PoolPlace>(place), {.role = pool::Hello::Role::kObserver});
  if (const auto* why = std::get_if<Unavailable>(&pool)) {
    std::fprintf(stderr, "jobslots pool: %s\n", why->message().c_str());
    return EXIT_FAILURE;
  }
  auto& connection = std::get<PoolConnection>(pool);
  connection.send(pool::Stay{getppid()});
  const pool::Welcome& welcome = connection.welcome();
  print_variable(kPoolVariable, word);
  print_variable(kImplicitSlotVariable, "no");
  print_variable("MAKEFLAGS", to_makeflags({FifoAuth{welcome.fifo}, welcome.job_slots}));
  return EXIT_SUCCESS;
}

}  // namespace

int pool_command(Arguments arguments) {
  if (arguments.size() == 2 && (arguments[0] == kServePool || arguments[0] == kServeNextPool)) {
    return serve(arguments[1], arguments[0] == kServeNextPool);
  }
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::printf("%s\n%s", kUsage, kHelp);
    return arguments.empty() ? kUsageStatus : EXIT_SUCCESS;
  }
  if (arguments[0] != "--env" || arguments.size() > 2) throw UsageError(kUsage);
  return print_environment(arguments.size() == 2 ? arguments[1] : std::string(kMachinePool));
}

}  // namespace jobslots
