// The theme switch without a page load: remembers the choice where the server reads it.
document.addEventListener("click", (event) => {
  const button = event.target.closest('.themes button[name="theme"]');
  if (!button) return;
  event.preventDefault();
  const theme = button.value;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    document.cookie = `theme=; Path=/; Max-Age=0; SameSite=Lax${secure}`;
  } else {
    document.documentElement.dataset.theme = theme;
    document.cookie = `theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }
  for (const other of document.querySelectorAll('.themes button[name="theme"]')) {
    other.setAttribute("aria-pressed", String(other.value === theme));
  }
});
