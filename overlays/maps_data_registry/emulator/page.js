// Keeps the page current. Without this script everything works, but stands still until it is loaded again.
"use strict";

const live = document.getElementById("live");
const ITEMS = "article, #requests tbody tr";
const hovers = matchMedia("(hover: hover)").matches;
let waiting = false; // whether a change is held back

/** Whether somebody points at this card or row, or has selected something in it: then it must not change. */
function held(item) {
  const selection = getSelection();
  return (hovers && item.matches(":hover")) || (!selection.isCollapsed && selection.containsNode(item, true));
}

/** Make a node equal to a fresh one by changing only what differs, so that focus and selection stay. */
function update(node, fresh, holding) {
  if (node.isEqualNode(fresh)) return;
  if (node.nodeType !== Node.ELEMENT_NODE) {
    node.data = fresh.data;
  } else if (holding && node.matches(ITEMS) && held(node)) {
    waiting = true;
  } else {
    for (const { name, value } of [...fresh.attributes]) {
      if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    }
    for (const { name } of [...node.attributes]) {
      if (!fresh.hasAttribute(name)) node.removeAttribute(name);
    }
    updateChildren(node, fresh, holding);
  }
}

/** The same for the children. While anything is held, lists keep their length, so that it stays where it is. */
function updateChildren(node, fresh, holding) {
  const fixed = holding && node.matches(".list, tbody");
  const wanted = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...node.children]) {
    if (!child.id || wanted.has(child.id)) continue;
    if (fixed) waiting = true;
    else child.remove();
  }
  let next = node.firstChild;
  for (const child of [...fresh.childNodes]) {
    const old = child.id ? node.querySelector(`:scope > #${child.id}`) : next;
    if (old?.nodeName === child.nodeName && (old.id ?? "") === (child.id ?? "")) {
      update(old, child, holding);
      next = old.nextSibling;
    } else if (fixed) {
      waiting = true;
    } else {
      node.insertBefore(document.adoptNode(child), next);
    }
  }
  while (next && !fixed) {
    const rest = next.nextSibling;
    next.remove();
    next = rest;
  }
}

/** Fetch a page; mark this one while the emulator does not answer. */
async function load(path, options) {
  try {
    const reply = await fetch(path, options);
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    document.documentElement.classList.remove("gone");
    return page;
  } catch {
    document.documentElement.classList.add("gone");
  }
}

/** Bring the page up to date; what somebody asked for by a form is shown whatever they point at. */
async function refresh(asked = false) {
  const fresh = (await load(`./${location.search}`))?.getElementById("live");
  if (!fresh) return;
  for (const card of live.querySelectorAll("article:has(details[open])")) {
    fresh.querySelector(`#${card.id} details`)?.setAttribute("open", "");
  }
  waiting = false;
  update(live, fresh, !asked && [...live.querySelectorAll(ITEMS)].some(held));
  document.documentElement.classList.toggle("waiting", waiting);
}

async function keepCurrent() {
  if (!document.hidden) await refresh();
  setTimeout(keepCurrent, 1000);
}
setTimeout(keepCurrent, 1000);

for (const id of ["start", "clear"]) {
  document.getElementById(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(event.target));
    const page = await load(event.target.action, { method: "POST", body: fields });
    if (page) document.getElementById("problem").textContent = page.getElementById("problem")?.textContent ?? "";
    await refresh(true);
  });
}

const filter = document.getElementById("filter");
function applyFilter() {
  const text = document.getElementById("text").value;
  history.replaceState(null, "", text ? `./?filter=${encodeURIComponent(text)}` : "./");
  return refresh(true);
}
filter.addEventListener("input", applyFilter);
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  applyFilter();
});

// A mark on a timeline opens the table of polls at its row.
live.addEventListener("click", (event) => {
  const mark = event.target.closest("a[href^='#p-']");
  const row = mark && document.getElementById(mark.getAttribute("href").slice(1));
  if (!row) return;
  event.preventDefault();
  row.closest("details").open = true;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
});

const copy = document.getElementById("copy");
copy.hidden = !navigator.clipboard;
copy.addEventListener("click", async () => {
  await navigator.clipboard.writeText(document.getElementById("curl").textContent);
  copy.textContent = "Copied";
  setTimeout(() => (copy.textContent = "Copy"), 2000);
});
