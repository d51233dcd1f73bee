/// From trace files to the picture: the reader, the curve, the texts, both renderers, the command.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>

#include "timeline/html.h"
#include "timeline/run.h"
#include "timeline/svg.h"
#include "timeline/text.h"
#include "timeline/trace_reader.h"

namespace jobslots::timeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string span(int tid, double begin, double duration, const std::string& rest = "") {
  return joined({R"({"ph":"X","pid":1,"tid":)", std::to_string(tid), R"(,"ts":)",
                 std::to_string(begin), R"(,"dur":)", std::to_string(duration), rest, "}"});
}

/// A trace of these events.
std::string trace_of(std::initializer_list<std::string> events) {
  std::string trace;
  for (const std::string& event : events) trace += joined({trace.empty() ? "[" : ",\n", event});
  return trace + "]";
}

const std::string kSession =
    R"({"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"pytest unit","job_slots":4}})";

Run run_of(const std::string& trace) {
  TraceReader reader;
  reader.read(trace);
  return reader.finish();
}

/// A double holds such a time to two nanoseconds, and the sum of two not even so.
TEST(TraceReader, AHandOverIsNoneTooManyOnAMachineThatRunsForMonths) {
  std::string trace = "[";
  std::int64_t at = 34'560'000'000'000'123;  // 400 days, in nanoseconds.
  for (int i = 0; i < 4000; ++i) {
    const std::int64_t duration = 1'000'000 + i * 37;
    const auto microseconds = [](std::int64_t time) {
      std::string digits = std::to_string(time);
      return digits.insert(digits.size() - 3, ".");
    };
    trace += (i == 0 ? "" : ",") +
             joined({R"({"ph":"X","pid":1,"tid":)", std::to_string(i % 2 + 1), R"(,"ts":)",
                     microseconds(at), R"(,"dur":)", microseconds(duration), "}"});
    at += duration;
  }
  EXPECT_EQ(std::ranges::max(slots_in_use(run_of(trace + "]")), {}, &Step::in_use).in_use, 1U);
}

TEST(TraceReader, ReadsSessionsLanesAndSpans) {
  TraceReader reader;
  const Reading reading = reader.read(trace_of(
      {kSession + R"(,{"name":"thread_name","ph":"M","pid":1,"tid":7,"args":{"name":"gw10"}},)" +
           R"({"name":"thread_name","ph":"M","pid":1,"tid":8,"args":{"name":"gw9"}},)" +
           R"({"name":"job slots held","ph":"C","pid":1,"ts":1,"args":{"held":1}},)" +
           span(7, 999.6, 10, R"(,"cat":"waiting","name":"waiting")"),
       span(8, 1005, 10.2, R"(,"cat":"test","name":"a.py::b","args":{"outcome":"failed"})")}));
  EXPECT_TRUE(reading.complete);
  EXPECT_EQ(reading.spans, 2U);
  EXPECT_EQ(reading.broken, 0U);
  const auto run = reader.finish();
  EXPECT_EQ(run.job_slots, 4U);
  EXPECT_EQ(run.duration, 15);
  ASSERT_EQ(run.sessions.size(), 1U);
  EXPECT_EQ(run.sessions[0].name, "pytest unit");
  ASSERT_EQ(run.sessions[0].lanes.size(), 2U);
  EXPECT_EQ(run.sessions[0].lanes[0].name, "gw9");
  EXPECT_EQ(run.sessions[0].lanes[1].name, "gw10");
  const Span& test = run.sessions[0].lanes[0].spans.at(0);
  EXPECT_EQ(test.begin, 5);
  EXPECT_EQ(test.end, 15);
  EXPECT_EQ(test.kind, Kind::test);
  EXPECT_EQ(test.name, "a.py::b");
  EXPECT_TRUE(is_failure(test));
  EXPECT_EQ(run.sessions[0].lanes[1].spans.at(0).kind, Kind::waiting);
}

TEST(TraceReader, ReadsTheObjectFormatAndOnlyItsTraceEvents) {
  const auto run = run_of(R"({"otherData":{"x":)" + span(1, 0, 1) + R"(},"traceEvents":[)" +
                          span(2, 5, 1) + R"(],"displayTimeUnit":"ms"})");
  ASSERT_EQ(run.sessions.size(), 1U);
  ASSERT_EQ(run.sessions[0].lanes.size(), 1U);
  EXPECT_EQ(run.sessions[0].lanes[0].name, "2");
  EXPECT_EQ(run.sessions[0].name, "process 1");
}

TEST(TraceReader, KeepsWhatIsBeforeTheCut) {
  const std::string whole = joined({"[\n", span(1, 0, 1), ",\n", span(1, 2, 1)});
  for (const std::string& tail :
       {std::string(), std::string(",\n"), joined({",\n", kSession.substr(0, 30)}),
        std::string("] garbage"), std::string(R"(,{"ts":1e999})")}) {
    TraceReader reader;
    const Reading reading = reader.read(whole + tail);
    EXPECT_FALSE(reading.complete) << tail;
    EXPECT_EQ(reading.spans, 2U) << tail;
    EXPECT_EQ(reader.finish().duration, 3) << tail;
  }
}

TEST(TraceReader, ReadsNothingFromWhatIsNoTrace) {
  for (const char* text :
       {"", "garbage", "[", "{", "\"text\"", "[1,[2],null]", "[NaN]", "\xFF\xFE"}) {
    TraceReader reader;
    EXPECT_EQ(reader.read(text).spans, 0U) << text;
    EXPECT_TRUE(reader.finish().sessions.empty()) << text;
  }
}

TEST(TraceReader, LeavesOutEventsThatCannotBe) {
  for (const char* event : {
           R"({"ph":"X","pid":1,"tid":1,"ts":0})",
           R"({"ph":"X","pid":1,"tid":1,"ts":0,"dur":-1})",
           R"({"ph":"X","pid":1,"tid":1,"ts":"0","dur":1})",
           R"({"ph":"X","pid":1,"tid":1,"ts":1e300,"dur":1})",
           R"({"ph":"X","pid":1,"tid":1,"ts":0,"dur":1e17})",
           R"({"ph":"X","pid":1,"ts":0,"dur":1})",
           R"({"ph":"X","pid":[],"tid":1,"ts":0,"dur":1})",
       }) {
    TraceReader reader;
    const Reading reading = reader.read(trace_of({std::string(event), span(1, 0, 1)}));
    EXPECT_TRUE(reading.complete) << event;
    EXPECT_EQ(reading.broken, 1U) << event;
    EXPECT_EQ(reading.spans, 1U) << event;
  }
}

TEST(TraceReader, PassesOverAnEventThatIsNoJson) {
  for (const char* event : {
           R"({"ph":"X","pid":1,"tid":1,"ts":0,"dur":1,"name":"lone \ud800 surrogate"})",
           R"({"ph":"X","pid":1,"tid":1,"ts":1e400,"dur":1})",
           R"({"ph":"X","pid":1,"tid":1,"ts":NaN,"dur":1})",
           R"({"ph":"X","pid":1,"tid":1,"ts":0,"dur":1,})",
           R"({'ph':'X'})",
           "{\"ph\":\"X\",\"name\":\"a\tb\"}",
           "{\"ph\":\"X\",\"name\":\"line\nend\"}",
           R"({"ph":"X","args":{"never":"closed"})",
           R"({"ph":"X","pid":1,"tid":1,"ts":0,"na)",
           R"({"name":"}]","ts":1e400})",
           "garbage",
       }) {
    for (const bool object : {false, true}) {
      const std::string events =
          trace_of({kSession, span(1, 0, 1), std::string(event), span(1, 2, 1), span(2, 2, 2)});
      TraceReader reader;
      const Reading reading = reader.read(
          object ? joined({R"({"otherData":{"a":"}"},"traceEvents":)", events, R"(,"b":[1]})"})
                 : events);
      EXPECT_TRUE(reading.complete) << event;
      EXPECT_GE(reading.unreadable, 1U) << event;
      EXPECT_EQ(reading.spans, 3U) << event;
      const auto run = reader.finish();
      EXPECT_EQ(run.duration, 4) << event;
      EXPECT_EQ(run.job_slots, 4U) << event;
    }
  }
}

TEST(TraceReader, PassesOverAnEventAndStillSeesTheCut) {
  const std::string whole = trace_of({span(1, 0, 1), R"({"ts":1e400})", span(1, 2, 1)});
  for (std::size_t size = whole.size() - 30; size < whole.size() - 1; ++size) {
    TraceReader reader;
    const Reading reading = reader.read(whole.substr(0, size));
    EXPECT_FALSE(reading.complete);
    EXPECT_EQ(reading.unreadable, 1U);
    EXPECT_GE(reading.spans, 1U);
    EXPECT_EQ(reading.byte, whole.rfind('{') + 1) << "where the last event begins";
  }
}

TEST(TraceReader, GivesUpOnWhatHasNothingButOpenBraces) {
  std::string text = "[";
  for (int i = 0; i < 200'000; ++i) text += "{\"ph\":\n";
  TraceReader reader;
  const Reading reading = reader.read(text);
  EXPECT_FALSE(reading.complete);
  EXPECT_EQ(reading.spans, 0U);
}

TEST(TraceReader, PutsFilesOnOneClockAndKeepsTheirSessionsApart) {
  TraceReader reader;
  reader.read(trace_of({span(1, 500, 10)}));
  reader.read(trace_of({kSession, span(1, 100, 10)}));
  const auto run = reader.finish();
  ASSERT_EQ(run.sessions.size(), 2U);
  EXPECT_EQ(run.sessions[0].name, "pytest unit");
  EXPECT_EQ(run.sessions[1].lanes.at(0).spans.at(0).begin, 400);
  EXPECT_EQ(run.duration, 410);
}

TEST(SlotsInUse, CountsLanesThatDoNotWait) {
  const auto run = run_of(trace_of({span(1, 0, 10), span(1, 10, 10), span(1, 5, 10),
                                    span(2, 0, 20, R"(,"cat":"waiting")"), span(2, 20, 5),
                                    span(3, 10, 5), span(3, 17, 0)}));
  EXPECT_THAT(slots_in_use(run), ElementsAre(Step{0, 1}, Step{10, 2}, Step{15, 1}, Step{25, 0}));
  EXPECT_EQ(totals(run).busy, 30);
  EXPECT_EQ(totals(run).waiting, 20);
}

TEST(SlotsInUse, OneWhoEndsReturnsItsSlotToTheNext) {
  const auto run = run_of(trace_of({span(1, 0, 10), span(2, 10, 10)}));
  EXPECT_THAT(slots_in_use(run), ElementsAre(Step{0, 1}, Step{20, 0}));
}

TEST(SlotsInUse, OnAverageInEachPartOfTheRun) {
  const auto run =
      run_of(trace_of({span(1, 0, 30), span(2, 5, 5), span(2, 11, 1), span(1, 30, 10)}));
  const auto steps = slots_in_use(run);
  EXPECT_THAT(average_in_use(run, steps, 4), ElementsAre(1.5, 1.1, 1, 1));
  EXPECT_THAT(average_in_use(run, steps, 1), ElementsAre(1.15));
}

TEST(Summary, CountsTheSessionsThatHaveWorkers) {
  const std::string neighbour = span(1, 0, 10);
  const std::string worker = span(1, 0, 10, R"(,"cat":"starting")");
  TraceReader reader;
  reader.read(trace_of({kSession, worker}));
  reader.read(trace_of({neighbour}));
  EXPECT_EQ(title(reader.finish()), "make -j4, 1 session");
}

TEST(Summary, SaysWhatTheRunWas) {
  const auto run =
      run_of(trace_of({kSession, span(1, 0, 1e6, R"(,"cat":"test","args":{"outcome":"died"})"),
                       span(2, 0, 2e6, R"(,"cat":"test","args":{"outcome":"passed"})")}));
  EXPECT_EQ(title(run), "make -j4, 1 session");
  EXPECT_EQ(summary(run, slots_in_use(run)),
            "2.00 s, 2 tests (1 failed), slots in use: at most 2, on average 1.50 of 4");
}

TEST(Text, BecomesValidUtf8) {
  EXPECT_EQ(valid_utf8("a\xC3\xA9\xF0\x9F\x98\x80"), "a\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(valid_utf8("\xFF"), "\xEF\xBF\xBD");
  EXPECT_EQ(valid_utf8("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");       // Overlong.
  EXPECT_EQ(valid_utf8("\xED\xA0\x80").substr(0, 3), "\xEF\xBF\xBD");  // A surrogate.
  EXPECT_EQ(valid_utf8("x\xE2\x82"), "x\xEF\xBF\xBD\xEF\xBF\xBD");     // Cut off.
}

TEST(Text, IsEscapedForMarkup) {
  EXPECT_EQ(escaped("<a href='x' y=\"&\">\n"), "&lt;a href=&#39;x&#39; y=&quot;&amp;&quot;&gt; ");
  EXPECT_EQ(escaped(std::string("\0\x1B", 2)), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escaped("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
}

TEST(Text, IsShortenedBetweenCharacters) {
  EXPECT_EQ(shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(shortened("abcdef", 5),
            "ab\xE2\x80\xA6"
            "ef");
  EXPECT_EQ(shortened("\xC3\xA9\xC3\xA9\xC3\xA9", 3), "\xC3\xA9\xC3\xA9\xC3\xA9");
  EXPECT_EQ(shortened("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "\xC3\xA9\xE2\x80\xA6");
}

TEST(Renderers, DoNotLetANameBecomeMarkup) {
  const std::string name = R"(t.py::</script><script>alert(1)</script><!--\"']]>)";
  const auto run = run_of(trace_of(
      {span(1, 0, 9,
            joined({R"(,"cat":"test","name":")", name, R"(","args":{"outcome":"failed"})"})),
       joined({R"({"name":"process_name","ph":"M","pid":1,"args":{"name":")", name, R"("}})"}),
       joined({R"({"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":")", name,
               R"("}})"})}));
  for (const std::string& page : {html(run), svg(run)}) {
    EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(page, Not(HasSubstr("<!--")));
    EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  }
}

TEST(Renderers, StaySmallWithTwentyThousandTests) {
  timeline::Run run{.sessions = {{.name = "pytest", .lanes = {}}}, .job_slots = 16, .duration = 0};
  for (int lane = 0; lane < 16; ++lane) {
    run.sessions[0].lanes.push_back({"gw" + std::to_string(lane), {}});
    for (int i = 0; i < 1250; ++i) {
      const Microseconds begin = i * 20'000 + lane * 1'000;
      run.sessions[0].lanes.back().spans.push_back(
          {begin, begin + 2'000, Kind::waiting, "waiting", ""});
      run.sessions[0].lanes.back().spans.push_back(
          {begin + 2'000, begin + 20'000, Kind::test,
           std::string(500, 'x') + std::to_string(lane * 1250 + i), "passed"});
      run.duration = begin + 20'000;
    }
  }
  EXPECT_LT(html(run).size(), 5'000'000U);
  EXPECT_LT(svg(run).size(), 1'000'000U);
}

class TimelineCommand : public testing::Test {
 protected:
  TimelineCommand() {
    std::string pattern = testing::TempDir() + "timeline-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~TimelineCommand() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return path(name);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// Runs the command and keeps what it says.
  int timeline(const std::string& arguments) {
    const std::string command =
        before_ + std::string(JOBSLOTS_EXECUTABLE) + " timeline " + arguments + " 2>&1";
    std::FILE* const pipe = popen(command.c_str(), "r");
    said_.clear();
    std::array<char, 4096> part{};
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe)) {
      said_.append(part.data(), size);
    }
    return WEXITSTATUS(pclose(pipe));
  }

  std::filesystem::path folder_;
  std::string before_;  ///< What the shell is to do first.
  std::string said_;
};

TEST_F(TimelineCommand, DrawsAPageAndAPicture) {
  const std::string trace = file("a.json", trace_of({kSession, span(1, 0, 9)}));
  for (const char* name : {"out.html", "out.svg"}) {
    const char* const option = std::string_view(name) == "out.svg" ? " --output=" : " -o ";
    EXPECT_EQ(timeline(trace + option + path(name)), 0);
    EXPECT_EQ(said_, path(name) + "\n");
    std::ifstream written(path(name));
    const std::string text(std::istreambuf_iterator<char>(written), {});
    EXPECT_THAT(text, HasSubstr("make -j4, 1 session"));
  }
}

TEST_F(TimelineCommand, SaysThatATraceIsCutOff) {
  const std::string trace = file("a.json", joined({"[", span(1, 0, 9), ",{\"ph\":"}));
  EXPECT_EQ(timeline(trace + " -o " + path("out.html")), 0);
  EXPECT_THAT(said_, HasSubstr("a.json\" is cut off or damaged at byte"));
}

TEST_F(TimelineCommand, SaysThatEventsAreNoJson) {
  const std::string trace =
      file("a.json", trace_of({span(1, 0, 9), R"({"ts":1e400})", span(1, 10, 9)}));
  EXPECT_EQ(timeline(trace + " -o " + path("out.html")), 0);
  EXPECT_THAT(said_,
              HasSubstr("a.json\" has 1 events that are no JSON; the picture is without them"));
  EXPECT_THAT(said_, Not(HasSubstr("cut off")));
}

TEST_F(TimelineCommand, ATraceGivenTwiceCountsOnce) {
  const std::string trace = file("a.json", trace_of({kSession, span(1, 0, 9)}));
  std::filesystem::create_symlink(trace, path("link.json"));
  const std::string link = path("link.json");
  EXPECT_EQ(timeline(trace + " " + link + " -o " + path("out.html")), 0);
  EXPECT_THAT(said_, HasSubstr("link.json\" is given more than once"));
  std::ifstream written(path("out.html"));
  const std::string text(std::istreambuf_iterator<char>(written), {});
  EXPECT_THAT(text, HasSubstr("make -j4, 1 session"));
}

TEST_F(TimelineCommand, NamesWhatIsWrongAndFails) {
  const std::string good = file("a.json", trace_of({span(1, 0, 9)}));
  const std::string out = " -o " + path("out.html");
  EXPECT_EQ(timeline(path("none.json") + out), 1);
  EXPECT_THAT(said_, HasSubstr("none.json\" cannot be read: No such file or directory"));
  EXPECT_EQ(timeline(folder_.string() + out), 1);
  EXPECT_THAT(said_, HasSubstr("cannot be read: Is a directory"));
  EXPECT_EQ(timeline(file("b.json", "no JSON") + out), 1);
  EXPECT_THAT(said_, HasSubstr("b.json\" is no trace: not JSON at byte 2"));
  EXPECT_EQ(timeline(file("c.json", "[]") + out), 1);
  EXPECT_THAT(said_, HasSubstr("c.json\" has no tests"));
  EXPECT_EQ(timeline(good + " -o " + path("none/out.html")), 1);
  EXPECT_THAT(said_, HasSubstr("out.html\" cannot be written: No such file or directory"));
}

TEST_F(TimelineCommand, ATraceThatNoMemoryHolds) {
#ifdef JOBSLOTS_SANITIZED
  GTEST_SKIP() << "AddressSanitizer needs the memory that is limited here";
#endif
  before_ = "ulimit -v 200000; ";
  EXPECT_EQ(timeline("/dev/zero -o " + path("out.html")), 1);
  EXPECT_EQ(said_, "jobslots timeline: there is not enough memory for these traces\n");
}

TEST_F(TimelineCommand, WrongUseIsStatus2) {
  for (const char* arguments : {"", "a.json -o", "a.json -o a.png", "--nothing a.json"}) {
    EXPECT_EQ(timeline(arguments), 2) << arguments;
    EXPECT_THAT(said_, HasSubstr("usage: jobslots timeline")) << arguments;
  }
}

}  // namespace
}  // namespace jobslots::timeline
