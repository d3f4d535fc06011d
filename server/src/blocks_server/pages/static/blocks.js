// What HTML cannot do on the pages of blocks: copying code, and telling a double press from two. Without it, people
// select code, and the second press is answered by the server.
"use strict";

for (const button of document.querySelectorAll("button[data-copies]")) {
  const code = document.getElementById(button.dataset.copies);
  if (!code || !navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.textContent;
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = text), 2000);
  });
}

// Where a part of a page does not come, the page stays as it is, and says so.
function tell(text) {
  let notice = document.getElementById("went-wrong");
  if (!notice) {
    notice = document.createElement("p");
    notice.id = "went-wrong";
    notice.className = "notice wrong";
    notice.setAttribute("role", "alert");
    document.getElementById("main").prepend(notice);
  }
  notice.textContent = text;
  notice.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:sendError", () => tell("The server does not answer. Nothing was changed; try again."));
document.addEventListener("htmx:responseError", (event) => {
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const reason = page.querySelector("[role=alert]")?.textContent.trim();
  tell(reason || `The server could not do this (${event.detail.xhr.status}). Nothing was changed.`);
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.getElementById("went-wrong")?.remove();
});

// A double press sends one form, not two. Whoever stops what takes long can send it again soon.
// An input hides what a form has of the same name: a field "method" or "dataset" does, so none of those is asked for.
const justSent = new WeakSet();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post" || form.hasAttribute("hx-post")) return;
  if (justSent.has(form)) event.preventDefault();
  justSent.add(form);
  setTimeout(() => justSent.delete(form), 1000);
});
