#include <poll.h>

#include <array>
#include <string_view>

#include "jobslots/client.h"
#include "run/provision.h"

namespace jobslots {
namespace {

/// One token of a jobserver whose implicit slot is somebody else's.
class JoinedJobserver : public Provision {
 public:
  explicit JoinedJobserver(Client client)
      : client_(std::move(client)), not_ours_(client_.try_acquire()) {}

  Result<bool> take_slot(int interrupted) override {
    for (;;) {
      slot_ = client_.try_acquire();
      if (slot_) return true;
      if (client_.lost()) return Unavailable{Reason::kSystem, "the jobserver has gone"};
      std::array<pollfd, 2> both{pollfd{client_.fd(), POLLIN, 0}, pollfd{interrupted, POLLIN, 0}};
      poll(both.data(), both.size(), -1);
      if (both[1].revents != 0) return false;
    }
  }
  /// For the command the token is the slot that it was started with.
  Variables variables() const override { return {{kImplicitSlotVariable, "yes"}}; }
  bool prepare_exec() const override { return true; }

  std::string finish() override {
    slot_.reset();
    return "";
  }

 private:
  Client client_;
  std::optional<Slot> not_ours_;
  std::optional<Slot> slot_;
};

/// Whether there is an implicit slot for the command.
Result<bool> has_implicit_slot(const GetEnv& getenv) {
  const char* const value = getenv(kImplicitSlotVariable);
  const std::string_view text = value == nullptr ? "" : value;
  if (text.empty() || text == "yes") return true;
  if (text == "no") return false;
  return Unavailable{Reason::kNotUnderstood,
                     std::string(kImplicitSlotVariable) + " is \"" + value + "\"",
                     "set it to yes or no, or unset it"};
}

}  // namespace

Result<std::unique_ptr<Provision>> joined_jobserver(const GetEnv& getenv) {
  const auto implicit = has_implicit_slot(getenv);
  if (const auto* why = std::get_if<Unavailable>(&implicit)) return *why;
  auto tokens = TokenSource::from_environment(getenv);
  if (auto* why = std::get_if<Unavailable>(&tokens)) return std::move(*why);
  if (std::get<bool>(implicit)) return nullptr;
  return std::make_unique<JoinedJobserver>(Client(std::get<TokenSource>(std::move(tokens))));
}

}  // namespace jobslots
