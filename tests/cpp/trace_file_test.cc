#include "broker/trace_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "session/trace_text.h"
#include "support.h"

namespace jobslots {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using test::read_file;
using test::TempDir;
using test::write_file;
using testing::HasSubstr;

/// A trace's text and its file, as the broker has them.
class Trace : public TraceText {
 public:
  explicit Trace(const std::string& path)
      : TraceText(7), file_(std::get<TraceFile>(TraceFile::open(path))) {}
  std::string flush() { return file_.append(take()); }

 private:
  TraceFile file_;
};

class TraceFileTest : public testing::Test {
 protected:
  Trace open() { return Trace(path_); }
  std::string refusal() { return std::get<std::string>(TraceFile::open(path_)); }
  Json events() const { return Json::parse(read_file(path_)); }

  TempDir folder_;
  std::string path_ = folder_ / "trace.json";
};

TEST_F(TraceFileTest, IsWholeAfterEachFlush) {
  Trace trace = open();
  EXPECT_EQ(events(), Json::array());
  trace.name_process("pytest unit", 4);
  EXPECT_EQ(trace.flush(), "");
  EXPECT_EQ(events().size(), 1U);
  trace.name_worker(1, "gw0");
  trace.counter(trace::kHeld, 2, 5us);
  EXPECT_EQ(events().size(), 1U);
  EXPECT_EQ(trace.flush(), "");
  EXPECT_EQ(trace.flush(), "");
  const Json expected = Json::parse(R"([
    {"name": "process_name", "ph": "M", "pid": 7, "tid": 0,
     "args": {"name": "pytest unit", "job_slots": 4}},
    {"name": "thread_name", "ph": "M", "pid": 7, "tid": 1, "args": {"name": "gw0"}},
    {"name": "job slots held", "ph": "C", "pid": 7, "ts": 5.0, "args": {"held": 2}}])");
  EXPECT_EQ(events(), expected);
}

TEST_F(TraceFileTest, TellsMicrosecondsToTheNanosecond) {
  Trace trace = open();
  trace.span(3, "test", "a.py::test", 1234567891ns, 1234570001ns, "failed");
  trace.span(3, "waiting", "waiting", 0ns, 1ns, "");
  EXPECT_EQ(trace.flush(), "");
  EXPECT_THAT(read_file(path_), HasSubstr(R"("ts":1234567.891,"dur":2.110,)"));
  EXPECT_EQ(events()[0]["args"]["outcome"], "failed");
  EXPECT_EQ(events()[1]["dur"], 0.001);
  EXPECT_FALSE(events()[1].contains("args"));
}

TEST_F(TraceFileTest, TakesAnyName) {
  const std::string every_byte = [] {
    std::string text;
    for (int byte = 0; byte < 256; ++byte) text.push_back(static_cast<char>(byte));
    return text;
  }();
  Trace trace = open();
  trace.span(1, "test", "a[\"\\\n\x01é]", 0ns, 1ns, "passed");
  trace.span(1, "test", every_byte, 1ns, 2ns, "passed");
  EXPECT_EQ(trace.flush(), "");
  EXPECT_EQ(events()[0]["name"], "a[\"\\\n\x01é]");
  EXPECT_EQ(events().size(), 2U);
}

TEST_F(TraceFileTest, ReplacesAnEarlierTrace) {
  {
    Trace earlier = open();
    earlier.name_process("pytest", 2);
    earlier.name_worker(1, "gw0");
    EXPECT_EQ(earlier.flush(), "");
  }
  EXPECT_EQ(events().size(), 2U);
  for (int i = 0; i < 2; ++i) {  // The second time it is an empty one.
    open();
    EXPECT_EQ(events(), Json::array());
  }
}

TEST_F(TraceFileTest, LeavesAnyOtherFileAlone) {
  for (const std::string text :
       {"def test_it(): pass\n", "[pytest]\naddopts = -n2\n", "[\n", "x"}) {
    write_file(path_, text);
    EXPECT_THAT(refusal(), HasSubstr("a file of another kind"));
    EXPECT_EQ(read_file(path_), text);
  }
}

TEST_F(TraceFileTest, HasOneWriter) {
  Trace first = open();
  first.name_worker(1, "gw0");
  EXPECT_EQ(first.flush(), "");
  EXPECT_THAT(refusal(), HasSubstr("another session writes to it"));
  EXPECT_EQ(events().size(), 1U);
}

TEST_F(TraceFileTest, MustBeAFile) {
  EXPECT_THAT(std::get<std::string>(TraceFile::open(folder_ / "missing/trace.json")),
              HasSubstr("No such file"));
  EXPECT_THAT(std::get<std::string>(TraceFile::open(folder_.path())), HasSubstr("directory"));
  EXPECT_EQ(std::get<std::string>(TraceFile::open("/dev/null")), "it is not a file");
  // Nobody reads the fifo: opening it must not wait.
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(refusal(), "it is not a file");
}

/// As a full disk does, a limit lets only the first part of a write through.
TEST_F(TraceFileTest, IsStillWholeWhereTheDiskIsFull) {
  Trace trace = open();
  trace.name_worker(1, "gw0");
  EXPECT_EQ(trace.flush(), "");

  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{1000, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  trace.name_worker(2, std::string(2000, 'x'));
  const std::string why = trace.flush();
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);

  EXPECT_THAT(why, HasSubstr("too large"));
  ASSERT_EQ(events().size(), 1U);
  EXPECT_EQ(events()[0]["args"]["name"], "gw0");
}

}  // namespace
}  // namespace jobslots
