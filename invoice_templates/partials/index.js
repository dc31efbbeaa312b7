"use strict";
(() => {
  const table = document.getElementById("invoices");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const search = document.getElementById("search");
  const flagged = document.getElementById("flagged");
  const shown = document.getElementById("shown");
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = new Map(rows.map((row) => [row, plain(row.textContent)]));

  const filter = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = words.every((word) => texts.get(row).includes(word))
        && (!flagged.checked || row.classList.contains("flagged"));
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };

  // Amounts are whole millionths and compared as such: a double would tie large ones.
  const compare = (first, second) => {
    if (first.dataset.number !== undefined) {
      const difference = BigInt(first.dataset.number) - BigInt(second.dataset.number);
      return difference < 0n ? -1 : difference > 0n ? 1 : 0;
    }
    return first.dataset.key.localeCompare(second.dataset.key, "en", { numeric: true });
  };

  const headings = Array.from(table.tHead.rows[0].cells);
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of headings) {
        if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      }
      heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      const sorted = rows.slice().sort(
        (a, b) => direction * compare(a.cells[column], b.cells[column]));
      body.append(...sorted);
    });
  });
  search.addEventListener("input", filter);
  flagged.addEventListener("change", filter);
})();
