// Three cards, three kinds of exchange. Each shows the state of its connection and comes back when the server does.

const card = (id) => {
  const root = document.getElementById(id);
  const find = (selector) => root.querySelector(selector);
  const pill = find(".state");
  return {
    find,
    show(state, words = state) {
      pill.dataset.state = state;
      if (pill.textContent !== words) pill.textContent = words; // said again only when it changed
    },
  };
};

const lost = (farewell) => (farewell ? "goodbye, retrying" : "lost, retrying");

// ---- the clock: a browser reopens an event stream by itself, but not after an answer that is none

const clock = card("clock");

const turn = (hand, degrees) => clock.find(`.${hand}`).setAttribute("transform", `rotate(${degrees} 100 100)`);

const tick = ({ time, date, zone, watching }) => {
  const [hours, minutes, seconds] = time.split(":").map(Number);
  turn("hours", 30 * hours + minutes / 2);
  turn("minutes", 6 * minutes + seconds / 10);
  turn("seconds", 6 * seconds);
  clock.find(".time").textContent = time;
  clock.find(".date").textContent = `${date} (${zone})`;
  clock.find(".watching").textContent = watching === 1 ? "Only you are watching." : `${watching} pages are watching.`;
};

const openClock = () => {
  const source = new EventSource("clock");
  let farewell = false;
  const ticking = (yes) => (clock.find(".face").dataset.ticking = yes);
  source.addEventListener("open", () => {
    farewell = false;
    ticking(true);
    clock.show("live");
    loadNotes();
  });
  source.addEventListener("tick", (event) => tick(JSON.parse(event.data)));
  source.addEventListener("closing", () => (farewell = true));
  source.addEventListener("error", () => {
    ticking(false);
    clock.show("gone", lost(farewell));
    notes.show("gone", "server away");
    if (source.readyState === EventSource.CLOSED) setTimeout(openClock, 2000);
  });
};

// ---- the echo: a WebSocket does not come back by itself

const echo = card("echo");
const echoForm = echo.find("form");
const calls = []; // what is on its way: [text, when it left]
let socket;
let attempts = 0;
let dismissed = false; // the server said that it ends

const openEcho = () => {
  const address = new URL("echo", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    attempts = 0;
    dismissed = false;
    echo.show("live");
    echo.find("button").disabled = false;
  });
  socket.addEventListener("message", (event) => heard(event.data));
  socket.addEventListener("close", (event) => {
    calls.length = 0;
    echo.find("button").disabled = true;
    dismissed ||= event.code === 1001;
    echo.show("gone", lost(dismissed));
    setTimeout(openEcho, Math.min(1000 * 2 ** attempts++, 5000));
  });
};

const heard = (text) => {
  const [, left] = calls.shift() ?? [text, performance.now()];
  const line = document.createElement("li");
  const words = document.createElement("span");
  const took = document.createElement("span");
  words.textContent = text;
  took.className = "took";
  took.textContent = `${(performance.now() - left).toFixed(1)} ms`;
  line.append(words, took);
  echo.find(".log").prepend(line);
  while (echo.find(".log").children.length > 30) echo.find(".log").lastChild.remove();
};

echo.find("button").disabled = true;
echoForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = echoForm.elements.text.value;
  if (socket.readyState !== WebSocket.OPEN) return;
  calls.push([text, performance.now()]);
  socket.send(text);
  echoForm.reset();
});

// ---- the notebook: requests, answered by pieces of HTML in which the server has escaped what people wrote

const notes = card("notes");
const noteForm = notes.find("form");

const ask = async (options) => {
  const answer = await fetch("notes", options);
  if (answer.ok) return answer.text();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The server answered ${answer.status}.`);
};

const loadNotes = async () => {
  try {
    notes.find(".log").innerHTML = await ask();
    notes.show("live", "ready");
  } catch {
    notes.show("gone", "no answer");
  }
};

noteForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = notes.find(".problem");
  const button = notes.find("button");
  problem.textContent = "";
  button.disabled = true;
  notes.show("connecting", "sending");
  try {
    const note = await ask({ method: "POST", body: new URLSearchParams(new FormData(noteForm)) });
    notes.find(".log").insertAdjacentHTML("afterbegin", note);
    notes.find(".log").scrollTop = 0;
    noteForm.elements.text.value = "";
    notes.show("live", "noted");
  } catch (error) {
    const unheard = error instanceof TypeError; // what fetch throws when nobody answers
    problem.textContent = unheard ? "The server did not answer. Your note is still here, try again." : error.message;
    notes.show("gone", unheard ? "no answer" : "refused");
  }
  button.disabled = false;
});

// ---- the way without a browser

const base = location.href.replace(/[?#].*/, "").replace(/\/$/, "");
document.querySelector("footer code").textContent = [
  `curl ${base}/clock`,
  `curl -N -H 'Accept: text/event-stream' ${base}/clock`,
  `curl -d text=hello ${base}/notes`,
].join("\n");

openClock();
openEcho();
