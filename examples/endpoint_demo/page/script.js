// Requests to write, events to hear what was written, a WebSocket to call. Each shows its connection and comes back with the server.

import { colour } from "./colour.js";

const byId = (id) => document.getElementById(id);

const made = (name, options = {}, ...children) => {
  const element = Object.assign(document.createElement(name), options);
  element.append(...children);
  return element;
};

const clock = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

const lamp = (id) => {
  const element = byId(`${id}-lamp`);
  const words = element.querySelector(".state");
  return (state, said) => {
    element.dataset.state = state;
    if (words.textContent !== said) words.textContent = said; // told to screen readers only when it changed
  };
};

const lamps = { http: lamp("http"), sse: lamp("sse"), websocket: lamp("websocket") };

// ---- HTTP: one way to ask, which knows the three ways an answer can fail

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.errors = problem.errors ?? []; // of a 422: where each misfit is, and what was expected there
    this.status = status;
  }
}

const ask = async (path, options) => {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    lamps.http("gone", "no answer");
    throw error;
  }
  lamps.http("live", `${options.method} ${answer.status}`);
  if (answer.status === 204) return null;
  if (answer.ok) return answer.json();
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
};

// ---- messages: shown by id, so that one that is heard twice (in the answer and in the event) is shown once

const list = byId("list");
const shown = new Map(); // from the id of a message to its line
const hue = (name) => [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 6, 0);

const line = ({ id, name, text, at }) => {
  const when = new Date(at);
  const remove = made("button", { type: "button", className: "remove", title: "Delete", textContent: "×" });
  remove.setAttribute("aria-label", `Delete the message of ${name}: ${text}`);
  remove.addEventListener("click", () => erase(id));
  const badge = made("span", { className: `badge hue-${hue(name)}`, textContent: [...name][0].toUpperCase() });
  badge.setAttribute("aria-hidden", "true");
  const by = made("p", { className: "by" }, made("b", { textContent: name }), " ");
  by.append(made("time", { dateTime: at, textContent: clock(when), title: when.toLocaleString() }));
  return made("li", {}, badge, made("div", {}, by, made("p", { className: "text", textContent: text })), remove);
};

const put = (message) => {
  if (shown.has(message.id)) return false;
  const element = line(message);
  shown.set(message.id, element);
  element.value = message.id;
  // The answer to a request may overtake the events before it.
  list.insertBefore(element, [...list.children].find(({ value }) => value < message.id) ?? null);
  return true;
};

const drop = (id) => {
  const element = shown.get(id);
  if (element === undefined) return;
  const neighbour = element.nextElementSibling ?? element.previousElementSibling;
  if (element.contains(document.activeElement)) (neighbour?.querySelector("button") ?? list).focus();
  element.remove();
  shown.delete(id);
};

const show = (messages) => {
  const kept = new Set(messages.map(({ id }) => id));
  [...shown.keys()].filter((id) => !kept.has(id)).forEach(drop);
  messages.forEach(put);
  byId("list-empty").textContent = "No messages yet. Write the first one: every open page shows it at once.";
};

const form = document.querySelector("#messages form");
const fields = ["name", "text"];

const withCode = (words) => words.split("`").map((piece, n) => (n % 2 ? made("code", { textContent: piece }) : piece));

const complain = (field, words) => {
  byId(`${field}-problem`).replaceChildren(...withCode(words));
  form.elements[field]?.setAttribute("aria-invalid", String(words !== ""));
};

form.addEventListener("input", ({ target }) => complain(target.name, ""));
form.elements.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

let unanswered = 0;
let sent = Promise.resolve(); // one message after the other, in the order in which they were written

const post = async (said) => {
  [...fields, "form"].forEach((field) => complain(field, ""));
  try {
    const options = { method: "POST", body: JSON.stringify(said), headers: { "content-type": "application/json" } };
    put(await ask("api/messages", options));
  } catch (error) {
    const { text } = form.elements;
    text.value = [said.text, text.value].filter(Boolean).join(" ");
    if (!(error instanceof Refused)) complain("form", "The server did not answer. Your message is still here, try again.");
    else if (error.errors.length === 0) complain("form", error.message);
    for (const { path, message } of error.errors ?? []) complain(path.replace("body.", ""), message);
    form.querySelector("[aria-invalid=true]")?.focus();
  }
  unanswered -= 1;
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = Object.fromEntries(fields.map((field) => [field, form.elements[field].value.trim()]));
  if (unanswered > 0 && said.text === "") return; // a second click for the same message
  unanswered += 1;
  form.elements.text.value = ""; // at once: the feed may show it before the answer comes, and then the next is begun
  form.elements.text.focus();
  sent = sent.then(() => post(said));
});

const erase = async (id) => {
  try {
    await ask(`api/messages/${id}`, { method: "DELETE" });
    drop(id);
  } catch (error) {
    if (error.status === 404) drop(id); // somebody else was faster
    else complain("form", "The server did not answer. The message is still there.");
  }
};

// ---- events: a browser reopens a stream by itself, with the last id it saw; what it missed comes first

const log = byId("wire-log");

const record = (event) => {
  const head = made("p", {}, made("b", { textContent: event.type }), made("span", { textContent: clock(new Date()) }));
  log.prepend(made("li", {}, head, made("code", { textContent: `id: ${event.lastEventId}\ndata: ${event.data}` })));
  while (log.children.length > 30) log.lastChild.remove();
};

const heard = {
  everything: ({ messages }) => show(messages),
  added: ({ message }) => {
    if (!put(message)) return;
    shown.get(message.id).classList.add("new");
    byId("said").textContent = `${message.name} wrote: ${message.text}`;
  },
  removed: ({ id }) => drop(id),
  listening: ({ pages }) => (byId("pages").textContent = pages === 1 ? "and watch both." : `${pages} pages are open now.`),
};

const listen = () => {
  const source = new EventSource("feed");
  const isHere = (yes) => {
    byId("away").hidden = yes;
    list.classList.toggle("old", !yes);
    if (!yes) byId("pages").textContent = "";
    if (!yes && shown.size === 0) byId("list-empty").textContent = "Waiting for the server…";
  };
  source.addEventListener("open", () => {
    isHere(true);
    lamps.sse("live", "live");
    count();
  });
  source.addEventListener("error", () => {
    isHere(false);
    lamps.sse("gone", "lost, retrying");
    count();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000); // after an answer that was no stream
  });
  for (const [type, act] of Object.entries(heard)) {
    source.addEventListener(type, (event) => {
      record(event);
      act(JSON.parse(event.data));
      count();
    });
  }
};

// ---- the WebSocket: it does not come back by itself

const echoForm = document.querySelector("#echo form");
const answers = byId("echo-log");
let socket;
let attempts = 0;
let called = 0; // when

const answer = ({ welcome, echo, n, of, problem }) => {
  const took = made("span", { className: "took", textContent: welcome ? "" : `${(performance.now() - called).toFixed(1)} ms` });
  const words = made("span", {}, ...(problem ? withCode(problem) : [welcome ?? echo]));
  if (of > 1) words.append(made("small", { textContent: ` ${n} of ${of}` }));
  answers.prepend(made("li", { className: welcome ? "quiet" : problem ? "problem" : "" }, words, took));
  while (answers.children.length > 30) answers.lastChild.remove();
};

const connect = () => {
  const address = new URL("echo", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    attempts = 0;
    lamps.websocket("live", "live");
    echoForm.querySelector("button").disabled = false;
  });
  socket.addEventListener("message", (event) => answer(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    echoForm.querySelector("button").disabled = true;
    lamps.websocket("gone", event.code === 1001 ? "goodbye, retrying" : "lost, retrying");
    setTimeout(connect, Math.min(1000 * 2 ** attempts++, 5000));
  });
};

echoForm.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  called = performance.now();
  socket.send(JSON.stringify({ text: echoForm.elements.text.value, times: Number(echoForm.elements.times.value) }));
});

// ---- the numbers, asked for once after each burst of news

let counting;

const count = () => {
  clearTimeout(counting);
  counting = setTimeout(async () => {
    try {
      const tally = await (await fetch("server/tally")).json();
      for (const kind of ["http", "sse", "websocket"]) byId(`tally-${kind}`).textContent = tally[kind].toLocaleString();
      byId("since").textContent = ` since ${clock(new Date(tally.since))}`;
      if (byId("http-lamp").dataset.state !== "live") lamps.http("live", "GET 200");
    } catch {
      lamps.http("gone", "no answer");
    }
  }, 200);
};

// ---- the code, and the way without a browser

document.querySelectorAll("details code").forEach((code) => code.closest("pre") && colour(code));

const base = location.href.replace(/[?#].*/, "").replace(/\/$/, "");
byId("curl").textContent = [
  `curl -N -H 'Accept: text/event-stream' ${base}/feed`,
  `curl -H 'Content-Type: application/json' -d '{"name": "curl", "text": "hello"}' ${base}/api/messages`,
].join("\n");

echoForm.querySelector("button").disabled = true;
listen();
connect();
