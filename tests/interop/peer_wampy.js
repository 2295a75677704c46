// A WAMP client by wampy that a test drives, see driven.js:
//
//     node peer_wampy.js URL REALM [SERIALIZER [AUTHID TICKET]]

"use strict";

const WebSocket = require("ws");
const { Wampy, Errors } = require("wampy");
const { JsonSerializer } = require("wampy/JsonSerializer.js");
const { MsgpackSerializer } = require("wampy/MsgpackSerializer.js");
const { CborSerializer } = require("wampy/CborSerializer.js");
const { note, drive } = require("./driven.js");

const [url, realm, serializer = "json", authid, ticket] = process.argv.slice(2);
const serializers = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer };
const login = authid ? { authid, authmethods: ["ticket"], onChallenge: () => ticket } : {};
const wampy = new Wampy(url, {
  realm,
  ws: WebSocket,
  autoReconnect: false,
  uriValidation: "loose",
  serializer: new serializers[serializer](),
  ...login,
});

function both(data) {
  return [data.argsList || [], data.argsDict || {}];
}

// Empty arguments must not be taken for a payload of their own.
function payload(args, kwargs) {
  return { argsList: args, ...(Object.keys(kwargs).length ? { argsDict: kwargs } : {}) };
}

const behaviours = {
  echo: ([args, kwargs]) => payload(args, kwargs),
  fail: ([[uri, ...args], kwargs]) => {
    throw Object.assign(new Error(uri), { error: uri, argsList: args, argsDict: kwargs });
  },
  count: ([[to]], data) => {
    for (let number = 0; number < to; number++)
      data.result_handler({ argsList: [number], options: { progress: true } });
    return { argsList: [to] };
  },
};

const methods = {
  async serve([procedure, behaviour]) {
    await wampy.register(procedure, (data) => {
      note(procedure, both(data));
      return behaviours[behaviour](both(data), data);
    });
  },

  async listen([topic]) {
    await wampy.subscribe(topic, (data) => note(topic, both(data)));
  },

  // What a call gave, as [error, args, kwargs].
  async call([procedure, ...args], kwargs) {
    try {
      return [null, ...both(await wampy.call(procedure, payload(args, kwargs)))];
    } catch (error) {
      if (!(error instanceof Errors.CallError)) throw error;
      return [error.errorUri || error.error, ...both(error)];
    }
  },

  // The error of a request that subscribes, registers or publishes; null without one.
  async tries([verb, uri], options) {
    const requests = {
      subscribe: () => wampy.subscribe(uri, (data) => note(uri, both(data)), options),
      register: () => wampy.register(uri, (data) => behaviours.echo(both(data)), options),
      publish: () => wampy.publish(uri, payload(["from wampy"], {}), options),
    };
    try {
      await requests[verb]();
      return null;
    } catch (error) {
      if (!error.errorUri) throw error;
      return error.errorUri;
    }
  },

  async call_counter([procedure, count]) {
    const progress = [];
    const result = await wampy.call(procedure, [count], {
      progress_callback: (data) => progress.push(data.argsList[0]),
    });
    return [progress, result.argsList[0]];
  },

  async publish([topic, ...args], kwargs) {
    await wampy.publish(topic, payload(args, kwargs));
  },

  publish_numbers([topic, count]) {
    for (let number = 0; number < count; number++) wampy.publish(topic, [number]);
  },
};

wampy
  .connect()
  .then(() => drive(methods))
  .then(() => wampy.disconnect())
  .then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
