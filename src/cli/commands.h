#pragma once

namespace jobslots {

/// `jobslots broker`: what the pytest plugin starts. Descriptor 0 is a connected SOCK_SEQPACKET
/// socket whose other end the controller holds; see broker/protocol.h. Returns the exit status.
int broker_command();

}  // namespace jobslots
