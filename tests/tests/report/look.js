// Shows `page` in a frame of each of `widths` and writes down what is to be seen.
const MARKS = "line, polyline, polygon, rect, circle, path";

function chart(svg) {
  const box = svg.getBoundingClientRect();
  const drawn = (mark) => {
    const size = mark.getBoundingClientRect();
    return size.width > 0 || size.height > 0;
  };
  // Fonts differ: a few pixels are no harm.
  const inside = (text) => {
    const size = text.getBoundingClientRect();
    return size.left >= box.left - 4 && size.right <= box.right + 4
      && size.top >= box.top - 4 && size.bottom <= box.bottom + 4;
  };
  const texts = [...svg.querySelectorAll("text")];
  return {
    title: svg.querySelector("title")?.textContent ?? "",
    says: svg.querySelector("desc")?.textContent ?? "",
    width: box.width,
    height: box.height,
    marks: [...svg.querySelectorAll(MARKS)].filter(drawn).length,
    clipped: texts.filter((text) => !inside(text)).map((text) => text.textContent.trim()),
    colors: new Set([...svg.querySelectorAll(MARKS)].map((mark) => {
      const style = mark.ownerDocument.defaultView.getComputedStyle(mark);
      return style.fill === "none" ? style.stroke : style.fill;
    })).size,
  };
}

// Where the first figure of a table ends that a page is about.
function figure(table) {
  const cell = table.querySelector("tbody td.number");
  return { table: table.className, names: table.querySelector("thead").textContent, right: cell?.getBoundingClientRect().right };
}

function look(frame) {
  const inner = frame.contentDocument;
  const root = inner.documentElement;
  return {
    width: frame.clientWidth,
    scrolled: root.scrollWidth,
    figures: inner.querySelectorAll("figure").length,
    tables: [...inner.querySelectorAll("figure")].filter((figure) => figure.querySelector("table tbody tr")).length,
    leading: [...inner.querySelectorAll("table.methods, table.heads, table.runs")].map(figure),
    charts: [...inner.querySelectorAll("figure .picture svg")].map(chart),
  };
}

Promise.all(widths.map((width) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 800px; border: 0`;
  frame.onload = () => resolve(look(frame));
  frame.srcdoc = page;
  document.body.append(frame);
}))).then((found) => {
  const pre = document.createElement("pre");
  pre.id = "found";
  pre.textContent = JSON.stringify(found);
  document.body.replaceChildren(pre);
});
