#pragma once

#include <string>

#include "pool/protocol.h"

namespace jobslots {

/// What a pool is told of one of its clients. `jobslots status` shows it.
struct PoolMember {
  pool::Hello::Role role = pool::Hello::Role::kProgram;
  unsigned weight = 1;
  std::string title{};   ///< What it runs.
  std::string folder{};  ///< And where.
  std::string socket{};  ///< Where the client itself can be asked what it does.
};

}  // namespace jobslots
