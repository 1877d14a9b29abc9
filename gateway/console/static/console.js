// What runs in the browser: keys, number formats and cells of the tables. All text is set as text.
"use strict";
window.Overround = (() => {
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const minus = (text) => text.replace("-", "\u2212");
  const money = ({ value }) => (value == null ? "" : minus(whole.format(Math.round(value / 100) || 0)));
  const cents = ({ value }) => (value == null ? "" : minus((value / 100).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })));
  const count = ({ value }) => (value == null ? "" : minus(whole.format(value)));
  const oddsText = (milli) => {
    if (!milli) return "";
    if (milli >= 100000) return whole.format(milli / 1000);
    if (milli >= 20000) return (milli / 1000).toFixed(1);
    return milli % 10 ? (milli / 1000).toFixed(3) : (milli / 1000).toFixed(2);
  };
  const odds = ({ value }) => oddsText(value);
  // A sum of what is known: "?" says that something is not.
  const known = ({ value, data }) => (value == null ? (data.unknown ? "?" : "") : money({ value }) + (data.unknown ? " ?" : ""));
  const bytes = ({ value }) => {
    if (value == null) return "";
    const mib = value / 1048576;
    return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : mib >= 10 ? `${whole.format(mib)} MiB` : mib >= 0.1 ? `${mib.toFixed(1)} MiB` : `${whole.format(value / 1024)} KiB`;
  };
  const percent = ({ value }) => (value == null ? "" : minus((value / 10).toFixed(1)) + "%");
  const clock = ({ value }) => {
    if (!value) return "";
    const at = new Date(value * 1000), two = (n) => String(n).padStart(2, "0");
    return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  };

  const start = ({ value }) => {
    if (!value) return "";
    const at = new Date(value), two = (n) => String(n).padStart(2, "0"), time = `${two(at.getHours())}:${two(at.getMinutes())}`;
    return at.toDateString() === new Date().toDateString() ? time : `${at.getDate()}/${at.getMonth() + 1} ${time}`;
  };

  // A cell of odds: an arrow and a short tint say which way they moved; the arrow stays a while.
  class Odds {
    init(params) {
      this.gui = document.createElement("span");
      this.gui.className = "odds";
      this.arrow = this.gui.appendChild(document.createElement("i"));
      this.text = this.gui.appendChild(document.createElement("b"));
      this.show(params.value);
    }
    getGui() { return this.gui; }
    show(value) { this.value = value; this.text.textContent = oddsText(value); }
    refresh(params) {
      const before = this.value;
      this.show(params.value);
      if (before && params.value && before !== params.value) {
        const way = params.value > before ? "up" : "down";
        this.arrow.textContent = way === "up" ? "\u25b2" : "\u25bc";
        this.gui.className = "odds " + way;
        const cell = this.gui.parentElement;
        cell?.animate?.(
          [{ backgroundColor: `var(--${way}-tint)` }, { backgroundColor: "transparent" }],
          { duration: 300 });
        clearTimeout(this.timer);
        this.timer = setTimeout(() => { this.arrow.textContent = ""; this.gui.className = "odds"; }, 4000);
      }
      return true;
    }
  }

  const short = (value) => {
    const size = Math.abs(value);
    const text = size >= 1e6 ? (value / 1e6).toFixed(1) + "m" : size >= 1e4 ? (value / 1e3).toFixed(0) + "k" : whole.format(value);
    return minus(text);
  };

  // A field over the page. It opens in the browser itself, so that no key typed after it is a command.
  let field = null;
  const close = () => {
    if (!field) return;
    field.box.remove();
    field = null;
    // The field had the browser's focus: arrows are the table's again.
    const grid = api(main), cell = grid?.getFocusedCell();
    if (cell) grid.setFocusedCell(cell.rowIndex, cell.column);
  };
  const make = (tag, name, parent) => {
    const made = document.createElement(tag);
    made.className = name;
    parent.append(made);
    return made;
  };
  const TYPED = { maxLength: 200, spellcheck: false, autocomplete: "off" };
  const openBox = (title) => {
    close();
    const box = make("div", "over", document.body), card = make("div", "palette", box);
    if (title) make("b", "", card).textContent = title;
    box.addEventListener("mousedown", (event) => { if (event.target === box) close(); });
    return [box, card];
  };
  const openField = ({ title, value = "", hint = "", onInput, onEnter }) => {
    const [box, card] = openBox(title);
    const input = make("input", "", card);
    Object.assign(input, { value, placeholder: hint, ...TYPED });
    const list = make("div", "found", card);
    field = { box, input, list, hits: [], at: 0 };
    input.addEventListener("input", () => onInput?.(input.value));
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") close();
      else if (event.key === "Enter") { const text = input.value, at = field.at; onEnter(text, at); }
      else if (step && field.hits.length) {
        event.preventDefault();
        field.at = (field.at + step + field.hits.length) % field.hits.length;
        draw();
      }
    });
    input.focus();
    input.select();
  };
  // A form of several fields. It stays open with what came of it until that was done.
  const openForm = ({ title, fields, data, onEnter }) => {
    const [box, card] = openBox(title);
    const form = make("form", "form", card), inputs = {}, rows = [];
    for (const { name, label, value = "", fill, options, of, hint = "", changed } of fields) {
      const row = make("label", "", form);
      make("span", "", row).textContent = label;
      const input = inputs[name] = make(options ? "select" : "input", "", row);
      input.name = name;
      for (const option of options ?? []) make("option", "", input).textContent = option;
      if (!options) Object.assign(input, { placeholder: hint, ...TYPED });
      const given = fill ? data?.[fill] : null;
      if (given != null || value || !options) input.value = given ?? value;
      rows.push([row, of, changed ? input.value : null]);
    }
    const fits = () => rows.forEach(([row, of]) => { row.hidden = Boolean(of) && inputs[of[0]].value !== of[1]; });
    form.addEventListener("change", fits);
    fits();
    const said = make("div", "said", form), button = make("button", "act", form);
    button.textContent = "send (Enter)";
    field = { box, said };
    form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      said.textContent = "\u2026";
      // What was filled in when the form opened may be old by now: `changed` fields go only if touched.
      const sent = rows.filter(([row, _, before]) => !row.hidden && row.lastChild.value !== before);
      onEnter(Object.fromEntries(sent.map(([{ lastChild }]) => [lastChild.name, lastChild.value])));
    });
    Object.values(inputs)[0]?.focus();
  };
  const answered = (done, text) => {
    if (!field?.said) return;
    if (done) close(); else field.said.textContent = text;
  };
  const draw = () => {
    field.list.replaceChildren(...field.hits.map(([kind, text], number) => {
      const row = document.createElement("div");
      row.className = number === field.at ? "hit on" : "hit";
      row.append(Object.assign(document.createElement("small"), { textContent: kind }),
        Object.assign(document.createElement("span"), { textContent: text }));
      row.addEventListener("mousedown", (event) => { event.preventDefault(); field.at = number; go(); });
      return row;
    }));
  };
  let wanted = false;
  const go = () => {
    if (!field) return;
    if (field.asked !== field.input.value.trim()) { wanted = true; return; }
    const hit = field.hits[field.at];
    close();
    if (!hit) return;
    if (hit[0] === ACTION) press(hit[2]); else emitEvent("go", hit[2]);
  };
  const find = (text) => emitEvent("find", text);
  const openPalette = () => {
    wanted = false;
    openField({ hint: "fixture, market, page", onInput: find, onEnter: go });
    find("");
  };
  // The answer to a search; Enter before it came goes where it leads.
  const ACTION = "this page";
  const actions = (text) => [...document.querySelectorAll(".keys .act")]
    .map((one) => [ACTION, one.innerText.replace(/\s+/g, " ").trim(), one.dataset.key])
    .filter(([_, name]) => text && text.toLowerCase().split(" ").every((word) => name.toLowerCase().includes(word)));
  const found = (text, hits) => {
    if (!field?.input || text !== field.input.value.trim()) return;
    Object.assign(field, { hits: [...hits, ...actions(text)], at: 0, asked: text });
    draw();
    if (wanted) go();
  };

  let main = null, prompts = null;
  const api = (id) => (id == null ? null : getElement(id)?.api);
  const focusedNode = () => {
    const grid = api(main), cell = grid?.getFocusedCell();
    return cell ? grid.getDisplayedRowAtIndex(cell.rowIndex) : null;
  };
  const focusFirst = (grid) => {
    const column = grid.getAllDisplayedColumns()[0];
    if (column && grid.getDisplayedRowCount() && !grid.getFocusedCell()) grid.setFocusedCell(0, column);
  };
  const use = (id, asks) => {
    main = id;
    prompts = asks;
    const wait = () => { const grid = api(id); grid ? setTimeout(() => focusFirst(grid), 100) : setTimeout(wait, 50); };
    wait();
  };
  // A changed row has only what is other than before; changes wait in order for a table that is not there yet.
  const early = new Map();
  const applyNow = (grid, id, change) => {
    const whole = (row) => ({ ...grid.getRowNode(row.id)?.data, ...row });
    grid.applyTransaction({ ...change, update: change.update?.map(whole) });
    // A row that has gone takes its focus with it, so that keys are of one that is shown.
    if (id === main && grid.getFocusedCell()?.rowIndex >= grid.getDisplayedRowCount()) grid.clearFocusedCell();
    if (id === main && change.add) setTimeout(() => focusFirst(grid), 50);
  };
  const applyEarly = (id, tries) => {
    const grid = api(id);
    if (!grid && tries) return setTimeout(() => applyEarly(id, tries - 1), 50);
    const changes = early.get(id);
    early.delete(id);
    if (grid) for (const change of changes) applyNow(grid, id, change);
  };
  const apply = (id, change) => {
    if (early.has(id)) return early.get(id).push(change);
    const grid = api(id);
    if (grid) return applyNow(grid, id, change);
    early.set(id, [change]);
    applyEarly(id, 40);
  };
  // Only what a person arranged is kept, not what the table lays out by itself.
  const columns = (id, name, event) => {
    if (event.source?.startsWith("ui") && event.finished !== false)
      emitEvent("columns", { name, state: api(id)?.getColumnState() ?? [] });
  };

  const EVERYWHERE = [
    ["/", "search pages, fixtures, markets, and what this page can do"],
    ["arrows", "move in the table"],
    ["u", "undo the last action of this screen"],
    ["?", "these keys"],
  ];
  const openHelp = () => {
    const [box, card] = openBox("keys of this page");
    const list = make("div", "help", card);
    const line = (key, text, stops) => {
      const row = make("div", stops ? "stop" : "", list);
      make("kbd", "", row).textContent = key;
      make("span", "", row).textContent = text;
    };
    const own = [...document.querySelectorAll(".keys .act")].filter((one) => one.dataset.key !== "u");
    for (const one of own)
      line(one.dataset.key, one.querySelector("span")?.textContent ?? "", one.classList.contains("stop"));
    for (const [key, text] of EVERYWHERE) line(key, text);
    field = { box, help: true };
  };

  const send = (key, row, text) => emitEvent("key", { key, row, text, table: main });
  const press = (key) => {
    const node = focusedNode(), row = node?.id ?? "", ask = prompts?.[key];
    if (!ask) return send(key, row, "");
    if (!node && ask.row) return;
    const title = ask.row ? `${ask.title}: ${node.data.name ?? row}` : ask.title;
    if (ask.fields) {
      const onEnter = (values) => emitEvent("key", { key, row, values, table: main });
      return openForm({ title, fields: ask.fields, data: node?.data, onEnter });
    }
    openField({
      title,
      value: ask.fill ? oddsText(node.data[ask.fill]) : "",
      onEnter: (text) => { close(); send(key, row, text); },
    });
  };
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");
  const keys = new Set(["Enter", "?", ..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]);
  window.addEventListener("keydown", (event) => {
    if (field?.help) {
      close();
      if (event.key === "Escape" || event.key === "?") return event.preventDefault();
    }
    const control = event.ctrlKey || event.metaKey;
    const palette = control ? event.key.toLowerCase() === "k" : event.key === "/" && !typing(event.target);
    if (!palette && (control || event.altKey || event.repeat || typing(event.target) || !keys.has(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    palette ? openPalette() : event.key === "?" ? openHelp() : press(event.key);
  }, true);
  return { start, cents, short, known, answered, asks: () => prompts, press, found, openPalette, openHelp, money, count, bytes, odds, percent, clock, Odds, use, apply, columns };
})();
