#pragma once

/// Reads Chrome trace-event files ("Trace Event Format", JSON Array and JSON Object Format): the
/// complete events ("X"), and process_name and thread_name of the metadata ("M"). Other events are
/// none of a timeline's business.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "timeline/run.h"

namespace jobslots::timeline {

/// What became of one file.
struct Reading {
  bool complete = false;       ///< false: cut off or damaged; what is whole before that was read.
  std::size_t byte = 0;        ///< Where that is, from 1; 0 where unknown. Only if !complete.
  std::size_t spans = 0;       ///< Complete events read.
  std::size_t broken = 0;      ///< Events left out: ts, dur, pid or tid is missing or cannot be.
  std::size_t unreadable = 0;  ///< Left out too: what stands where an event should, and is none.
};

/// Puts the sessions of any number of files on one clock.
class TraceReader {
 public:
  /// Adds the content of a file. Two files never share a session, even if their pids are the same.
  Reading read(std::string_view text);

  /// What was read. Nothing is to be read afterwards.
  Run finish();

 private:
  class File;

  using Key = std::pair<std::size_t, std::string>;  ///< File, pid.
  struct Process {
    std::string name;
    std::map<std::string, Lane> lanes;  ///< By tid.
  };

  std::size_t files_ = 0;
  std::map<Key, Process> processes_;
  unsigned job_slots_ = 0;
};

}  // namespace jobslots::timeline
