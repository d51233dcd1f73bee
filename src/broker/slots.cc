#include "broker/slots.h"

#include <fcntl.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "broker/pool_source.h"
#include "broker/token_exchange.h"
#include "system/processes.h"

namespace jobslots {
namespace {

/// The place that JOBSLOTS_POOL names, or that of the jobserver, where that is a pool's.
std::optional<Result<PoolPlace>> find_pool(const Result<TokenSource>& tokens,
                                           const GetEnv& getenv) {
  const char* const off = getenv(kPoolVariable);
  if (off != nullptr && std::string_view(off) == kPoolOff) return std::nullopt;
  if (const auto* source = std::get_if<TokenSource>(&tokens)) {
    const auto* fifo = std::get_if<FifoAuth>(&source->makeflags().auth);
    auto place = fifo == nullptr ? std::nullopt : PoolPlace::of_fifo(fifo->path);
    return place ? std::optional<Result<PoolPlace>>(*place) : std::nullopt;
  }
  const auto word = pool_word(getenv);
  return word ? std::optional(PoolPlace::named(*word, getenv)) : std::nullopt;
}

std::optional<Job> find_job_here(const Result<TokenSource>& tokens,
                                 const std::optional<Result<PoolPlace>>& pool) {
  if (const auto* source = std::get_if<TokenSource>(&tokens)) {
    return find_job(ancestors(), source->read_fd());
  }
  const auto* place = pool ? std::get_if<PoolPlace>(&*pool) : nullptr;
  if (place == nullptr || place->prepare()) return std::nullopt;
  const UniqueFd folder(open(place->directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // A make knows nothing of a pool that its environment does not name.
  return find_job(ancestors(), folder.get(), Makes::kDoNotCount);
}

}  // namespace

unsigned Slots::job_slots() const {
  if (const auto* pool = std::get_if<PoolClient>(&from)) return pool->job_slots();
  return std::get<TokenSource>(from).makeflags().job_slots.value_or(0);
}

std::string Slots::pool_folder() const {
  const auto* pool = std::get_if<PoolClient>(&from);
  return pool == nullptr ? std::string() : pool->directory();
}

SlotsHere find_slots(const GetEnv& getenv) {
  auto tokens = TokenSource::from_environment(getenv);
  auto pool = find_pool(tokens, getenv);
  const char* const implicit = getenv(kImplicitSlotVariable);
  const bool has_implicit_slot = implicit == nullptr || std::string_view(implicit) != "no";
  auto job = find_job_here(tokens, pool);
  return {std::move(tokens), std::move(pool), std::move(job), has_implicit_slot};
}

Result<Slots> open_slots(SlotsHere here, PoolMember session) {
  if (here.pool) {
    if (const auto* why = std::get_if<Unavailable>(&*here.pool)) return *why;
    here.tokens = Unavailable{};  // Who has its fifo open counts as somebody who may take tokens.
    auto pool = PoolClient::connect(std::get<PoolPlace>(std::move(*here.pool)), std::move(session));
    if (const auto* why = std::get_if<Unavailable>(&pool)) return *why;
    return Slots{std::get<PoolClient>(std::move(pool)), false, std::move(here.job)};
  }
  if (const auto* why = std::get_if<Unavailable>(&here.tokens)) return *why;
  return Slots{std::get<TokenSource>(std::move(here.tokens)), here.implicit_slot && !here.job,
               here.implicit_slot ? std::move(here.job) : std::nullopt};
}

std::unique_ptr<SlotSource> open_source(Poller& poller, Poller::Tag tag,
                                        std::variant<TokenSource, PoolClient> slots) {
  if (auto* pool = std::get_if<PoolClient>(&slots)) {
    return std::make_unique<PoolSource>(poller, tag, std::move(*pool));
  }
  return std::make_unique<TokenExchange>(poller, tag, std::get<TokenSource>(std::move(slots)));
}

}  // namespace jobslots
