// What the JavaScript peers share: they are driven through their standard input, as peer.py is.
//
// Each line in either direction is JSON: in, a method's name, its arguments and its keyword arguments; out, true and
// what it returned, or false and why it failed.

"use strict";

const readline = require("node:readline");

const received = new Map(); // URI -> what came for it
const waiting = []; // who waits for more of it

function note(uri, what) {
  if (!received.has(uri)) received.set(uri, []);
  received.get(uri).push(what);
  for (const look of waiting.splice(0)) look();
}

function seen([uri, count]) {
  return new Promise((resolve) => {
    const look = () => {
      const list = received.get(uri) || [];
      if (list.length < count) waiting.push(look);
      else resolve(list);
    };
    look();
  });
}

// Some decoders make a BigInt of what needs 64 bits on the wire, which JSON cannot have.
function plain(_, value) {
  return typeof value === "bigint" ? Number(value) : value;
}

function say(good, value) {
  process.stdout.write(JSON.stringify([good, value === undefined ? null : value], plain) + "\n");
}

// Says that the session is joined, and does what it is told until the input ends.
async function drive(methods) {
  say(true, "joined");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [method, args, kwargs] = JSON.parse(line);
    try {
      say(true, await (method === "seen" ? seen(args) : methods[method](args, kwargs)));
    } catch (error) {
      say(false, String((error && error.stack) || error));
    }
  }
}

module.exports = { note, drive };
