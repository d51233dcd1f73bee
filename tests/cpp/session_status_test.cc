/// What a session says of itself to observers.

#include "session/status.h"
#include "session_fixture.h"

namespace jobslots {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class SessionStatusTest : public test::SessionTest {
 protected:
  /// Connects an observer, which says hello.
  Words asked() { return said(observer_ = connected(), "hello 1 observer"); }

  /// What the observer is told in these words, before it is dropped.
  SessionStatus told(const Words& words) const {
    const std::string client = std::to_string(observer_);
    const std::string begin = client + ": session ";
    EXPECT_THAT(words, ElementsAre(testing::StartsWith(begin), "drop " + client));
    auto status = status_of_json(words.front().substr(begin.size()));
    EXPECT_TRUE(status) << words.front();
    return status.value_or(SessionStatus{});
  }

  Client observer_ = 0;
};

TEST_F(SessionStatusTest, AsksTheControllerForItsTests) {
  const Client first = greeted("gw1");
  greeted("gw0");
  said(first, "want");
  pass(std::chrono::seconds(2));
  controller_said("start gw2");
  EXPECT_THAT(asked(), ElementsAre("0: running"));
  EXPECT_THAT(controller_said("runs gw1 1500000000 test_a.py::test_it[x y]"), IsEmpty());
  EXPECT_THAT(controller_said("runs - 7 test_b.py"), IsEmpty());
  const SessionStatus status = told(controller_said("told"));
  EXPECT_EQ(status.controller, 1000);
  EXPECT_EQ(status.job_slots, 3U);
  EXPECT_EQ(status.held, 2U);
  EXPECT_EQ(status.wanted, 2U);
  EXPECT_TRUE(status.tests_known);
  ASSERT_THAT(status.workers, SizeIs(3));
  EXPECT_EQ(status.workers[0].state, "idle");
  EXPECT_EQ(status.workers[1].name, "gw1");
  EXPECT_EQ(status.workers[1].state, "working");
  EXPECT_EQ(status.workers[1].time, std::chrono::seconds(2));
  ASSERT_TRUE(status.workers[1].test);
  EXPECT_EQ(status.workers[1].test->name, "test_a.py::test_it[x y]");
  EXPECT_EQ(status.workers[2].state, "starting");
  ASSERT_THAT(status.other_tests, SizeIs(1));
  EXPECT_EQ(status.other_tests[0].name, "test_b.py");
}

TEST_F(SessionStatusTest, DoesNotWaitForAControllerThatIsStopped) {
  asked();
  EXPECT_EQ(session_.need(now_).again, now_ + Session::kPatienceOfObservers);
  EXPECT_THAT(settled(), IsEmpty());
  pass(Session::kPatienceOfObservers);
  EXPECT_FALSE(told(settled()).tests_known);
  EXPECT_FALSE(told(asked()).tests_known) << "at once, and the controller is not asked again";
  EXPECT_THAT(controller_said("told"), IsEmpty());
  EXPECT_THAT(asked(), ElementsAre("0: running"));
}

TEST_F(SessionStatusTest, ObserversAskTogether) {
  asked();
  const Client first = observer_;
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_THAT(hung_up(first), ElementsAre("drop " + std::to_string(first)));
  EXPECT_TRUE(told(controller_said("told")).tests_known);
}

TEST_F(SessionStatusTest, AnObserverKeepsNoSessionAlive) {
  asked();
  EXPECT_THAT(said(observer_, "want"), IsEmpty());
  controller_said("bye");
  EXPECT_TRUE(session_.over());
  controller_said("told");
  EXPECT_FALSE(told(asked()).tests_known) << "the controller is not asked any more";
}

TEST_F(SessionStatusTest, AnObserverOfAnotherVersionIsRefused) {
  const Client client = connected();
  EXPECT_THAT(said(client, "hello 2 observer"),
              ElementsAre(testing::HasSubstr("refused"), "drop " + std::to_string(client)));
}

TEST(SessionStatus, TestsAreLeftOutWhereItWouldBeTooLong) {
  SessionStatus status;
  status.tests_known = true;
  for (int i = 0; i < 100; ++i) {
    status.workers.push_back({"gw" + std::to_string(i),
                              1,
                              "working",
                              {},
                              SessionStatus::Test{std::string(500, '\x01'), {}}});
  }
  const std::string json = to_json(status, 65536);
  EXPECT_LE(json.size(), 65536U);
  const auto read = status_of_json(json);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->tests_known);
  EXPECT_THAT(read->workers, SizeIs(100));
  EXPECT_FALSE(status_of_json("{}"));
}

}  // namespace
}  // namespace jobslots
