// Runs a job in every job slot that make has to give, and says how many those were.

#include <jobslots/client.h>

#include <chrono>
#include <iostream>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

int main() {
  auto found = jobslots::Client::from_environment();
  if (const auto* why = std::get_if<jobslots::Unavailable>(&found)) {
    std::cerr << "slots: " << why->message() << '\n';
    return 1;
  }
  auto& client = std::get<jobslots::Client>(found);
  std::vector<jobslots::Slot> slots;
  std::vector<std::jthread> jobs;  // After the slots, so that jobs end before slots are given back.
  while (auto slot = client.try_acquire()) {
    slots.push_back(std::move(*slot));
    jobs.emplace_back([] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); });
  }
  std::cout << slots.size() << " slots at once\n";
}
