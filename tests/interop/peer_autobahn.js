// A WAMP client by autobahn-js that a test drives, see driven.js:
//
//     node peer_autobahn.js URL REALM [SERIALIZER [AUTHID TICKET]]

"use strict";

// It wants what browsers have: WebSocket, which Node.js has since version 22, and for long-poll XMLHttpRequest.
globalThis.WebSocket ??= require("ws");
globalThis.XMLHttpRequest ??= require("xmlhttprequest-ssl").XMLHttpRequest;
const autobahn = require("autobahn");
const { note, drive } = require("./driven.js");

const [url, realm, serializer = "json", authid, ticket] = process.argv.slice(2);
const { JSONSerializer, MsgpackSerializer, CBORSerializer } = autobahn.serializer;
const serializers = { json: JSONSerializer, msgpack: MsgpackSerializer, cbor: CBORSerializer };
const registrations = new Map();
let pending = null; // a call that start_call() has made
let session = null;

// What a call gave, as [error, args, kwargs].
async function outcome(promise) {
  try {
    const value = await promise;
    if (value instanceof autobahn.Result) return [null, value.args, value.kwargs];
    return [null, [value], {}];
  } catch (error) {
    if (!(error instanceof autobahn.Error)) throw error;
    return [error.error, error.args || [], error.kwargs || {}];
  }
}

const behaviours = {
  echo: (args, kwargs) => new autobahn.Result(args, kwargs),
  add: ([a, b]) => a + b,
  fail: ([uri, ...args], kwargs) => {
    throw new autobahn.Error(uri, args, kwargs);
  },
  count: ([to], kwargs, details) => {
    for (let number = 0; number < to; number++) details.progress([number]);
    return to;
  },
  hang: () => new Promise(() => {}),
  tell: (args, kwargs, details) => ({
    procedure: details.procedure,
    caller: details.caller,
    progress: Boolean(details.progress),
  }),
};

const methods = {
  session_id: () => session.id,

  async serve([procedure, behaviour, options]) {
    const endpoint = (args, kwargs, details) => {
      note(procedure, [args || [], kwargs || {}]);
      return behaviours[behaviour](args || [], kwargs || {}, details);
    };
    registrations.set(procedure, await session.register(procedure, endpoint, options));
  },

  async unserve([procedure]) {
    await session.unregister(registrations.get(procedure));
  },

  async kicked([procedure]) {
    const registration = registrations.get(procedure);
    await registration.on_unregister;
    return !registration.active;
  },

  async listen([topic], options) {
    await session.subscribe(topic, (args, kwargs) => note(topic, [args || [], kwargs || {}]), options);
  },

  async listen_in_detail([topic], options) {
    const handler = (args, kwargs, { publication, publisher, topic: full, retained }) =>
      note(topic, { publication, publisher, topic: full, retained: Boolean(retained) });
    return (await session.subscribe(topic, handler, options)).id;
  },

  call: ([procedure, ...args], kwargs) => outcome(session.call(procedure, args, kwargs)),

  // The error of a request that subscribes, registers or publishes; null without one.
  async tries([verb, uri], options) {
    const requests = {
      subscribe: () => session.subscribe(uri, (args, kwargs) => note(uri, [args || [], kwargs || {}]), options),
      register: () => session.register(uri, (args, kwargs) => behaviours.echo(args, kwargs), options),
      publish: () => session.publish(uri, ["from autobahn-js"], {}, { ...options, acknowledge: true }),
    };
    return (await outcome(requests[verb]()))[0];
  },

  async call_counter([procedure, count]) {
    const progress = [];
    const call = session.call(procedure, [count], {}, { receive_progress: true });
    call.then(null, null, (value) => progress.push(value));
    return [progress, await call];
  },

  start_call([procedure, ...args], kwargs) {
    pending = session.call(procedure, args, kwargs);
  },

  cancel_call([mode]) {
    pending.cancel({ mode });
    return outcome(pending);
  },

  async publish([topic, ...args], kwargs) {
    await session.publish(topic, args, kwargs, { acknowledge: true });
  },

  async publish_with([topic, options, ...args]) {
    return (await session.publish(topic, args, {}, { ...options, acknowledge: true })).id;
  },

  publish_numbers([topic, count]) {
    for (let number = 0; number < count; number++) session.publish(topic, [number]);
  },
};

const type = url.startsWith("http") ? "longpoll" : "websocket";
const login = authid ? { authid, authmethods: ["ticket"], onchallenge: () => ticket } : {};
const connection = new autobahn.Connection({
  transports: [{ type, url }],
  serializers: [new serializers[serializer]()],
  realm,
  max_retries: 0,
  ...login,
});
connection.onopen = (opened) => {
  session = opened;
  drive(methods).then(() => connection.close());
};
connection.onclose = (reason, details) => {
  if (reason === "closed") process.exit(0);
  console.error(reason, details);
  process.exit(1);
};
connection.open();
