// A client on AutobahnJS or wampy, called as benches/c/meter.h tells, after a library's name:
//
//     node javascript.js autobahn|wampy ROLE URL ...
//
// It reads every payload that it gets. wampy has all publications acknowledged, so it has no figure
// for publishing.

"use strict";

const fs = require("fs");

const [library, role, url, serializer, ...numbers] = process.argv.slice(2);
const [size, seconds, inFlight, scale] = numbers.map(Number);
const payload = "x".repeat(size);

// ---- the libraries ----

function openAutobahn() {
  globalThis.WebSocket ??= require("ws");
  const autobahn = require("autobahn");
  const name = { json: "JSON", msgpack: "Msgpack", cbor: "CBOR" }[serializer];
  const serializers = [new autobahn.serializer[`${name}Serializer`]()];
  const transports = [{ type: "websocket", url, serializers }];
  return new Promise((resolve, reject) => {
    const connection = new autobahn.Connection({ realm: "realm1", transports, max_retries: 0 });
    connection.onopen = (session) =>
      resolve({
        call: () => session.call("bench.echo.0", [payload]),
        register: (take) => session.register("bench.echo.0", ([text]) => take(text)),
        subscribe: (take) => session.subscribe("bench.topic.0", ([text]) => take(text)),
        publish: () => session.publish("bench.topic.0", [payload]),
        acknowledged: () => session.publish("bench.topic.0", [payload], {}, { acknowledge: true }),
        close: () => new Promise((closed) => {
          connection.onclose = () => (closed(), true);
          connection.close();
        }),
      });
    connection.onclose = (reason) => (reject(new Error(reason)), true);
    connection.open();
  });
}

async function openWampy() {
  const { Wampy } = require("wampy");
  const name = { json: "Json", msgpack: "Msgpack", cbor: "Cbor" }[serializer] + "Serializer";
  const Serializer = require(`wampy/${name}.js`)[name];
  const options = { realm: "realm1", ws: require("ws"), autoReconnect: false };
  const client = new Wampy(url, { ...options, serializer: new Serializer() });
  await client.connect();
  return {
    call: async () => (await client.call("bench.echo.0", [payload])).argsList[0],
    register: (take) =>
      client.register("bench.echo.0", ({ argsList }) => ({ argsList: [take(argsList[0])] })),
    subscribe: (take) =>
      client.subscribe("bench.topic.0", ({ argsList }) => void take(argsList[0])),
    close: () => client.disconnect(),
  };
}

const open = library === "autobahn" ? openAutobahn : openWampy;

// ---- measuring ----

const wall = () => Number(process.hrtime.bigint()) / 1e3;

function cpu() {
  const used = process.cpuUsage();
  return used.user + used.system;
}

const resident = () => process.memoryUsage.rss() / 1024;

function end(figures) {
  fs.writeSync(1, JSON.stringify(figures) + "\n");
  process.exit(0);
}

function check(text) {
  if (typeof text === "string" && text.length === size) return text;
  throw new Error("a payload of another size");
}

// Measures for so many seconds, after a quarter of them for getting warm.
class Meter {
  began = wall();
  start = null;
  times = [];

  get isWarm() {
    return wall() - this.began > seconds * 0.25e6;
  }

  get isDue() {
    return this.start !== null && wall() - this.start.wall > seconds * 1e6;
  }

  begin(count) {
    this.start = { wall: wall(), cpu: cpu(), count };
  }

  tick(count) {
    if (this.start === null && this.isWarm) this.begin(count);
    else if (this.isDue) this.report(count);
  }

  time(start) {
    if (this.start !== null) this.times.push(wall() - start);
  }

  report(count, spent = cpu() - this.start.cpu) {
    const messages = Math.max(count - this.start.count, 1);
    const elapsed = wall() - this.start.wall;
    const figures = { messages, cpu: spent / messages, wall: elapsed / messages };
    if (this.times.length) {
      this.times.sort((a, b) => a - b);
      for (const [name, part] of [["p50", 0.5], ["p99", 0.99]])
        figures[name] = this.times[Math.floor((this.times.length - 1) * part)];
    }
    end(figures);
  }
}

// ---- roles ----

async function call(session) {
  const meter = new Meter();
  let count = 0;
  async function oneAfterTheOther() {
    for (;;) {
      const start = wall();
      check(await session.call());
      count++;
      if (inFlight === 1) meter.time(start);
      if (inFlight === 1 || count % 16 === 0) meter.tick(count);
    }
  }
  await Promise.all(Array.from({ length: inFlight }, oneAfterTheOther));
}

async function publish(session) {
  const meter = new Meter();
  for (let count = 64; ; count += 64) {
    for (let i = 0; i < 64; i++) session.publish();
    await new Promise(setImmediate); // so that they are written
    if (meter.start === null && meter.isWarm) {
      await session.acknowledged();
      meter.begin(count);
    } else if (meter.isDue) {
      await session.acknowledged();
      meter.report(count);
    }
  }
}

// What takes payloads, and measures from the first one on.
function counter() {
  let count = 0;
  let meter = null;
  return (text) => {
    meter ??= new Meter();
    if (++count % 16 === 0) meter.tick(count);
    return check(text);
  };
}

// Measures only what opens, and not what closes.
async function connect() {
  const meter = new Meter();
  let count = 0;
  let spent = 0;
  while (!meter.isDue) {
    const [start, used] = [wall(), cpu()];
    const session = await open();
    if (meter.start !== null) {
      spent += cpu() - used;
      count++;
      meter.time(start);
    } else if (meter.isWarm) {
      meter.begin(0);
    }
    await session.close();
  }
  meter.report(count, spent);
}

async function memory() {
  const sessions = [await open()];
  const one = resident();
  while (sessions.length < scale) sessions.push(await open());
  const all = resident();
  const each = scale > 1 ? { each: (all - one) / (scale - 1) } : {};
  end({ messages: scale, resident: all, ...each });
}

async function main() {
  if (role === "connect") return connect();
  if (role === "memory") return memory();
  const session = await open();
  if (role === "call") return call(session);
  if (role === "publish" && session.publish) return publish(session);
  if (role === "invocation") await session.register(counter());
  else if (role === "event") await session.subscribe(counter());
  else throw new Error(`${library} has no figure for the role ${role}`);
  fs.writeSync(1, "ready\n");
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
