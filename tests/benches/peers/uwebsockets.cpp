// A uWebSockets server for the benchmarks: one thread, no TLS. README.md of the benchmarks has the
// commands that compile and measure it.
//
//     uwebsockets PORT echo|room|compressed-echo|compressed-room|windowed-echo
//
// The last three need zlib, so they exist without UWS_NO_ZLIB only. uWebSockets compresses with
// zlib's default level, 6, and has no setting for it. Here the default is replaced by level 1, as
// all servers of the benchmarks have it; COMPRESSION_LEVEL=-1 keeps the 6.
//
// Limits that refuse a message of 1 MiB or 64 messages of 4 KiB in flight are raised.

#include <cstdlib>
#include <iostream>
#include <string_view>

#ifndef UWS_NO_ZLIB
#include <zlib.h>
#ifndef COMPRESSION_LEVEL
#define COMPRESSION_LEVEL 1
#endif
#undef Z_DEFAULT_COMPRESSION
#define Z_DEFAULT_COMPRESSION COMPRESSION_LEVEL
#endif

#include "App.h"

constexpr unsigned int MAX_MESSAGE_BYTES = 2 << 20;
constexpr unsigned int MAX_UNSENT_BYTES = 64 << 20;

// The topic that every connection subscribes to.
constexpr std::string_view LOBBY = "lobby";

// Connections have no data.
struct ConnectionData {};

using Connection = uWS::WebSocket<false, true, ConnectionData>;

// Echoes every message.
void echo(uWS::App::WebSocketBehavior<ConnectionData> &behavior) {
    const bool compresses = behavior.compression != uWS::DISABLED;
    behavior.message = [compresses](Connection *connection, std::string_view message, uWS::OpCode opcode) {
        connection->send(message, opcode, compresses);
    };
}

// Sends every message to all connections, including the sender, which `Connection::publish` leaves
// out.
void room(uWS::App &app, uWS::App::WebSocketBehavior<ConnectionData> &behavior) {
    const bool compresses = behavior.compression != uWS::DISABLED;
    behavior.open = [](Connection *connection) { connection->subscribe(LOBBY); };
    behavior.message = [&app, compresses](Connection *, std::string_view message, uWS::OpCode opcode) {
        app.publish(LOBBY, message, opcode, compresses);
    };
}

int main(int argc, char **argv) {
    const int port = argc == 3 ? std::atoi(argv[1]) : 0;
    const std::string_view task = argc == 3 ? argv[2] : "";
    uWS::App app;
    uWS::App::WebSocketBehavior<ConnectionData> behavior;
    behavior.compression = uWS::DISABLED;
    behavior.maxPayloadLength = MAX_MESSAGE_BYTES;
    behavior.maxBackpressure = MAX_UNSENT_BYTES;
#ifndef UWS_NO_ZLIB
    if (task == "compressed-echo" || task == "compressed-room") {
        behavior.compression = uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR);
    } else if (task == "windowed-echo") {
        // The name has the memory; the window is 4 KiB.
        behavior.compression =
            uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR_32KB | uWS::DEDICATED_DECOMPRESSOR_4KB);
    }
#endif
    const bool compresses = behavior.compression != uWS::DISABLED;
    if (task == "echo" || ((task == "compressed-echo" || task == "windowed-echo") && compresses)) {
        echo(behavior);
    } else if (task == "room" || (task == "compressed-room" && compresses)) {
        room(app, behavior);
    }
    if (port <= 0 || !behavior.message) {
        std::cerr << "usage: uwebsockets PORT echo|room|compressed-echo|compressed-room|windowed-echo\n";
        return 2;
    }
    bool is_listening = false;
    app.ws<ConnectionData>("/bench", std::move(behavior));
    app.listen("127.0.0.1", port, [&](auto *listener) { is_listening = listener != nullptr; });
    if (!is_listening) {
        std::cerr << "port " << port << " of 127.0.0.1 is taken\n";
        return 1;
    }
    app.run();
}
