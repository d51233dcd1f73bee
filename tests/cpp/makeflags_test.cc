#include "jobslots/makeflags.h"

#include <gmock/gmock.h>

#include <map>

#include "support.h"

namespace jobslots {
namespace {

using test::must;
using test::must_fail;

Makeflags fifo(const std::string& path, std::optional<unsigned> job_slots) {
  return {FifoAuth{path}, job_slots};
}

Makeflags pipe(int read_fd, int write_fd, std::optional<unsigned> job_slots) {
  return {PipeAuth{read_fd, write_fd, false}, job_slots};
}

Makeflags withheld(int read_fd, int write_fd, std::optional<unsigned> job_slots) {
  return {PipeAuth{read_fd, write_fd, true}, job_slots};
}

Makeflags parsed(std::string_view value) { return must(parse_makeflags(value)); }

Reason refused(std::string_view value) { return must_fail(parse_makeflags(value)).reason; }

TEST(Makeflags, FifoOfMake44) {
  EXPECT_EQ(parsed(" -j3 --jobserver-auth=fifo:/tmp/GMfifo1"), fifo("/tmp/GMfifo1", 3));
}

TEST(Makeflags, PipeOfMake42) {
  EXPECT_EQ(parsed(" -j8 --jobserver-auth=3,4"), pipe(3, 4, 8));
  EXPECT_EQ(parsed("ks -j8 --jobserver-auth=13,14"), pipe(13, 14, 8));
}

TEST(Makeflags, PipeOfMake41DoesNotTellTheNumberOfSlots) {
  EXPECT_EQ(parsed(" --jobserver-fds=3,4 -j"), pipe(3, 4, std::nullopt));
}

TEST(Makeflags, BlankInTheFifosPathAsMake441WritesIt) {
  EXPECT_EQ(parsed(R"( -j3 --jobserver-auth=fifo:/tmp/sp\ ace/GMfifo1)"),
            fifo("/tmp/sp ace/GMfifo1", 3));
  EXPECT_EQ(parsed(R"( -j3 --jobserver-auth=fifo:/tmp/sp$x\ y/GMfifo1 -- A=b\ c)"),
            fifo("/tmp/sp$x y/GMfifo1", 3));
  EXPECT_EQ(parsed(R"(--jobserver-auth=fifo:/back\\slash)"), fifo("/back\\slash", {}));
}

TEST(Makeflags, PathWithCommaColonAndEqualsSign) {
  EXPECT_EQ(parsed("--jobserver-auth=fifo:/t:m=p/3,4"), fifo("/t:m=p/3,4", {}));
}

TEST(Makeflags, JobsWhetherThereIsAJobserverOrNot) {
  EXPECT_EQ(parse_jobs(""), std::nullopt);
  EXPECT_EQ(parse_jobs("ks"), std::nullopt);
  EXPECT_EQ(parse_jobs("s -j1"), 1U);
  EXPECT_EQ(parse_jobs(" -j8 --jobserver-auth=3,4"), 8U);
  EXPECT_EQ(parse_jobs("--jobs=8"), 8U);
  EXPECT_EQ(parse_jobs("-j2 -j8"), 8U);
  EXPECT_EQ(parse_jobs("s -j"), 0U) << "no limit";
  EXPECT_EQ(parse_jobs("-j8 -j"), 0U);
  EXPECT_EQ(parse_jobs("-jx"), 0U);
  EXPECT_EQ(parse_jobs(" -- -j8"), std::nullopt) << "a variable's definition";
}

TEST(Makeflags, JobsAsMakeReadsThem) {
  EXPECT_EQ(parse_jobs("kj8"), 8U);
  EXPECT_EQ(parse_jobs("-kj8"), 8U);
  EXPECT_EQ(parse_jobs("-j 8"), 8U);
  EXPECT_EQ(parse_jobs("--jobs 8"), 8U);
  EXPECT_EQ(parse_jobs("-kj 8"), 8U);
  EXPECT_EQ(parse_jobs("-j all"), 0U);
  EXPECT_EQ(parse_jobs("-j 8x"), 0U);
  EXPECT_EQ(parse_jobs("-j -k"), 0U);
  EXPECT_EQ(parse_jobs("-Cj8"), std::nullopt) << "a folder";
  EXPECT_EQ(parse_jobs("-kfj8"), std::nullopt) << "a makefile";
  EXPECT_EQ(parse_jobs("-I -j8"), std::nullopt) << "a folder called -j8";
  EXPECT_EQ(parse_jobs("--directory -j8"), std::nullopt);
  EXPECT_EQ(parse_jobs("--directory=x -j8"), 8U);
  EXPECT_EQ(parse_jobs("-l 4 -j8"), 8U);
  EXPECT_EQ(parse_jobs("-Oline -j8"), 8U);
  EXPECT_EQ(parse_jobs("J=-j8 -k"), std::nullopt) << "a variable's definition";
}

std::optional<unsigned> of_words(const std::vector<std::string>& words) {
  return jobs_of_command_line(words);
}

TEST(Makeflags, JobsOfACommandLine) {
  EXPECT_EQ(of_words({}), std::nullopt);
  EXPECT_EQ(of_words({"-kj8", "all"}), 8U);
  EXPECT_EQ(of_words({"--jobs", "8"}), 8U);
  EXPECT_EQ(of_words({"all", "-j", "1"}), 1U);
  EXPECT_EQ(of_words({"j8"}), std::nullopt) << "a target";
  EXPECT_EQ(of_words({"-j"}), 0U);
  EXPECT_EQ(of_words({"-j", ""}), 0U);
  EXPECT_EQ(of_words({"-f", "my makefile", "-j3"}), 3U);
  EXPECT_EQ(of_words({"--", "-j3"}), std::nullopt);
}

TEST(Makeflags, NumberOfSlotsInEachForm) {
  EXPECT_EQ(parsed("-j12 --jobserver-auth=3,4").job_slots, 12U);
  EXPECT_EQ(parsed("--jobs=12 --jobserver-auth=3,4").job_slots, 12U);
  EXPECT_EQ(parsed("--jobserver-auth=3,4 -j12").job_slots, 12U);
  EXPECT_EQ(parsed("-j2 --jobserver-auth=3,4 -j12").job_slots, 12U);
  EXPECT_EQ(parsed("-j --jobserver-auth=3,4").job_slots, std::nullopt);
  EXPECT_EQ(parsed("-j0 --jobserver-auth=3,4").job_slots, std::nullopt);
  EXPECT_EQ(parsed("-jx --jobserver-auth=3,4").job_slots, std::nullopt);
  EXPECT_EQ(parsed("-j99999999999 --jobserver-auth=3,4").job_slots, std::nullopt);
  EXPECT_EQ(parsed("-j-1 --jobserver-auth=3,4").job_slots, std::nullopt);
}

TEST(Makeflags, TheLastJobserverWins) {
  EXPECT_EQ(parsed("--jobserver-auth=3,4 --jobserver-auth=5,6"), pipe(5, 6, {}));
  EXPECT_EQ(parsed("--jobserver-auth=3,4 --jobserver-fds=5,6"), pipe(5, 6, {}));
  EXPECT_EQ(parsed("--jobserver-auth=3,4 --jobserver-auth=fifo:/a"), fifo("/a", {}));
  EXPECT_EQ(parsed("--jobserver-auth=fifo:/a --jobserver-auth=3,4"), pipe(3, 4, {}));
  EXPECT_EQ(parsed("--jobserver-auth=-2,-2 --jobserver-auth=3,4"), pipe(3, 4, {}));
}

TEST(Makeflags, WhatIsNotUnderstoodDoesNotMatterBeforeTheLastOne) {
  EXPECT_EQ(parsed("--jobserver-auth=nonsense --jobserver-auth=3,4"), pipe(3, 4, {}));
  EXPECT_EQ(parsed("--jobserver-auth=fifo: --jobserver-auth=fifo:/a"), fifo("/a", {}));
  EXPECT_EQ(refused("--jobserver-auth=3,4 --jobserver-auth=nonsense"), Reason::kNotUnderstood);
}

TEST(Makeflags, NegativeNumbersWithholdThePairBefore) {
  EXPECT_EQ(parsed("-j3 --jobserver-auth=3,4 --jobserver-auth=-2,-2"), withheld(3, 4, 3));
  EXPECT_EQ(parsed("--jobserver-auth=3,4 --jobserver-auth=-2,-2 --jobserver-auth=-2,-2"),
            withheld(3, 4, {}));
  EXPECT_EQ(parsed("--jobserver-auth=3,4 --jobserver-auth=5,6 --jobserver-fds=-1,-1"),
            withheld(5, 6, {}));
}

TEST(Makeflags, NegativeNumbersAloneAreWithheldForGood) {
  EXPECT_EQ(parsed("--jobserver-auth=-2,-2"), withheld(-1, -1, {}));
  EXPECT_EQ(parsed("--jobserver-auth=3,-2"), withheld(-1, -1, {}));
  EXPECT_EQ(parsed("--jobserver-auth=-2,4"), withheld(-1, -1, {}));
  EXPECT_EQ(parsed("--jobserver-auth=fifo:/a --jobserver-auth=-2,-2"), withheld(-1, -1, {}));
}

TEST(Makeflags, WordsAfterTwoDashesAreVariables) {
  EXPECT_EQ(refused("w -- --jobserver-auth=3,4"), Reason::kNone);
  EXPECT_EQ(refused("w -- CFLAGS=--jobserver-auth=3,4"), Reason::kNone);
  EXPECT_EQ(parsed("-j2 --jobserver-auth=3,4 -- --jobserver-auth=5,6 -j9"), pipe(3, 4, 2));
}

TEST(Makeflags, ABlankProtectedByABackslashDoesNotEndAWord) {
  EXPECT_EQ(refused(R"(--eval=x\ --jobserver-auth=3,4)"), Reason::kNone);
  EXPECT_EQ(refused(R"(--eval=x\	--jobserver-auth=3,4)"), Reason::kNone);
  EXPECT_EQ(parsed("\t -j2\t--jobserver-auth=3,4 \t"), pipe(3, 4, 2));
  EXPECT_EQ(refused("--jobserver-auth=3,4\\"), Reason::kNotUnderstood);
}

TEST(Makeflags, NoJobserverAtAll) {
  for (const char* value : {"", " ", "ks", "-j8", "--jobs=8", "--jobserver-style=fifo",
                            "--jobserver-auth", "jobserver-auth=3,4", "-I --jobserver", "--"}) {
    EXPECT_EQ(refused(value), Reason::kNone) << value;
  }
}

TEST(Makeflags, Garbage) {
  for (const char* value :
       {"",     "3",       "3,",           ",4",         ",",     "3,4,5", "3;4",
        "a,b",  "3,b",     "0x3,4",        "3.0,4",      "+3,4",  "3,4x",  "fifo:",
        "fifo", "FIFO:/a", "/tmp/GMfifo1", "sem:gmake1", "--3,4", "- 3,4", "3,\\ 4"}) {
    EXPECT_EQ(refused("-j2 --jobserver-auth=" + std::string(value)), Reason::kNotUnderstood)
        << value;
    EXPECT_EQ(refused("--jobserver-fds=" + std::string(value)), Reason::kNotUnderstood) << value;
  }
}

TEST(Makeflags, NumbersThatNoDescriptorCanHave) {
  EXPECT_EQ(parsed("--jobserver-auth=2147483647,0"), pipe(2147483647, 0, {}));
  EXPECT_EQ(refused("--jobserver-auth=2147483648,4"), Reason::kNotUnderstood);
  EXPECT_EQ(refused("--jobserver-auth=3,99999999999999999999999"), Reason::kNotUnderstood);
  EXPECT_EQ(refused("--jobserver-auth=-2147483649,4"), Reason::kNotUnderstood);
}

TEST(Makeflags, ManyWordsAndLongOnes) {
  std::string value(100'000, 'k');
  for (int i = 0; i < 10'000; ++i) value += " -Ifolder" + std::to_string(i);
  EXPECT_EQ(parsed(value + " -j5 --jobserver-auth=fifo:/" + std::string(10'000, 'p')),
            fifo("/" + std::string(10'000, 'p'), 5));
}

TEST(Makeflags, EveryByteIsTakenWithoutFail) {
  for (int byte = 1; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    parse_makeflags(text);
    parse_makeflags("--jobserver-auth=" + text);
    parse_makeflags("--jobserver-auth=3," + text);
    parse_makeflags("--jobserver-auth=fifo:/" + text + text);
  }
}

Result<Makeflags> of_environment(const std::map<std::string, std::string>& environment) {
  return makeflags_from_environment([&environment](const char* name) {
    const auto entry = environment.find(name);
    return entry == environment.end() ? nullptr : entry->second.c_str();
  });
}

TEST(MakeflagsFromEnvironment, MakeflagsComesFirst) {
  EXPECT_EQ(must(of_environment({{"MAKEFLAGS", "--jobserver-auth=3,4"},
                                 {"MFLAGS", "--jobserver-auth=5,6"},
                                 {"CARGO_MAKEFLAGS", "--jobserver-auth=7,8"}})),
            pipe(3, 4, {}));
}

TEST(MakeflagsFromEnvironment, ElseMflags) {
  EXPECT_EQ(must(of_environment({{"MFLAGS", "-j2 --jobserver-auth=5,6"},
                                 {"CARGO_MAKEFLAGS", "--jobserver-auth=7,8"}})),
            pipe(5, 6, 2));
}

TEST(MakeflagsFromEnvironment, MflagsCountsOnlyWhereMakeflagsIsNotSet) {
  for (const char* makeflags : {"", "k", " -j1", "w -- A=--jobserver-auth=3,4"}) {
    const std::map<std::string, std::string> environment{{"MAKEFLAGS", makeflags},
                                                         {"MFLAGS", "-j2 --jobserver-auth=5,6"}};
    EXPECT_EQ(must_fail(of_environment(environment)).reason, Reason::kNone) << makeflags;
  }
}

TEST(MakeflagsFromEnvironment, TheVariableThatWasReadIsNamedAndWhatToUnset) {
  const auto why = must_fail(of_environment({{"MFLAGS", "--jobserver-auth=what?"}}));
  EXPECT_EQ(
      why.message(),
      "the jobserver \"what?\" is neither fifo:PATH nor R,W (from MFLAGS); cure: let make set "
      "MFLAGS, or unset MFLAGS");
  // Where only the first one is unset, the next one counts.
  const auto all = must_fail(of_environment({{"MAKEFLAGS", "--jobserver-auth=fifo:"},
                                             {"MFLAGS", "--jobserver-auth=fifo:"},
                                             {"CARGO_MAKEFLAGS", "--jobserver-auth=5,6"}}));
  EXPECT_EQ(
      all.message(),
      "--jobserver-auth names no fifo (from MAKEFLAGS); cure: let make set MAKEFLAGS, or unset "
      "MAKEFLAGS MFLAGS CARGO_MAKEFLAGS");
}

TEST(MakeflagsFromEnvironment, ElseCargoMakeflags) {
  EXPECT_EQ(
      must(of_environment({{"CARGO_MAKEFLAGS", "-j --jobserver-fds=7,8 --jobserver-auth=7,8"}})),
      pipe(7, 8, {}));
  EXPECT_EQ(must(of_environment(
                {{"MAKEFLAGS", ""}, {"MFLAGS", "-"}, {"CARGO_MAKEFLAGS", "--jobserver-auth=7,8"}})),
            pipe(7, 8, {}));
}

TEST(MakeflagsFromEnvironment, WhatCannotBeUnderstoodIsNotPassedOver) {
  const auto why = must_fail(of_environment(
      {{"MAKEFLAGS", "--jobserver-auth=nonsense"}, {"MFLAGS", "--jobserver-auth=5,6"}}));
  EXPECT_EQ(why.reason, Reason::kNotUnderstood);
  EXPECT_THAT(why.detail, testing::HasSubstr("\"nonsense\""));
}

TEST(MakeflagsFromEnvironment, NothingSet) {
  EXPECT_EQ(must_fail(of_environment({})).reason, Reason::kNone);
  EXPECT_EQ(must_fail(of_environment({{"MAKEFLAGS", "-j8"}})).reason, Reason::kNone);
}

TEST(WithJobserver, OptionsAndDefinitionsStay) {
  const auto with = [](std::string_view value) { return with_jobserver(value, " -j3 --own"); };
  EXPECT_EQ(with(""), " -j3 --own");
  EXPECT_EQ(with("ks"), "ks -j3 --own");
  EXPECT_EQ(with("k -Oline -- A=b\\ c"), "k -Oline -j3 --own -- A=b\\ c");
  EXPECT_EQ(with("k -- A=b -- --jobserver-auth=3,4"), "k -j3 --own -- A=b -- --jobserver-auth=3,4");
}

TEST(WithJobserver, AnotherOneGoes) {
  const auto with = [](std::string_view value) { return with_jobserver(value, " -j3 --own"); };
  EXPECT_EQ(with(" -j8 --jobserver-auth=fifo:/a\\ b"), "-j8 -j3 --own");
  EXPECT_EQ(with(" --jobserver-fds=3,4 -j --jobserver-auth=5,6 -- A=b"), "-j -j3 --own -- A=b");
}

}  // namespace
}  // namespace jobslots
