/// The protocol, against the samples that the tests of the Python side read too.

#include "session/protocol.h"

#include <gmock/gmock.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "support.h"

namespace jobslots {
namespace {

using Json = nlohmann::json;

/// Those under "messages" or "wrong".
Json samples(const char* kind) {
  return Json::parse(test::read_file(JOBSLOTS_PROTOCOL_SAMPLES)).at(kind);
}

/// A message as its sample has it: type and fields.
struct ToJson {
  Json operator()(const message::Hello& hello) const {
    constexpr std::array kRoles{"controller", "worker", "remote", "observer"};
    return {"Hello",
            {{"version", hello.version},
             {"role", kRoles.at(static_cast<std::size_t>(hello.role))},
             {"name", hello.name}}};
  }
  Json operator()(const message::Want& want) const { return {"Want", {{"work", want.work}}}; }
  Json operator()(const message::Done& done) const { return {"Done", {{"outcome", done.outcome}}}; }
  Json operator()(const message::Next& next) const {
    return {"Next", {{"time", next.time}, {"outcome", next.outcome}, {"work", next.work}}};
  }
  Json operator()(const message::Lost& lost) const { return {"Lost", {{"name", lost.name}}}; }
  Json operator()(const message::Start& start) const { return {"Start", {{"name", start.name}}}; }
  Json operator()(const message::Cancel& cancel) const {
    return {"Cancel", {{"name", cancel.name}}};
  }
  Json operator()(const message::Ended& ended) const { return {"Ended", {{"name", ended.name}}}; }
  Json operator()(const message::Sync&) const { return {"Sync", Json::object()}; }
  Json operator()(const message::Title& title) const { return {"Title", {{"text", title.text}}}; }
  Json operator()(const message::Trace& trace) const { return {"Trace", {{"file", trace.file}}}; }
  Json operator()(const message::Sum&) const { return {"Sum", Json::object()}; }
  Json operator()(const message::Runs& runs) const {
    return {"Runs", {{"name", runs.name}, {"time", runs.time}, {"test", runs.test}}};
  }
  Json operator()(const message::Told&) const { return {"Told", Json::object()}; }
  Json operator()(const message::Bye&) const { return {"Bye", Json::object()}; }
};

ToClient to_client(const std::string& type, const Json& fields) {
  const auto text = [&fields](const char* name) { return fields.at(name).get<std::string>(); };
  EXPECT_EQ(fields.value("version", kProtocolVersion), kProtocolVersion);
  if (type == "Welcome") return message::Welcome{fields.at("traced").get<bool>()};
  if (type == "WelcomeController") {
    return message::WelcomeController{fields.at("job_slots").get<unsigned>(), text("path")};
  }
  if (type == "Pool") return message::Pool{text("path")};
  if (type == "Note") return message::Note{text("text")};
  if (type == "Unavailable") return message::Unavailable{text("reason"), text("text")};
  if (type == "Grant") return message::Grant{};
  if (type == "Yield") return message::Yield{};
  if (type == "Keep") return message::Keep{};
  if (type == "Holds") return message::Holds{text("name")};
  if (type == "Lent") return message::Lent{text("name")};
  if (type == "Refused") return message::Refused{text("text")};
  if (type == "Begin") return message::Begin{text("name")};
  if (type == "Synced") return message::Synced{};
  if (type == "Traced") return message::Traced{};
  if (type == "Untraced") return message::Untraced{text("text")};
  if (type == "WorkerSums") {
    return message::WorkerSums{text("name"), fields.at("held").get<std::int64_t>(),
                               fields.at("waited").get<std::int64_t>()};
  }
  if (type == "Summed") {
    return message::Summed{
        fields.at("most").get<std::size_t>(), fields.at("span").get<std::int64_t>(),
        fields.at("lent").get<std::size_t>(), fields.at("lent_for").get<std::int64_t>()};
  }
  if (type == "Running") return message::Running{};
  if (type == "Status") return message::Status{text("json")};
  throw std::runtime_error("no message of the broker: " + type);
}

TEST(Protocol, EachSampleIsRead) {
  int read = 0;
  for (const Json& sample : samples("messages")) {
    if (sample.at("to") != "broker") continue;
    const auto packet = sample.at("text").get<std::string>();
    const auto message = parse(packet);
    ASSERT_TRUE(message) << packet;
    EXPECT_EQ(std::visit(ToJson(), *message), Json({sample.at("type"), sample.at("fields")}));
    ++read;
  }
  EXPECT_GT(read, static_cast<int>(std::variant_size_v<FromClient>));
}

TEST(Protocol, EachSampleIsWritten) {
  std::set<std::size_t> kinds;
  for (const Json& sample : samples("messages")) {
    if (sample.at("to") == "broker") continue;
    const ToClient message = to_client(sample.at("type").get<std::string>(), sample.at("fields"));
    EXPECT_EQ(to_packet(message), sample.at("text"));
    kinds.insert(message.index());
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<ToClient>) << "a sample of each";
}

TEST(Protocol, WhatIsWrongIsNoMessage) {
  for (const Json& sample : samples("wrong")) {
    if (sample.at("to") != "broker") continue;
    EXPECT_FALSE(parse(sample.at("text").get<std::string>())) << sample;
  }
}

TEST(Protocol, MessagesAreAsLongAsAPacketMayBe) {
  const std::string begin = "title ";
  EXPECT_TRUE(parse(begin + std::string(kMessageLimit - begin.size(), 'x')));
  EXPECT_FALSE(parse(begin + std::string(kMessageLimit - begin.size() + 1, 'x')));
}

TEST(Protocol, TextsForPeopleAreCut) {
  const std::string text(100'000, 'x');
  for (const ToClient& message :
       {ToClient(message::Unavailable{"not-understood", text}), ToClient(message::Refused{text}),
        ToClient(message::Untraced{text})}) {
    EXPECT_LE(to_packet(message).size(), kMessageLimit);
  }
}

}  // namespace
}  // namespace jobslots
