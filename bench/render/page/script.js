'use strict';
// The values under the pointer: of each curve the point that is nearest along the
// bottom.
for (const plot of document.querySelectorAll('.plot')) {
  const series = JSON.parse(plot.querySelector('script').textContent).series;
  const tip = plot.querySelector('.tip');
  plot.addEventListener('pointerleave', () => { tip.hidden = true; });
  for (const svg of plot.querySelectorAll('svg')) {
    const [left, top, width, height] = svg.dataset.area.split(' ').map(Number);
    svg.addEventListener('pointermove', (event) => {
      const box = svg.getBoundingClientRect();
      const outer = plot.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      const x = ((event.clientX - box.left) / scale - left) / width;
      const y = ((event.clientY - box.top) / scale - top) / height;
      if (x < -0.02 || x > 1.02 || y < -0.05 || y > 1.05) {
        tip.hidden = true;
        return;
      }
      tip.replaceChildren();
      for (const s of series) {
        let best = null;
        for (const p of s.points) {
          if (best === null || Math.abs(p.x - x) < Math.abs(best.x - x)) best = p;
        }
        const far = s.points.length > 1 ? Math.max(0.05, 0.6 / s.points.length) : 0.05;
        if (best === null || Math.abs(best.x - x) > far) continue;
        const row = document.createElement('div');
        const words = document.createElement('span');
        row.className = s.class;
        words.textContent = s.name + ' ' + best.text;
        row.append(words);
        tip.append(row);
      }
      tip.hidden = tip.childElementCount === 0;
      const at = event.clientX - outer.left;
      const room = outer.width - tip.offsetWidth;
      tip.style.left = Math.max(0, Math.min(room, at < outer.width / 2 ? at + 14 : at - 14 - tip.offsetWidth)) + 'px';
      tip.style.top = Math.max(0, event.clientY - outer.top - tip.offsetHeight - 10) + 'px';
    });
  }
}
