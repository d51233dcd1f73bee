#include "broker/session_trace.h"

#include <thread>
#include <utility>

namespace jobslots {

void SessionTrace::open(Session& session, const std::string& path, Time now) {
  auto file = TraceFile::open(path);
  if (const auto* why = std::get_if<std::string>(&file)) {
    session.trace_ended(*why);
  } else {
    file_ = std::get<TraceFile>(std::move(file));
    session.trace_opened(now);
  }
}

bool SessionTrace::write_if_due(Session& session, Time now) {
  if (!due_ && session.has_trace()) due_ = now + kDelay;
  return due_ && *due_ <= now && write(session);
}

void SessionTrace::gather(const Session& session) {
  if (session.tracing() && !session.over() && session.all_keep()) {
    std::this_thread::sleep_for(kGathering);
  }
}

bool SessionTrace::write(Session& session) {
  due_.reset();
  if (!file_) return false;
  std::string why = file_->append(session.take_trace());
  if (why.empty()) return false;
  file_.reset();
  session.trace_ended(std::move(why));
  return true;
}

}  // namespace jobslots
