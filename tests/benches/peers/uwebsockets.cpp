// A uWebSockets server for the benchmarks: one thread, no compression, no TLS. README.md of the
// benchmarks has the commands that compile and measure it.
//
//     uwebsockets PORT echo|room
//
// Limits that refuse a message of 1 MiB or 64 messages of 4 KiB in flight are raised.

#include <cstdlib>
#include <iostream>
#include <string_view>

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
    behavior.message = [](Connection *connection, std::string_view message, uWS::OpCode opcode) {
        connection->send(message, opcode);
    };
}

// Sends every message to all connections, including the sender, which `Connection::publish` leaves
// out.
void room(uWS::App &app, uWS::App::WebSocketBehavior<ConnectionData> &behavior) {
    behavior.open = [](Connection *connection) { connection->subscribe(LOBBY); };
    behavior.message = [&app](Connection *, std::string_view message, uWS::OpCode opcode) {
        app.publish(LOBBY, message, opcode);
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
    if (task == "echo") {
        echo(behavior);
    } else if (task == "room") {
        room(app, behavior);
    }
    if (port <= 0 || !behavior.message) {
        std::cerr << "usage: uwebsockets PORT echo|room\n";
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
