#pragma once

/// A pool in a folder of the test's own.

#include <string>

#include "jobslots/pool_client.h"
#include "pool/place.h"
#include "support.h"

namespace jobslots::test {

class TestPool {
 public:
  explicit TestPool(unsigned job_slots);
  TestPool(const TestPool&) = delete;
  TestPool& operator=(const TestPool&) = delete;
  /// Waits for the end of what a client has started.
  ~TestPool();

  const std::string& folder() const { return place_.directory; }
  PoolClient client() const { return must(PoolClient::connect(folder(), "a test")); }
  /// It can be killed: then a client starts the real program there.
  Child& process() { return process_; }

 private:
  TempDir around_;
  const PoolPlace place_{around_ / "pool"};
  FdPair report_;
  Child process_;
  // What a client starts here has as many slots, and ends soon after its last client.
  ScopedEnv program_;
  ScopedEnv linger_;
  ScopedEnv jobs_;
};

/// Takes in what the pool says until the condition holds; false after kLimit.
bool eventually(PoolClient& client, const std::function<bool()>& condition);

}  // namespace jobslots::test
