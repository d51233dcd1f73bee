#include "status/overview.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace jobslots {
namespace {

using Json = nlohmann::ordered_json;

Json object_of(const PoolOverview& pool) {
  Json object{{"folder", pool.folder}, {"answers", pool.answers}};
  if (pool.answers) {
    object.update({{"fifo", pool.fifo},
                   {"job_slots", pool.job_slots},
                   {"free", pool.free},
                   {"held", pool.held},
                   {"others", pool.others}});
  }
  return object;
}

Json object_of(const Holder& holder) {
  Json object{{"kind", holder.kind},     {"process", holder.process}, {"title", holder.title},
              {"folder", holder.folder}, {"pool", holder.pool},       {"held", holder.held},
              {"wanted", holder.wanted}};
  if (holder.share) {
    object.update({{"weight", holder.share->weight},
                   {"used", holder.share->used},
                   {"since", holder.share->since}});
  }
  if (holder.session) {
    object["session"] = Json::parse(to_json(*holder.session, std::string::npos));
  } else if (holder.kind == "session") {
    object["session"] = nullptr;
  }
  return object;
}

}  // namespace

std::optional<PoolOverview> pool_of_json(std::string_view json, std::string folder) {
  try {
    const Json object = Json::parse(json);
    return PoolOverview{std::move(folder),
                        object.at("fifo").get<std::string>(),
                        object.at("job_slots").get<unsigned>(),
                        object.at("free").get<std::size_t>(),
                        object.at("held").get<std::size_t>(),
                        object.at("others").get<std::size_t>(),
                        true};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::optional<Holder> client_of_json(std::string_view json, std::string folder) {
  try {
    const Json object = Json::parse(json);
    return Holder{
        .kind = object.at("kind").get<std::string>(),
        .process = object.at("process").get<long>(),
        .socket = object.at("socket").get<std::string>(),
        .title = object.at("title").get<std::string>(),
        .folder = object.at("folder").get<std::string>(),
        .pool = std::move(folder),
        .held = object.at("held").get<std::size_t>(),
        .wanted = object.at("wanted").get<std::size_t>(),
        .share = Holder::Share{object.at("weight").get<unsigned>(), object.at("used").get<double>(),
                               object.at("since").get<double>()}};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

void add_session(Holder& holder, SessionStatus session) {
  if (!holder.share) {
    holder.title = session.title;
    holder.folder = session.folder;
    holder.pool = session.pool;
    holder.held = session.held;
    holder.wanted = session.wanted;
  }
  holder.session = std::move(session);
}

std::string json_report(const Overview& overview) {
  Json holders = Json::array();
  for (const Holder& holder : overview.holders) holders.push_back(object_of(holder));
  const Json object{{"pool", overview.pool ? object_of(*overview.pool) : Json()},
                    {"holders", std::move(holders)}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace jobslots
