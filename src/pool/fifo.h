#pragma once

/// The fifo of a pool: where its free slots lie as tokens, for make and others to take.
///
/// The pool keeps only the writing end open, and the reading end while it waits for a token. So a
/// client's open(2) of either end never waits, and poll(2) tells whether anybody else has it open
/// for reading (POLLERR, pipe(7)): whoever takes tokens has. What lies in a fifo stays there as
/// long as somebody has any end of it open.

#include <string>

#include "jobslots/unavailable.h"
#include "jobslots/unique_fd.h"
#include "pool/pool.h"

namespace jobslots {

class PoolFifo : public PoolStore {
 public:
  /// Makes the fifo, or opens the one that is there where it is to be kept: it has the tokens of a
  /// pool that was killed. It holds job_slots tokens at most.
  static Result<PoolFifo> open(const std::string& path, bool keep, unsigned job_slots);

  std::size_t count() const override;
  /// To be asked while this does not read: see rest().
  bool others() const override;
  bool try_take() override;
  void put(std::size_t count) override;

  /// Whether it is still at its path.
  bool is_in_place() const;

  /// The reading end, opened where it is not: readable when there is a token. Owned by this.
  int reading_fd();
  bool is_reading() const { return static_cast<bool>(reading_); }
  /// Closes the reading end, which nobody may watch by then.
  void rest() { reading_.reset(); }

 private:
  PoolFifo(std::string path, UniqueFd writing)
      : path_(std::move(path)), writing_(std::move(writing)) {}

  std::string path_;
  UniqueFd writing_;
  UniqueFd reading_;
};

}  // namespace jobslots
