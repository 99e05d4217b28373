// Fetches the page every second and swaps its live part in. Without this script the page is as good, but still.
async function refresh() {
  let reached = true;
  try {
    const reply = await fetch(location.href);
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("live");
    const live = document.getElementById("live");
    if (fresh && fresh.innerHTML !== live.innerHTML) live.replaceWith(document.adoptNode(fresh));
  } catch {
    reached = false;
  }
  document.documentElement.classList.toggle("gone", !reached);
  setTimeout(refresh, 1000);
}
setTimeout(refresh, 1000);
