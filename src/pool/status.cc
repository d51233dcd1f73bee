#include "pool/status.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace jobslots::pool {
namespace {

using nlohmann::json;

/// Names of files and tests may be any bytes.
std::string printed(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

double in_seconds(PoolLedger::Time time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::string describe(const Who& who, const PoolLedger::Client& slots, PoolLedger::Time now) {
  return printed({{"kind", name_of(who.role)},
                  {"process", who.process},
                  {"title", who.title},
                  {"folder", who.folder},
                  {"socket", who.socket},
                  {"weight", slots.weight},
                  {"held", slots.held.size()},
                  {"wanted", slots.wanted},
                  {"asked_back", slots.asked},
                  {"used", PoolLedger::use(slots, now)},
                  {"since", in_seconds(now - slots.since)}});
}

std::string describe(const Sums& sums) {
  return printed({{"job_slots", sums.job_slots},
                  {"free", sums.free},
                  {"held", sums.held},
                  {"others", sums.others},
                  {"fifo", sums.fifo}});
}

}  // namespace jobslots::pool
