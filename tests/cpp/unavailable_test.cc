#include "jobslots/unavailable.h"

#include <gmock/gmock.h>

#include <set>

namespace jobslots {
namespace {

constexpr Reason kReasons[] = {Reason::kNone,          Reason::kOneJob,        Reason::kUnlimited,
                               Reason::kRemoved,       Reason::kNotUnderstood, Reason::kWithheld,
                               Reason::kBadDescriptor, Reason::kFifoMissing,   Reason::kNotAFifo,
                               Reason::kNotPermitted,  Reason::kSystem};

TEST(Unavailable, EveryReasonHasAOneWordNameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Reason reason : kReasons) {
    EXPECT_THAT(std::string(name_of(reason)), testing::MatchesRegex("[a-z-]+"));
    names.insert(name_of(reason));
  }
  EXPECT_EQ(names.size(), std::size(kReasons));
}

TEST(Unavailable, TheMessageIsOneLineWithWhatWasFoundAndTheCure) {
  for (const Reason reason : kReasons) {
    const Unavailable why{reason, "something was found"};
    EXPECT_THAT(why.cure(), testing::Not(testing::IsEmpty()));
    EXPECT_THAT(why.message(), testing::StartsWith("something was found; cure: "));
    EXPECT_THAT(why.message(), testing::HasSubstr(std::string(why.cure())));
    EXPECT_THAT(why.message(), testing::Not(testing::HasSubstr("\n")));
  }
}

TEST(Unavailable, AMessageOfWhateverLengthFitsOnePacketOfTheBroker) {
  for (const std::string& garbage :
       {std::string(100'000, 'x'), std::string(100'000, '\x01'), std::string(100'000, '\xff')}) {
    const Unavailable why{Reason::kNotUnderstood,
                          "the jobserver \"" + garbage + "\" is odd",
                          "",
                          {"MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"}};
    EXPECT_LT(why.message().size(), 1500U);
    EXPECT_THAT(why.message(), testing::StartsWith("the jobserver \""));
    EXPECT_THAT(why.message(), testing::HasSubstr("\" is odd (from MAKEFLAGS); cure: let make "));
  }
}

TEST(Unavailable, ARemedyOfItsOwnIsTheCure) {
  const Unavailable why{Reason::kSystem, "no more descriptors", "close some", {}};
  EXPECT_EQ(why.message(), "no more descriptors; cure: close some");
}

}  // namespace
}  // namespace jobslots
