// The page: a row, what is asked of the server, and its newest answer.

import { show } from "./answer.js";
import { fieldOf } from "./fields.js";
import { nameOf, preferred, say, sentence, speak } from "./words.js";

const PAUSE_MS = 80; // after a change, so that a slider does not ask for each pixel
const OF_A_COLUMN = /^(?:row 0, )?column (\w+): (.*)$/s;
const at = (id) => document.getElementById(id);

let facts; // what the page is made of
let fields = []; // of the row
let answer; // the newest
let key = ""; // in memory alone
let asked = 0; // how often
let pause;

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, row) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const body = row && JSON.stringify(row);
  const post = row && { method: "POST", body, headers: { ...headers, "Content-Type": "application/json" } };
  const response = await fetch(path, post || { headers });
  const found = await response.json();
  if (!response.ok) throw new Refused(response.status, found.error);
  return found;
}

/** Return the server's answer to a row, explained where it does that. */
async function predicted(row) {
  if (!facts.explains) return ask("predict", row);
  try {
    return await ask("predict", { ...row, explain: true });
  } catch (error) {
    if (error.status !== 404) throw error;
    facts.explains = false; // any more, for another bundle has come
    return ask("predict", row);
  }
}

/** Ask for the row as it is now; what was asked before is of no interest any more. */
async function update() {
  const mine = ++asked;
  at("result").setAttribute("aria-busy", "true");
  const row = Object.fromEntries(fields.map((field) => [field.column.name, field.value()]));
  try {
    const found = await predicted(row);
    if (mine !== asked) return;
    answer = found;
    show(facts, answer);
    complain();
  } catch (error) {
    if (mine === asked) complain(error);
  }
  at("result").setAttribute("aria-busy", "false");
}

/** Say what is wrong, at the field that it is about; without an error nothing is. */
function complain(error) {
  const [, name, words] = error?.message.match(OF_A_COLUMN) ?? [];
  const field = fields.find((each) => each.column.name === name);
  for (const each of fields) each.complain(each === field ? sentence(words) : "");
  const trouble = !error ? "" : field ? say("refused") : troubleOf(error);
  at("trouble").textContent = trouble;
  at("trouble").hidden = !trouble;
  at("trouble").lang = error instanceof Refused && !field ? "en" : "";
  document.body.classList.toggle("stale", Boolean(error));
  if (error?.status === 401) at("key").hidden = false;
}

function troubleOf(error) {
  if (!(error instanceof Refused)) return say("silent");
  return sentence(error.message);
}

function later() {
  clearTimeout(pause);
  pause = setTimeout(update, PAUSE_MS);
}

function example() {
  for (const field of fields) field.show(facts.example[field.column.name]);
  return update();
}

/** Make the page of what the server says of its model. */
async function begin() {
  try {
    facts = await ask("ui/contract.json");
  } catch (error) {
    complain(error);
    return;
  }
  fields = facts.contract.columns.map((column) => fieldOf(column, facts.usual[column.name], later));
  at("fields").replaceChildren(...fields.map((field) => field.element));
  translate(document.documentElement.lang);
  await example();
}

function translate(code) {
  const language = speak(code);
  document.title = say("title");
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of at("languages").children) each.setAttribute("aria-pressed", String(each.value === language));
  if (!facts) return;
  document.title = `${say("title")} · ${facts.name}`;
  at("model").textContent = say("model", facts);
  at("target").textContent = nameOf(facts.contract.target);
  for (const field of fields) field.translate();
  if (answer) show(facts, answer);
}

at("languages").addEventListener("click", (event) => {
  if (event.target.value) translate(event.target.value);
});
at("again").addEventListener("click", example);
at("row").addEventListener("submit", (event) => {
  event.preventDefault();
  update();
});
at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  key = at("secret").value.trim();
  if (facts) update();
  else begin();
});
translate(preferred());
begin();
