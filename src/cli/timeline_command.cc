#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "timeline/html.h"
#include "timeline/svg.h"
#include "timeline/trace_reader.h"

namespace jobslots {
namespace {

constexpr const char* kUsage = "usage: jobslots timeline TRACE.json... [-o FILE.html|FILE.svg]";

constexpr const char* kHelp =
    "\n"
    "\n"
    "Draws what ran when, from the traces of one run of make: those of pytest "
    "--jobslots-trace=FILE,\n"
    "and any other in Chrome's trace-event format whose times are of CLOCK_MONOTONIC. Prints the\n"
    "name of the picture.\n"
    "\n"
    "  -o, --output FILE  a page (.html) or a picture (.svg); timeline.html where none is given\n"
    "\n"
    "Exit status: 0 drawn, 1 not, 2 wrong arguments.\n";

struct Options {
  bool help = false;
  std::vector<std::string> traces;
  std::string output = "timeline.html";
};

Options parsed(Arguments arguments) {
  Options options;
  bool only_names = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    constexpr std::string_view kOutput = "--output=";
    if (!only_names && (word == "--help" || word == "-h")) {
      options.help = true;
      return options;
    }
    if (!only_names && word == "--") {
      only_names = true;
    } else if (!only_names && word.starts_with(kOutput)) {
      options.output = word.substr(kOutput.size());
    } else if (!only_names && (word == "-o" || word == "--output")) {
      if (++i == arguments.size()) throw UsageError(word + " needs the name of a file\n" + kUsage);
      options.output = arguments[i];
    } else if (!only_names && word.starts_with("-")) {
      throw UsageError("there is no option " + word + "\n" + kUsage);
    } else {
      options.traces.push_back(word);
    }
  }
  if (options.traces.empty()) throw UsageError(std::string("no trace is given\n") + kUsage);
  if (!options.output.ends_with(".html") && !options.output.ends_with(".svg")) {
    throw UsageError("\"" + options.output + "\" ends with neither .html nor .svg\n" + kUsage);
  }
  return options;
}

/// The cause of the last failed call, for a message about the file.
std::runtime_error file_error(const std::string& path, const char* what) {
  return std::runtime_error("\"" + path + "\" cannot be " + what + ": " + std::strerror(errno));
}

std::string content(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw file_error(path, "read");
  std::string text;
  std::array<char, 65536> part;
  do {
    file.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
  } while (file);
  if (file.bad()) throw file_error(path, "read");  // A folder can be opened, but not be read.
  return text;
}

void note(const std::string& path, const std::string& text) {
  std::fprintf(stderr, "jobslots timeline: \"%s\" %s\n", path.c_str(), text.c_str());
}

void read(timeline::TraceReader& reader, const std::string& path) {
  const std::string text = content(path);
  if (text.empty()) {
    throw std::runtime_error("\"" + path +
                             "\" is empty; give a file that pytest has written with "
                             "--jobslots-trace");
  }
  const timeline::Reading reading = reader.read(text);
  const std::string place =
      reading.byte == 0 ? std::string("somewhere") : "at byte " + std::to_string(reading.byte);
  if (!reading.complete && reading.spans == 0) {
    throw std::runtime_error("\"" + path + "\" is no trace: not JSON " + place +
                             "; give a file in the Chrome trace-event format");
  }
  if (!reading.complete) {
    note(path, "is cut off or damaged " + place + "; the picture has the " +
                   std::to_string(reading.spans) + " events before");
  }
  if (reading.broken != 0) {
    note(path, "has " + std::to_string(reading.broken) +
                   " events without a proper ts, dur, pid and tid; the picture is without them");
  }
  if (reading.unreadable != 0) {
    note(path, "has " + std::to_string(reading.unreadable) +
                   " events that are no JSON; the picture is without them");
  }
  if (reading.complete && reading.spans == 0) {
    note(path, "has no tests or other spans (events with \"ph\":\"X\")");
  }
}

/// The traces without those that name a file once more: their tests would count twice.
std::vector<std::string> without_repetitions(const std::vector<std::string>& traces) {
  std::vector<std::string> once;
  std::set<std::filesystem::path> files;
  for (const std::string& trace : traces) {
    std::error_code error;
    const auto file = std::filesystem::canonical(trace, error);
    if (error || files.insert(file).second) {
      once.push_back(trace);
    } else {
      note(trace, "is given more than once; the picture has it once");
    }
  }
  return once;
}

void write(const std::string& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw file_error(path, "written");
}

}  // namespace

int timeline_command(Arguments arguments) {
  const Options options = parsed(arguments);
  if (options.help) {
    std::printf("%s%s", kUsage, kHelp);
    return EXIT_SUCCESS;
  }
  try {
    timeline::TraceReader reader;
    for (const std::string& path : without_repetitions(options.traces)) read(reader, path);
    const timeline::Run run = reader.finish();
    if (run.sessions.empty()) throw std::runtime_error("nothing to draw: no trace has a span");
    write(options.output,
          options.output.ends_with(".svg") ? timeline::svg(run) : timeline::html(run));
    std::puts(options.output.c_str());
  } catch (const std::bad_alloc&) {
    std::fputs("jobslots timeline: there is not enough memory for these traces\n", stderr);
    return EXIT_FAILURE;
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "jobslots timeline: %s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace jobslots
