/// The protocol of pools, against samples that are for other programs too.

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "pool/protocol.h"
#include "support.h"

namespace jobslots::pool {
namespace {

using Json = nlohmann::json;

/// Those under "messages" or "wrong" that are said to "pool" or "client".
std::vector<Json> samples(const char* kind, const char* to) {
  const std::filesystem::path folder =
      std::filesystem::path(JOBSLOTS_PROTOCOL_SAMPLES).parent_path();
  const Json all = Json::parse(test::read_file(folder / "pool_protocol_samples.json"));
  std::vector<Json> those;
  for (const Json& sample : all.at(kind)) {
    if (sample.at("to") == to) those.push_back(sample);
  }
  return those;
}

std::string text_of(const Json& sample) { return sample.at("text").get<std::string>(); }

/// A message as its sample has it: type and fields.
struct ToJson {
  Json operator()(const Hello& hello) const {
    return {"Hello",
            {{"version", hello.version},
             {"role", name_of(hello.role)},
             {"weight", hello.weight},
             {"held", hello.held}}};
  }
  Json operator()(const Title& title) const { return {"Title", {{"text", title.text}}}; }
  Json operator()(const Folder& folder) const { return {"Folder", {{"path", folder.path}}}; }
  Json operator()(const Socket& socket) const { return {"Socket", {{"path", socket.path}}}; }
  Json operator()(const Want& want) const {
    return {"Want", {{"total", want.total}, {"spare", want.spare}}};
  }
  Json operator()(const Back& back) const { return {"Back", {{"count", back.count}}}; }
  Json operator()(const Stay& stay) const { return {"Stay", {{"process", stay.process}}}; }
  Json operator()(const Status&) const { return {"Status", Json::object()}; }

  Json operator()(const Welcome& welcome) const {
    return {
        "Welcome",
        {{"version", welcome.version}, {"job_slots", welcome.job_slots}, {"fifo", welcome.fifo}}};
  }
  Json operator()(const Grant& grant) const {
    return {"Grant", {{"count", grant.count}, {"free", grant.free}}};
  }
  Json operator()(const Settled& settled) const { return {"Settled", {{"free", settled.free}}}; }
  Json operator()(const Yield& yield) const { return {"Yield", {{"count", yield.count}}}; }
  Json operator()(const Refused& refused) const { return {"Refused", {{"text", refused.text}}}; }
  Json operator()(const Described& client) const { return {"Described", {{"json", client.json}}}; }
  Json operator()(const Summary& pool) const { return {"Summary", {{"json", pool.json}}}; }
};

/// Each sample is read, is what it says, and is written again; there are some of each kind.
template <class Message>
void expect_samples(const char* to, std::optional<Message> (*parse)(std::string_view)) {
  std::set<std::size_t> kinds;
  for (const Json& sample : samples("messages", to)) {
    const auto message = parse(text_of(sample));
    ASSERT_TRUE(message) << sample;
    EXPECT_EQ(std::visit(ToJson(), *message), Json({sample.at("type"), sample.at("fields")}));
    EXPECT_EQ(to_packet(*message), text_of(sample));
    kinds.insert(message->index());
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<Message>) << "a sample of each";
}

TEST(PoolProtocol, WhatIsSaidToAPool) { expect_samples("pool", parse_from_client); }

TEST(PoolProtocol, WhatAPoolSays) { expect_samples("client", parse_to_client); }

TEST(PoolProtocol, WhatIsWrongIsNoMessage) {
  for (const Json& sample : samples("wrong", "pool")) {
    EXPECT_FALSE(parse_from_client(text_of(sample))) << sample;
  }
  for (const Json& sample : samples("wrong", "client")) {
    EXPECT_FALSE(parse_to_client(text_of(sample))) << sample;
  }
}

TEST(PoolProtocol, MessagesAreAsLongAsAPacketMayBe) {
  const std::string begin = "title ";
  EXPECT_TRUE(parse_from_client(begin + std::string(kMessageLimit - begin.size(), 'x')));
  EXPECT_FALSE(parse_from_client(begin + std::string(kMessageLimit - begin.size() + 1, 'x')));
}

TEST(PoolProtocol, TextsAreCut) {
  const std::string text(100'000, 'x');
  EXPECT_EQ(to_packet(FromClient(Title{text})).size(), kMessageLimit);
  EXPECT_EQ(to_packet(ToClient(Refused{text})).size(), kMessageLimit);
  EXPECT_EQ(to_packet(ToClient(Described{text})).size(), kAnswerLimit);
}

}  // namespace
}  // namespace jobslots::pool
