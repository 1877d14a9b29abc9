// A link may carry the token in its fragment, which is never sent nor logged: take it, forget it, post it.
const found = new URLSearchParams(location.hash.slice(1)).get("token");
if (found) {
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("token").value = found;
  document.forms[0].submit();
}
document.getElementById("token").addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); document.forms[0].requestSubmit(); }
});
