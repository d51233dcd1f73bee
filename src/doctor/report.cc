#include "doctor/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/printable.h"

namespace jobslots {
namespace {

using Json = nlohmann::ordered_json;

const FifoAuth* fifo_of(const Diagnosis& diagnosis) {
  return diagnosis.jobserver ? std::get_if<FifoAuth>(&diagnosis.jobserver->auth) : nullptr;
}

const PipeAuth* pipe_of(const Diagnosis& diagnosis) {
  return diagnosis.jobserver ? std::get_if<PipeAuth>(&diagnosis.jobserver->auth) : nullptr;
}

const char* kind_of(const Diagnosis& diagnosis) {
  if (pipe_of(diagnosis) != nullptr) return "pipe";
  return diagnosis.reached && diagnosis.reached->device ? "device" : "fifo";
}

std::string jobserver_text(const Diagnosis& diagnosis) {
  if (diagnosis.variable.empty()) return "none";
  const std::string kind = kind_of(diagnosis);
  if (const auto* fifo = fifo_of(diagnosis)) return kind + " " + fifo->path;
  const auto* pipe = pipe_of(diagnosis);
  if (pipe == nullptr) return "not understood";
  const std::string withheld = pipe->withheld ? ", withheld from this recipe" : "";
  if (pipe->read_fd < 0) return kind + withheld;
  return kind + " " + std::to_string(pipe->read_fd) + "," + std::to_string(pipe->write_fd) +
         withheld;
}

std::string reached_text(const Diagnosis& diagnosis) {
  const auto& reached = diagnosis.reached;
  if (!reached) return "no";
  if (reached->holder) {
    const std::string process = "process " + std::to_string(*reached->holder);
    const auto& make = diagnosis.ancestor;
    const bool other = make && make->process != *reached->holder;
    return "yes, through the descriptors of " + (other ? process : "make (" + process + ")");
  }
  return pipe_of(diagnosis) != nullptr ? "yes, through inherited descriptors" : "yes";
}

std::string free_text(const Reached& reached, std::optional<unsigned> job_slots) {
  if (!reached.tokens_free) return "unknown";
  const std::string free = std::to_string(*reached.tokens_free);
  return job_slots ? free + " of " + std::to_string(*job_slots - 1) : free;
}

std::string program_text(const std::optional<MakeProgram>& program) {
  if (!program) return "unknown";
  return program->path + ", " +
         (program->version.empty() ? "does not tell its version" : program->version);
}

/// Of a value: what there is of any length must not hide the rest.
constexpr std::size_t kLongestLine = 2000;

/// make begins MAKEFLAGS with a blank where there are no one-letter options.
std::string line(const std::string& name, std::string_view value) {
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  constexpr std::size_t kWidth = 14;
  const std::string padding(name.size() < kWidth ? kWidth - name.size() : 1, ' ');
  return name + padding + shortened(printable(value), kLongestLine) + "\n";
}

std::string makeflags_text(const Diagnosis& diagnosis) {
  if (!diagnosis.makeflags) return "not set";
  return diagnosis.makeflags->empty() ? "empty" : *diagnosis.makeflags;
}

Json program_json(const std::optional<MakeProgram>& program) {
  if (!program) return nullptr;
  return {{"path", program->path},
          {"version", program->version.empty() ? Json() : Json(program->version)}};
}

Json ancestor_json(const std::optional<Ancestor>& ancestor) {
  if (!ancestor) return nullptr;
  Json object{{"process", ancestor->process}, {"path", nullptr}, {"version", nullptr}};
  if (ancestor->program) object.update(program_json(ancestor->program));
  return object;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json verdict_json(const Diagnosis& diagnosis) {
  const auto& why = diagnosis.why_not;
  if (!why) {
    return {{"usable", true},
            {"message", kUsable},
            {"reason", nullptr},
            {"detail", nullptr},
            {"cure", nullptr}};
  }
  return {{"usable", false},
          {"message", why->message()},
          {"reason", name_of(why->reason)},
          {"detail", why->finding()},
          {"cure", why->cure()}};
}

void add_jobserver(Json& object, const Diagnosis& diagnosis) {
  const bool speaks = !diagnosis.variable.empty();
  const auto* fifo = fifo_of(diagnosis);
  const auto* pipe = pipe_of(diagnosis);
  const auto& reached = diagnosis.reached;
  object["variable"] = speaks ? Json(diagnosis.variable) : Json();
  object["value"] = speaks ? Json(diagnosis.value) : Json();
  object["kind"] = diagnosis.jobserver ? Json(kind_of(diagnosis)) : Json();
  object["path"] = fifo != nullptr ? Json(fifo->path) : Json();
  object["descriptors"] =
      pipe != nullptr && pipe->read_fd >= 0 ? Json::array({pipe->read_fd, pipe->write_fd}) : Json();
  object["withheld"] = pipe != nullptr ? Json(pipe->withheld) : Json();
  object["reached"] = nullptr;
  if (reached) {
    const char* const inherited = pipe != nullptr ? "inherited" : "path";
    object["reached"] = reached->holder ? "make" : inherited;
  }
  object["job_slots"] = diagnosis.jobserver ? or_null(diagnosis.jobserver->job_slots) : Json();
  object["tokens_free"] = reached ? or_null(reached->tokens_free) : Json();
}

}  // namespace

std::string text_report(const Diagnosis& diagnosis) {
  std::string text = line("MAKEFLAGS", makeflags_text(diagnosis));
  if (!diagnosis.variable.empty() && diagnosis.variable != "MAKEFLAGS") {
    text += line(diagnosis.variable, diagnosis.value);
  }
  text += line("jobserver", jobserver_text(diagnosis));
  if (!diagnosis.variable.empty()) text += line("reached", reached_text(diagnosis));
  if (diagnosis.jobserver) {
    const auto job_slots = diagnosis.jobserver->job_slots;
    text += line("job slots", job_slots ? std::to_string(*job_slots) : "unknown");
    if (diagnosis.reached) text += line("tokens free", free_text(*diagnosis.reached, job_slots));
  }
  if (diagnosis.ancestor) {
    text += line("make above", program_text(diagnosis.ancestor->program) + " (process " +
                                   std::to_string(diagnosis.ancestor->process) + ")");
  }
  text += line("make on PATH", diagnosis.on_path ? program_text(diagnosis.on_path) : "none");
  if (const auto& why = diagnosis.why_not) {
    return text + "\nnot usable: " + why->finding() + "\ncure: " + why->cure() + "\n";
  }
  return text + "\nusable: " + kUsable + "\n";
}

std::string json_report(const Diagnosis& diagnosis) {
  Json object = verdict_json(diagnosis);
  object["makeflags"] = or_null(diagnosis.makeflags);
  add_jobserver(object, diagnosis);
  object["make_above"] = ancestor_json(diagnosis.ancestor);
  object["make_on_path"] = program_json(diagnosis.on_path);
  return object.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace jobslots
