/// What `jobslots status` shows, in terminals of several widths.

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "status/columns.h"
#include "status/text.h"

namespace jobslots {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

constexpr Ledger::Time kSecond = std::chrono::seconds(1);

Holder session(std::string title, std::vector<SessionStatus::Worker> workers) {
  Holder holder{.process = 12};
  add_session(holder, {.controller = 11,
                       .title = std::move(title),
                       .folder = "/src/shop",
                       .pool = "",
                       .job_slots = 4,
                       .held = 1,
                       .wanted = 2,
                       .workers = std::move(workers),
                       .other_tests = {},
                       .tests_known = true});
  return holder;
}

Holder in_pool(Holder holder) {
  holder.pool = "/run/jobslots";
  holder.share = Holder::Share{1, 14.43, 65};
  return holder;
}

const PoolOverview kPool{"/run/jobslots", "/run/jobslots/v1.fifo", 8, 3, 4, 1, true};

TEST(StatusText, ASessionUnderMake) {
  const SessionStatus::Test test{"test_basket.py::test_sum[1]", 125 * kSecond};
  const Overview overview{std::nullopt,
                          {session("pytest -n2", {{"gw0", 13, "working", 300 * kSecond, test},
                                                  {"gw10", 14, "waiting", kSecond}})}};
  EXPECT_THAT(
      text_lines(overview, 80),
      ElementsAre(
          "  HAS WANTS   USE  UNDER MAKE OR ANOTHER JOBSERVER                        FOLDER",
          "    1     2        pytest -n2                                          /src/shop",
          "    gw0   working    2 m 05 s  test_basket.py::test_sum[1]",
          "    gw10  waiting         1 s"));
}

TEST(StatusText, APoolAndACommand) {
  Holder command{.kind = "command", .process = 77, .title = "make all", .folder = "/src"};
  command.held = command.wanted = 1;
  Overview overview{kPool, {in_pool(session("pytest -n2", {})), in_pool(command)}};
  overview.holders.front().session.reset();
  EXPECT_THAT(
      text_lines(overview, 80),
      ElementsAre(
          "8 job slots: 3 free, 4 held, 1 with others  (pool at /run/jobslots)", "",
          "  HAS WANTS   USE  IN THE POOL                                            FOLDER",
          "    1     2   1.0  pytest -n2                                          /src/shop",
          "    its broker, process 12, does not answer",
          "    1     1   1.0  make all (command)                                       /src",
          "    77  working    1 m 05 s"));
}

TEST(StatusText, ANarrowTerminalShowsLess) {
  const Overview overview{kPool, {in_pool(session("pytest --numprocesses=2 tests/unit", {}))}};
  EXPECT_THAT(text_lines(overview, 40),
              ElementsAre("8 job slots: 3 fre...held, 1 with others", "",
                          "  HAS WANTS  IN THE POOL", "    1     2  pytest --num...2 tests/unit"));
}

TEST(StatusText, TestsThatAreNotKnown) {
  Holder holder = session("pytest", {{"gw0", 13, "working", kSecond}});
  holder.session->tests_known = false;
  EXPECT_THAT(text_lines({std::nullopt, {holder}}, 80).back(),
              EndsWith("which tests run is not known: pytest does not answer"));
  holder.session->tests_known = true;
  holder.session->other_tests.push_back({"test_a.py::test_it", kSecond});
  EXPECT_THAT(text_lines({std::nullopt, {holder}}, 80).back(), HasSubstr("test_a.py::test_it"));
}

TEST(StatusText, AnyNamesInAnyWidth) {
  const std::string name = "test_\x1b[2J\n世界😀e\xcc\x81\xff" + std::string(300, 'x');
  Overview overview{kPool, {}};
  for (int i = 0; i < 200; ++i) {
    overview.holders.push_back(in_pool(
        session(name, {{name, 1, "working", kSecond, SessionStatus::Test{name, kSecond}}})));
    overview.holders.back().folder = "/" + name;
  }
  for (const std::size_t columns : {1U, 2U, 20U, 40U, 59U, 60U, 71U, 72U, 80U, 200U}) {
    const auto lines = text_lines(overview, columns);
    EXPECT_EQ(lines.size(), 3U + 2 * 200);
    for (const std::string& line : lines) {
      ASSERT_LE(columns_of(line), columns) << line;
      ASSERT_EQ(line.find_first_of("\x1b\n"), std::string::npos) << line;
    }
  }
}

TEST(StatusText, Durations) {
  EXPECT_EQ(duration_text(-1), "0 s");
  EXPECT_EQ(duration_text(59.9), "59 s");
  EXPECT_EQ(duration_text(3599), "59 m 59 s");
  EXPECT_EQ(duration_text(3661), "1 h 01 m");
  EXPECT_EQ(duration_text(90000), "1 d 01 h");
}

TEST(StatusColumns, AreThoseOfATerminal) {
  EXPECT_EQ(columns_of("abc"), 3U);
  EXPECT_EQ(columns_of("世界"), 4U);
  EXPECT_EQ(columns_of("e\xcc\x81"), 1U);
  EXPECT_EQ(columns_of("\xff\xe4\xb8"), 3U);
  EXPECT_EQ(fitted("abc", 5), "abc  ");
  EXPECT_EQ(fitted("abcdefghij", 7), "ab...ij");
  EXPECT_EQ(fitted("世界世界世界", 8), "世...界 ");
  EXPECT_EQ(fitted("abcdef", 2), "..");
  EXPECT_EQ(fitted("a\nb", 6), "a\\x0ab");
}

TEST(StatusReport, IsJson) {
  Overview overview{kPool, {in_pool(session("pytest \xff", {{"gw0", 13, "idle", kSecond}}))}};
  const auto report = nlohmann::json::parse(json_report(overview));
  EXPECT_EQ(report.at("pool").at("job_slots"), 8);
  const auto& holder = report.at("holders").at(0);
  EXPECT_EQ(holder.at("kind"), "session");
  EXPECT_EQ(holder.at("session").at("workers").at(0).at("state"), "idle");
  EXPECT_EQ(nlohmann::json::parse(json_report(Overview{})).at("pool"), nullptr);
}

TEST(StatusReport, WhatAPoolSaysIsRead) {
  const auto holder = client_of_json(
      R"({"kind":"command","process":7,"title":"make","folder":"/a","socket":"","weight":2,)"
      R"("held":1,"wanted":3,"asked_back":0,"used":1.5,"since":2.5})",
      "/pool");
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->title, "make");
  EXPECT_EQ(holder->wanted, 3U);
  EXPECT_EQ(holder->pool, "/pool");
  EXPECT_FALSE(client_of_json("{}", "/pool"));
  EXPECT_FALSE(client_of_json("nonsense", "/pool"));
  EXPECT_FALSE(pool_of_json("{\"free\":-1}", "/pool"));
}

}  // namespace
}  // namespace jobslots
