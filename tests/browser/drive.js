// Drives a page in Chromium, by its DevTools: node drive.js BROWSER PAGE SCREENSHOT
"use strict";
const fs = require("fs");
const WebSocket = require("ws");

const [browser, page, shot] = process.argv.slice(2);
const socket = new WebSocket(browser, { perMessageDeflate: false });
const waiting = new Map();
let last = 0;
let session;

function ask(method, params = {}) {
  const id = ++last;
  socket.send(JSON.stringify({ id, method, params, sessionId: session }));
  return new Promise((good, bad) => waiting.set(id, { good, bad }));
}

socket.on("message", (text) => {
  const message = JSON.parse(text);
  if (message.method === "Runtime.exceptionThrown") fail(JSON.stringify(message.params.exceptionDetails));
  const asked = waiting.get(message.id);
  if (!asked) return;
  waiting.delete(message.id);
  message.error ? asked.bad(new Error(message.error.message)) : asked.good(message.result);
});

function fail(why) {
  console.error(why);
  process.exit(1);
}

async function value(expression) {
  const { result, exceptionDetails } = await ask("Runtime.evaluate", {
    expression, awaitPromise: true, returnByValue: true,
  });
  if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
  return result.value;
}

// Waits in the page until an expression is true there: it is looked at whenever something changes.
const until = (expression) => value(`new Promise((done, failed) => {
  const look = () => { if (${expression}) { observer.disconnect(); done(true); } };
  const observer = new MutationObserver(look);
  observer.observe(document.documentElement, { subtree: true, childList: true, attributes: true, characterData: true });
  setTimeout(() => failed(new Error(${JSON.stringify(expression)} + " is not so: " + document.body.innerText)), 60000);
  look();
})`);

const choose = (interval) => value(`{
  const select = document.getElementById("interval");
  select.value = "${interval}";
  select.dispatchEvent(new Event("change"));
}`);

socket.on("open", async () => {
  try {
    const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
    session = (await ask("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    await ask("Page.enable");
    await ask("Runtime.enable");
    const loaded = new Promise((done) => socket.on("message", (text) => {
      if (JSON.parse(text).method === "Page.loadEventFired") done();
    }));
    await ask("Page.navigate", { url: page });
    await loaded;
    await until(`document.getElementById("about").textContent.includes("processors, told through ws://")`);
    await choose(1);
    await until(`document.getElementById("told").textContent.includes("refuses: the interval has to be 100")`);
    await choose(100);
    await until(`document.getElementById("told").textContent === "The program tells it every 100 ms now."`);
    await until(`Number(document.body.dataset.loads) >= 30`);
    const figure = await value(`document.getElementById("memory").textContent`);
    if (!/^\d+ %$/.test(figure)) throw new Error(`memory: ${figure}`);
    // Both lines are on the plot.
    const colours = await value(`(() => {
      const canvas = document.getElementById("plot");
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const seen = new Set();
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add(data[at] + "," + data[at + 1] + "," + data[at + 2]);
      return [...seen];
    })()`);
    for (const wanted of ["37,99,235", "217,119,6"]) {
      if (!colours.includes(wanted)) throw new Error(`nothing is plotted in ${wanted}: ${colours}`);
    }
    const { data } = await ask("Page.captureScreenshot", { format: "png" });
    fs.writeFileSync(shot, Buffer.from(data, "base64"));
    process.exit(0);
  } catch (error) {
    fail(error.stack);
  }
});
socket.on("error", (error) => fail(error.stack));
