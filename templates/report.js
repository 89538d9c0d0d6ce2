"use strict";
// Makes the tables sortable and searchable. Without this script they are plain tables.
(() => {
  // Rows shown at first. The layout of thousands of rows takes seconds.
  const FIRST = 100;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const element = (tag, properties) => Object.assign(document.createElement(tag), properties);

  // Labels the cells for narrow screens, where they are stacked.
  const label = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const names = heads.map((head) => head.firstChild.textContent);
    for (const row of table.tBodies[0].rows) {
      names.forEach((name, i) => {
        if (row.cells[i]?.tagName === "TD") row.cells[i].dataset.label = name;
      });
    }
    table.classList.add("labelled");
  };

  // The text that a row is searched by. Timelines are left out: they name
  // every status of the period.
  const textsOf = (table, rows) => {
    const heads = [...table.tHead.rows[0].cells];
    const columns = heads.flatMap((head, i) => (head.dataset.sort === "none" ? [] : [i]));
    return new Map(rows.map((row) => {
      const { cells } = row;
      return [row, columns.map((i) => cells[i].textContent).join("\n").toLowerCase()];
    }));
  };

  const searchable = (table, rows) => {
    const box = element("input", { type: "search", id: `${table.id}-filter`, autocomplete: "off" });
    const name = element("label", { htmlFor: box.id, textContent: "Filter rows by text" });
    const count = element("span");
    count.setAttribute("role", "status");
    const controls = element("div", { className: "controls" });
    controls.append(name, box, count);
    const all = element("button", { type: "button" });
    const more = element("div", { className: "controls" });
    more.append(all);
    table.parentElement.before(controls);
    table.parentElement.after(more);

    let texts = null;
    let most = FIRST;
    const show = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length > 0) texts ??= textsOf(table, rows);
      let found = 0;
      for (const row of rows) {
        const hit = words.every((word) => texts.get(row).includes(word));
        if (hit) found += 1;
        row.hidden = !hit || found > most;
      }
      const shown = Math.min(found, most);
      count.textContent = `${found} of ${rows.length}${shown < found ? `, first ${shown} shown` : ""}`;
      all.textContent = `Show all ${found}`;
      more.hidden = shown === found;
    };
    box.addEventListener("input", () => {
      most = FIRST;
      show();
    });
    all.addEventListener("click", () => {
      most = Infinity;
      const next = rows.find((row) => row.hidden);
      show();
      // The button is hidden now: move the focus to the first new row.
      next.tabIndex = -1;
      next.focus();
    });
    show();
    table.classList.add("ready");
    return show;
  };

  const sortable = (table, rows, show) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const kind = head.dataset.sort;
      if (kind === "none") return;
      const button = element("button", { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const keys = new Map(rows.map((row) => {
          const key = row.cells[column].textContent;
          return [row, kind === "number" ? parseInt(key, 10) || 0 : key];
        }));
        const compare = kind === "number" ? (a, b) => a - b : collator.compare;
        const sign = descending ? -1 : 1;
        rows.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
        show();
        table.tBodies[0].append(...rows);
      });
    });
  };

  // Shows a hidden row that a link leads to.
  const reveal = () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row?.hidden) {
      row.hidden = false;
      row.scrollIntoView();
    }
  };

  document.querySelectorAll(".table table").forEach(label);
  for (const table of document.querySelectorAll(".data table")) {
    const rows = [...table.tBodies[0].rows];
    sortable(table, rows, searchable(table, rows));
  }
  addEventListener("hashchange", reveal);
  reveal();
})();
