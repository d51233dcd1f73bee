#include "core/slot.h"

#include <utility>

namespace jobslots {

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    give_back();
    giver_ = std::move(other.giver_);
    token_ = other.token_;
  }
  return *this;
}

Slot::~Slot() { give_back(); }

void Slot::give_back() {
  const auto giver = std::move(giver_);
  if (giver && giver->is_mine()) giver->take_back(token_);
}

}  // namespace jobslots
