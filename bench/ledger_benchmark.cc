// What the broker's decisions cost, without any I/O.

#include <benchmark/benchmark.h>

#include "jobslots/makeflags.h"
#include "session/ledger.h"

namespace {

using jobslots::Ledger;

constexpr Ledger::ClientId kFirst = 1;

/// One client wants a slot, has it, and gives it back; all others are idle.
void WantDone(benchmark::State& state) {
  Ledger ledger;
  Ledger::Time now{};
  const auto clients = static_cast<Ledger::ClientId>(state.range(0));
  for (Ledger::ClientId id = kFirst; id <= clients; ++id) ledger.join(id);
  for (auto _ : state) {
    now += std::chrono::microseconds(1);
    benchmark::DoNotOptimize(ledger.want(kFirst, now));
    benchmark::DoNotOptimize(ledger.done(kFirst, now));
  }
}
BENCHMARK(WantDone)->Arg(1)->Arg(8)->Arg(64);

/// One slot and all clients after it: each gives it to the next one, and waits again.
void HandOver(benchmark::State& state) {
  Ledger ledger;
  Ledger::Time now{};
  const auto clients = static_cast<Ledger::ClientId>(state.range(0));
  for (Ledger::ClientId id = kFirst; id <= clients; ++id) {
    ledger.join(id);
    ledger.want(id, now);
  }
  Ledger::ClientId holder = kFirst;
  for (auto _ : state) {
    now += std::chrono::microseconds(1);
    benchmark::DoNotOptimize(ledger.done(holder, now));
    benchmark::DoNotOptimize(ledger.want(holder, now));
    holder = holder % clients + 1;
  }
}
BENCHMARK(HandOver)->Arg(8)->Arg(64);

void ParseMakeflags(benchmark::State& state) {
  constexpr auto kValue = " -j8 --jobserver-auth=fifo:/tmp/GMfifo12345 -- CC=gcc CFLAGS=-O2\\ -g";
  for (auto _ : state) benchmark::DoNotOptimize(jobslots::parse_makeflags(kValue));
}
BENCHMARK(ParseMakeflags);

}  // namespace

BENCHMARK_MAIN();
