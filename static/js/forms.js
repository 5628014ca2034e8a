// A form is sent once: its buttons rest until the answer comes, or the page is shown again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  // Later, since a disabled button would not send its own name and value.
  setTimeout(() => {
    for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = true;
  });
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button:disabled")) button.disabled = false;
  }
});

// What is wrong is read out and can be tabbed on from. And whoever comes back to it later finds the
// form, where the browser would ask whether to send it again.
document.querySelector(".summary[tabindex]")?.focus();
const here = `form[action="${location.pathname}"]:not([action$="/bulk"], [action$="/time-zone"])`;
if (document.querySelector(`main:has(.summary[tabindex]) ${here}`)) history.replaceState(null, "", location.href);

// A checkbox with data-select-all ticks every row's checkbox of its table and follows them.
document.addEventListener("change", (event) => {
  const table = event.target.closest("table");
  const all = table?.querySelector("[data-select-all]");
  if (!all || event.target.type !== "checkbox") return;
  const boxes = [...table.querySelectorAll("tbody input[type=checkbox]")];
  if (event.target === all) for (const box of boxes) box.checked = all.checked;
  const ticked = boxes.filter((box) => box.checked).length;
  all.checked = boxes.length > 0 && ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
});
