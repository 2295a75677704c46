// A client on autobahn-cpp, called as benches/c/meter.h tells. It speaks MsgPack alone, and has no
// acknowledged publications: a call is what they are awaited by. All runs on one io_service, and
// continuations run at once, which is its fastest way. It reads every payload that it gets.

#include <autobahn/autobahn.hpp>
#include <autobahn/wamp_websocketpp_websocket_transport.hpp>
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>

#include <list>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "../c/meter.h"
}

namespace {

using Then = std::function<void()>;
using Websocket = websocketpp::client<websocketpp::config::asio_client>;
using Transport =
    autobahn::wamp_websocketpp_websocket_transport<websocketpp::config::asio_client>;

arguments_t arguments;
meter_t meter;
boost::asio::io_service service;
long sent, done;

class Client {
public:
  // Connects and joins.
  void open(Then then) {
    make_transport();
    session = std::make_shared<autobahn::wamp_session>(service, false);
    transport->attach(std::static_pointer_cast<autobahn::wamp_transport_handler>(session));
    keep(transport->connect().then(boost::launch::sync, [=](boost::future<void> connected) {
      connected.get();
      service.post([=] { join(then); });
    }));
  }

  void close() { transport->disconnect(); }

  void call(Then then) {
    auto look = [=](boost::future<autobahn::wamp_call_result> result) {
      check(result.get().argument<std::string>(0));
      service.post(then);
    };
    keep(session->call("bench.echo.0", payload).then(boost::launch::sync, std::move(look)));
  }

  void publish() { session->publish("bench.topic.0", payload); }

  void provide(Then on_call, Then then) {
    auto echo = [=](autobahn::wamp_invocation invocation) {
      auto text = invocation->argument<std::string>(0);
      check(text);
      invocation->result(std::make_tuple(text));
      on_call();
    };
    auto ready = [=](boost::future<autobahn::wamp_registration> made) {
      made.get();
      then();
    };
    keep(session->provide("bench.echo.0", echo).then(boost::launch::sync, std::move(ready)));
  }

  void subscribe(Then on_event, Then then) {
    auto look = [=](const autobahn::wamp_event& event) {
      check(event.argument<std::string>(0));
      on_event();
    };
    auto ready = [=](boost::future<autobahn::wamp_subscription> made) {
      made.get();
      then();
    };
    keep(session->subscribe("bench.topic.0", look).then(boost::launch::sync, std::move(ready)));
  }

private:
  void make_transport() {
    std::string url = arguments.url;
    if (url.compare(0, 2, "ws") != 0) {
      auto port = static_cast<unsigned short>(std::stoi(url.substr(url.rfind(':') + 1)));
      auto host = boost::asio::ip::address::from_string("127.0.0.1");
      boost::asio::ip::tcp::endpoint endpoint(host, port);
      transport = std::make_shared<autobahn::wamp_tcp_transport>(service, endpoint, false);
      return;
    }
    websocket.init_asio(&service);
    websocket.set_tcp_post_init_handler([this](websocketpp::connection_hdl handle) {
      boost::system::error_code ignored;
      auto& socket = websocket.get_con_from_hdl(handle)->get_raw_socket();
      socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    });
    transport = std::make_shared<Transport>(websocket, url, false);
  }

  void join(Then then) {
    keep(session->start().then(boost::launch::sync, [=](boost::future<void> started) {
      started.get();
      auto ready = [=](boost::future<uint64_t> joined) {
        joined.get();
        service.post(then);
      };
      keep(session->join("realm1").then(boost::launch::sync, std::move(ready)));
    }));
  }

  static void check(const std::string& text) {
    if (text.size() != arguments.size) fail("a payload of another size");
  }

  // A future that is dropped waits for its end, so they are kept until they are ready.
  void keep(boost::future<void>&& future) {
    futures.push_back(std::move(future));
    if (futures.size() <= 4000) return;
    futures.remove_if([](const boost::future<void>& one) { return one.is_ready(); });
  }

  Websocket websocket;
  std::shared_ptr<autobahn::wamp_transport> transport;
  std::shared_ptr<autobahn::wamp_session> session;
  std::list<boost::future<void>> futures;
  std::tuple<std::string> payload{std::string(arguments.size, 'x')};
};

// ---- roles ----

void end() {
  meter_report(&meter);
  _exit(0);
}

void count_done() {
  if ((++done & 15) == 0 && meter_tick(&meter, done)) end();
}

void call_in_sequence(Client& client) {
  double start = wall_us();
  client.call([&client, start] {
    meter_time(&meter, wall_us() - start);
    if (meter_tick(&meter, ++done)) end();
    call_in_sequence(client);
  });
}

void call_again(Client& client) {
  client.call([&client] {
    count_done();
    call_again(client);
  });
}

// Sixty-four at a time, and then what else there is to do.
void publish(Client& client) {
  for (int i = 0; i < 64; i++, sent++) client.publish();
  if (!meter.measuring && meter_is_warm(&meter)) {
    client.call([&client] {
      meter_start(&meter, sent);
      publish(client);
    });
  } else if (meter_is_due(&meter)) {
    client.call([] {
      meter_stop(&meter, sent);
      end();
    });
  } else {
    service.post([&client] { publish(client); });
  }
}

double spent;

// Only what opens is measured, and not what closes.
void open_again() {
  auto client = std::make_shared<std::unique_ptr<Client>>(new Client);
  double wall = wall_us(), cpu = cpu_us();
  (*client)->open([client, wall, cpu] {
    meter_time(&meter, wall_us() - wall);
    if (meter.measuring) spent += cpu_us() - cpu;
    (*client)->close();
    static std::vector<std::unique_ptr<Client>> closed; // they still have callbacks to come
    closed.push_back(std::move(*client));
    if (meter_tick(&meter, ++done)) {
      meter.cpu = spent;
      end();
    }
    service.post(open_again);
  });
}

std::vector<std::unique_ptr<Client>> clients;
double one;

void open_more() {
  if (clients.size() == 1) one = resident_kib();
  if (static_cast<long>(clients.size()) == arguments.scale) {
    report_memory(one, resident_kib(), arguments.scale);
    _exit(0);
  }
  clients.emplace_back(new Client);
  clients.back()->open(open_more);
}

void work(Client& client) {
  std::string role = arguments.role;
  if (role == "call" && arguments.in_flight == 1) call_in_sequence(client);
  else if (role == "call")
    for (long i = 0; i < arguments.in_flight; i++) call_again(client);
  else if (role == "publish") publish(client);
  else if (role == "invocation") client.provide(count_done, say_ready);
  else if (role == "event") client.subscribe(count_done, say_ready);
  else fail("no such role");
}

} // namespace

int main(int argc, char** argv) {
  arguments = arguments_of(argc, argv);
  meter.seconds = arguments.seconds;
  if (std::string(arguments.serializer) != "msgpack") fail("autobahn-cpp has MsgPack alone");
  allow_files(arguments.scale);
  Client client;
  if (std::string(arguments.role) == "connect") service.post(open_again);
  else if (std::string(arguments.role) == "memory") service.post(open_more);
  else client.open([&] { work(client); });
  service.run();
}
