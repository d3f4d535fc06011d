// What HTML cannot do in a form. Without it, each choice of fields needs a press of "Show", and a key of several lines
// must be given as such.
"use strict";

if (window.htmx) document.documentElement.classList.add("with-htmx");

// An input of one line drops the ends of lines: a key that is pasted would be another one.
document.addEventListener("paste", (event) => {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || !input.closest(".block-form")) return;
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (!/[\r\n]/.test(text.trim())) return;
  const area = input.dataset.lines ? document.getElementById(input.dataset.lines) : areaFor(input);
  if (!area) return;
  event.preventDefault();
  if (input.dataset.lines) {
    input.value = "";
    input.closest(".secret").querySelector("select").value = "lines";
  }
  area.focus();
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
});

function areaFor(input) {
  if (input.type !== "text" || /~/.test(input.name)) return null;
  const area = document.createElement("textarea");
  for (const { name, value } of input.attributes) {
    if (name !== "type" && name !== "value") area.setAttribute(name, value);
  }
  area.rows = 6;
  area.value = input.value;
  area.setSelectionRange(input.selectionStart, input.selectionEnd);
  input.replaceWith(area);
  return area;
}

// A form that is changed at the server is busy until the answer is there: what is typed meanwhile would be lost with
// the fields that it is typed into, and what is sent would be without the change. A press of "Save" waits for it.
let saveWaits = false;

function formOf(event) {
  const target = event.detail.target;
  return target?.classList.contains("block-form") ? target : null;
}

function isBusy(form) {
  return form.getAttribute("aria-busy") === "true";
}

document.addEventListener("htmx:beforeRequest", (event) => formOf(event)?.setAttribute("aria-busy", "true"));
document.addEventListener("htmx:afterRequest", (event) => {
  const form = formOf(event);
  form?.removeAttribute("aria-busy");
  if (form && !event.detail.successful) saveWaits = false;
});
document.addEventListener("htmx:afterSettle", () => {
  const form = document.querySelector(".block-form");
  if (!saveWaits || !form || isBusy(form)) return; // it is a note beside a field that has come
  saveWaits = false;
  form.requestSubmit();
});
document.addEventListener("beforeinput", (event) => {
  const isSending = event.inputType === "insertLineBreak" && event.target instanceof HTMLInputElement;
  const form = event.target.closest(".block-form");
  if (form && isBusy(form) && !isSending) event.preventDefault();
});
document.addEventListener("submit", (event) => {
  if (!event.target.classList.contains("block-form") || !isBusy(event.target)) return;
  event.preventDefault();
  saveWaits = true;
});
