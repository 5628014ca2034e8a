// Small comforts: closing messages and menus, copying ids, and "/" for the search field.
for (const button of document.querySelectorAll("[data-dismiss], [data-copy]")) button.hidden = false;

document.addEventListener("click", async (event) => {
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) {
    dismiss.closest(".flash").remove();
    document.querySelector("main").focus();
  }

  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const words = copy.querySelector("[data-copy-words]");
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      words.textContent = "Copied";
      copy.classList.add("is-copied");
    } catch {
      // Browsers let pages copy over https only; what is selected can be copied by hand.
      words.textContent = "Could not copy";
      getSelection().selectAllChildren(copy.previousElementSibling);
    }
    setTimeout(() => {
      words.textContent = "Copy";
      copy.classList.remove("is-copied");
    }, 2000);
  }

  for (const menu of document.querySelectorAll(".menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector(".menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const search = document.querySelector("input[type=search]");
  if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
