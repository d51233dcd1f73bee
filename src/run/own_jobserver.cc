#include <poll.h>

#include <chrono>
#include <vector>

#include "jobslots/server.h"
#include "run/provision.h"
#include "system/peer.h"
#include "system/processes.h"

namespace jobslots {
namespace {

using Clock = std::chrono::steady_clock;

/// How long those who are about to end may take to give their tokens back: the broker of a session
/// that was killed needs milliseconds.
constexpr std::chrono::seconds kPatience{1};

/// "sleep (1234), make (1235)"
std::string names_of(const std::vector<Process>& processes) {
  std::string text;
  for (const Process& process : processes) {
    text += (text.empty() ? "" : ", ") + process.name + " (" + std::to_string(process.pid) + ")";
  }
  return text;
}

class OwnJobserver : public Provision {
 public:
  OwnJobserver(Server server, Client client, unsigned job_slots, Variables variables)
      : server_(std::move(server)),
        client_(std::move(client)),
        tokens_(static_cast<int>(job_slots) - 1),
        variables_(std::move(variables)) {}

  Result<bool> take_slot(int) override { return true; }  // The implicit one.
  Variables variables() const override { return variables_; }
  bool prepare_exec() const override { return server_.keep_fds_on_exec(); }

  std::string finish() override {
    const auto holders = wait_for_tokens();
    const int available = server_.tokens_available();
    if (available == tokens_) return "";
    std::string text = "ended with " + std::to_string(available) + " job token" +
                       (available == 1 ? "" : "s") + " available; should be " +
                       std::to_string(tokens_) + ": ";
    if (available > tokens_) return text + "a program has given back what it had not taken";
    if (holders.empty()) return text + "a program was killed with a token, or has kept one";
    return text + "these still run and have the jobserver open: " + names_of(holders);
  }

 private:
  /// Waits while tokens are missing that somebody may give back. Who that is at the end.
  std::vector<Process> wait_for_tokens() const {
    const auto deadline = Clock::now() + kPatience;
    while (server_.tokens_available() < tokens_) {
      auto holders = others_with_open(client_.fd());
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      if (holders.empty() || left.count() <= 0) return holders;
      const UniqueFd life = open_pidfd(holders.front().pid);
      pollfd ended{life.get(), POLLIN, 0};
      poll(&ended, 1, static_cast<int>(left.count()));
    }
    return {};
  }

  Server server_;
  Client client_;  ///< Has the jobserver open, of either style.
  int tokens_;
  Variables variables_;
};

/// Where make has its own, see its manual on temporary files.
std::string folder_for_temporary_files(const GetEnv& getenv) {
  const char* const folder = getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

}  // namespace

Result<std::unique_ptr<Provision>> own_jobserver(const GetEnv& getenv, unsigned job_slots,
                                                 Style style) {
  auto server = style == Style::kPipe
                    ? Server::create_pipe(job_slots)
                    : Server::create(job_slots, folder_for_temporary_files(getenv));
  if (auto* why = std::get_if<Unavailable>(&server)) return std::move(*why);
  auto client = std::get<Server>(server).client();
  if (auto* why = std::get_if<Unavailable>(&client)) return std::move(*why);
  auto variables = variables_for(getenv, std::get<Server>(server).makeflags());
  return std::make_unique<OwnJobserver>(std::get<Server>(std::move(server)),
                                        std::get<Client>(std::move(client)), job_slots,
                                        std::move(variables));
}

}  // namespace jobslots
