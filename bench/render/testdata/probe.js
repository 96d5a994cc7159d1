'use strict';
// Measures a page of HTML from the page around it: what a test wants to know of
// what a reader sees. Returns {width, problems, charts, tips}.
async function probe(frame) {
  const win = frame.contentWindow;
  const doc = win.document;
  const problems = [];
  const wide = doc.documentElement.clientWidth;
  const overflow = (when) => {
    if (doc.documentElement.scrollWidth > wide) {
      problems.push(`${when}: ${doc.documentElement.scrollWidth} px wide in a window of ${wide}`);
    }
  };
  overflow('at first');

  let charts = 0;
  let tips = 0;
  for (const figure of doc.querySelectorAll('figure')) {
    const seen = [...figure.querySelectorAll('svg')].filter((s) => s.getBoundingClientRect().width > 0);
    if (seen.length !== 1) {
      problems.push(`${figure.id}: ${seen.length} charts are seen`);
      continue;
    }
    charts++;
    const svg = seen[0];
    const box = svg.getBoundingClientRect();
    if (box.width < 250 || box.height < 180) problems.push(`${figure.id}: ${box.width} x ${box.height} px`);
    if (box.left < 0 || box.right > wide) problems.push(`${figure.id}: from ${box.left} to ${box.right}`);
    const scale = box.width / svg.viewBox.baseVal.width;
    if (scale * 12 < 9) problems.push(`${figure.id}: letters of ${scale * 12} px`);
    const texts = [...svg.querySelectorAll('text')].map((t) => ({ words: t.textContent, box: t.getBoundingClientRect() }));
    texts.forEach((t, i) => {
      if (t.box.left < box.left - 1 || t.box.right > box.right + 1) problems.push(`${figure.id}: ${t.words} is cut off`);
      for (const u of texts.slice(i + 1)) {
        if (t.box.left < u.box.right && u.box.left < t.box.right && t.box.top + 2 < u.box.bottom && u.box.top + 2 < t.box.bottom) {
          problems.push(`${figure.id}: ${t.words} and ${u.words} lie over one another`);
        }
      }
    });
    if (!svg.querySelector('.line, circle')) problems.push(`${figure.id}: no curve`);
    for (const mark of svg.querySelectorAll('.line, circle')) {
      const b = mark.getBoundingClientRect();
      if (b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1) problems.push(`${figure.id}: a curve leaves it`);
    }

    const tip = figure.querySelector('.tip');
    const [left, top, width, height] = svg.dataset.area.split(' ').map(Number);
    for (const share of [0.01, 0.5, 0.99]) {
      const point = { clientX: box.left + (left + share * width) * scale, clientY: box.top + (top + height / 2) * scale, bubbles: true };
      svg.dispatchEvent(new win.PointerEvent('pointermove', point));
      if (tip.hidden) continue;
      tips++;
      if (tip.textContent.trim() === '') problems.push(`${figure.id}: the tip is empty`);
      const b = tip.getBoundingClientRect();
      if (b.left < 0 || b.right > wide) problems.push(`${figure.id}: the tip lies from ${b.left} to ${b.right}`);
    }
    figure.querySelector('.plot').dispatchEvent(new win.PointerEvent('pointerleave'));
    if (!tip.hidden) problems.push(`${figure.id}: the tip stays`);
  }

  for (const d of doc.querySelectorAll('details')) d.open = true;
  overflow('with all details');
  for (const e of doc.querySelectorAll('.card .value')) {
    if (e.scrollWidth > e.clientWidth + 1) problems.push(`${e.textContent} does not fit its card`);
  }
  contrasts(win, problems);
  return { width: wide, problems, charts, tips };
}

// contrasts finds letters and curves that do not stand out, by the rule of WCAG.
function contrasts(win, problems) {
  const light = (css) => {
    const c = css.match(/[\d.]+/g).slice(0, 3).map((v) => {
      const s = v / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = win.getComputedStyle(e).backgroundColor;
      if (!/, 0\)$|transparent/.test(c)) return c;
    }
    return 'rgb(255, 255, 255)';
  };
  // A mark of a legend is its own background: what it stands on is its parent's.
  const check = (selector, property, least, mark) => {
    for (const e of win.document.querySelectorAll(selector)) {
      const [a, b] = [light(win.getComputedStyle(e)[property]), light(behind(mark ? e.parentElement : e))].sort((x, y) => y - x);
      const contrast = (a + 0.05) / (b + 0.05);
      if (contrast < least) {
        problems.push(`${selector}: a contrast of ${contrast.toFixed(1)}, at least ${least}`);
        return;
      }
    }
  };
  for (const s of ['h1', 'h3', '.note', '.when', '.verdict', '.badge', '.card .label', '.card .value', 'th', 'td', 'summary', 'a', 'footer', '.warnings li']) {
    check(s, 'color', 4.5);
  }
  check('svg text', 'fill', 4.5);
  for (let i = 0; i < 7; i++) check(`.legend .c${i}`, 'color', 3, true);
}
