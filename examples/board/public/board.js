// What others post arrives by events; what is posted here goes by a request, and comes back as an event like all others.

const list = document.querySelector("ol");
const form = document.querySelector("form");
const state = document.querySelector("[role=status]");
const problem = document.querySelector("[role=alert]");
const shown = new Set(); // ids: the list and the events overlap

const show = ({ id, text }) => {
  if (shown.has(id)) return;
  shown.add(id);
  const line = document.createElement("li");
  line.textContent = text;
  list.prepend(line);
};

const load = async () => {
  const messages = await (await fetch("/api/messages")).json();
  shown.clear();
  list.replaceChildren();
  messages.forEach(show);
};

const feed = new EventSource("/api/feed");
feed.addEventListener("open", () => {
  state.textContent = "live";
  load();
});
feed.addEventListener("error", () => (state.textContent = "connection lost, retrying"));
feed.addEventListener("message", (event) => show(JSON.parse(event.data)));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    const body = JSON.stringify({ text: form.elements.text.value.trim() });
    const answer = await fetch("/api/messages", { method: "POST", body, headers: { "content-type": "application/json" } });
    if (answer.ok) form.reset();
    else problem.textContent = (await answer.json()).detail;
  } catch {
    problem.textContent = "The server does not answer; the message is still here.";
  }
});
