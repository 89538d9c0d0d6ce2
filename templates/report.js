"use strict";
// Tables that can be sorted and searched. Without this they are plain tables.
(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // Labels for cells that stand one below the other, where there is no room
  // for columns.
  const label = (table, names) => {
    for (const row of table.tBodies[0].rows) {
      names.forEach((name, i) => {
        if (row.cells[i].tagName === "TD") row.cells[i].dataset.label = name;
      });
    }
  };

  const sortable = (table, rows) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const kind = head.dataset.sort;
      if (kind === "none") return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const keys = new Map(rows.map((row) => {
          const text = row.cells[column].textContent;
          return [row, kind === "number" ? parseInt(text, 10) || 0 : text];
        }));
        const compare = kind === "number" ? (a, b) => a - b : collator.compare;
        const sign = descending ? -1 : 1;
        rows.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
        table.tBodies[0].append(...rows);
      });
    });
  };

  const searchable = (table, rows) => {
    const controls = document.createElement("div");
    controls.className = "controls";
    const box = document.createElement("input");
    box.type = "search";
    box.id = `${table.id}-filter`;
    box.autocomplete = "off";
    const name = document.createElement("label");
    name.htmlFor = box.id;
    name.textContent = "Show only rows with";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    controls.append(name, box, count);
    table.parentElement.before(controls);

    let texts = null;
    const filter = () => {
      texts ??= new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = texts.get(row);
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) shown += 1;
      }
      count.textContent = `${shown} of ${rows.length}`;
    };
    count.textContent = `${rows.length} of ${rows.length}`;
    box.addEventListener("input", filter);
  };

  for (const table of document.querySelectorAll(".data table")) {
    const rows = [...table.tBodies[0].rows];
    label(table, [...table.tHead.rows[0].cells].map((head) => head.firstChild.textContent));
    sortable(table, rows);
    searchable(table, rows);
  }
})();
