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

}  // namespace
}  // namespace jobslots
