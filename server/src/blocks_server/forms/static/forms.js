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
