"use strict";
(() => {
  const source = document.getElementById("data");
  const record = JSON.parse(source.textContent);
  const { link, ratio, places, measure, low, high, width } = record.view;
  const minus = (text) => (/[1-9]/.test(text) ? text : text.replace(/^-/, "")).replace("-", "−");
  const grouped = (text) => text.replace(/^(-?\d+)/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

  // From the scale of analysis, as bayesrtw.evidence.measure.
  const back = {
    identity: (x) => x,
    log: Math.exp,
    logit: (x) => 1 / (1 + Math.exp(-x)),
    "Fisher's z": Math.tanh,
    arcsine: (x) => Math.sin(Math.min(Math.PI / 2, Math.max(0, x))) ** 2,
  };

  // The same digits as the Python that printed this page: bayesrtw.report.numbers.
  function spell(value, style) {
    if (value === null || value === undefined) return "–";
    if (style === "analysis") return spell(back[link](value), "effect");
    if (style.startsWith("effect")) {
      const own = Number(style.slice(6) || places);
      const whole = Math.abs(value) >= 1 ? Math.floor(Math.log10(Math.abs(value))) : 0;
      const plain = Math.abs(value) >= 1 ? Math.min(own, Math.max(0, 6 - whole)) : own;
      if (!ratio) return minus(Math.abs(value) < 1e9 ? grouped(value.toFixed(plain)) : value.toExponential(2));
      if (value >= 9999.5) return value >= 1e12 ? "∞" : ">9999";
      if (value < 0.005) return "<0.01";
      return value.toFixed(value < 9.995 ? own : value < 99.95 ? 1 : 0);
    }
    if (style === "probability") return value > 0.99 ? ">0.99" : value < 0.01 ? "<0.01" : value.toFixed(2);
    if (style === "spread") return minus(value.toFixed(link === "identity" ? places : 2));
    if (style === "percent") return minus((100 * value).toFixed(1));
    const text = minus(value.toFixed(0));
    return /^[−0]/.test(text) ? text : "+" + text;
  }

  function risk(effect, baseline) {
    if (measure === "log_hazard_ratio") return 1 - (1 - baseline) ** Math.exp(effect);
    if (measure === "log_risk_ratio") return Math.min(1, baseline * Math.exp(effect));
    if (measure === "risk_difference") return Math.min(1, Math.max(0, baseline + effect));
    const odds = (baseline / (1 - baseline)) * Math.exp(effect);
    return odds / (1 + odds);
  }

  const at = (content, path) => path.split("/").reduce((found, key) => (found == null ? found : found[key]), content);
  const across = (effect) => Math.min(width, Math.max(0, ((effect - low) / (high - low)) * width));
  const element = (id) => document.getElementById(id);
  const set = (node, pairs) => Object.entries(pairs).forEach(([name, value]) => node.setAttribute(name, value));

  function line(node, ends) {
    node.toggleAttribute("hidden", !ends);
    node.setAttribute("visibility", ends ? "visible" : "hidden");
    if (ends) set(node, { x1: across(ends[1]), x2: across(ends[2]) });
  }

  function draw(cell) {
    const mean = cell && record.explore.estimands.findIndex((each) => each.of === record.pooled.of);
    document.querySelectorAll("[data-row]").forEach((row) => {
      const place = Number(row.dataset.row);
      const effect = cell && cell.effects[place];
      row.classList.toggle("out", !effect);
      line(row.querySelector("line.given"), effect);
      const dot = row.querySelector("circle.given");
      dot.setAttribute("visibility", effect ? "visible" : "hidden");
      if (effect) dot.setAttribute("cx", across(effect[0]));
      const share = cell && cell.weights[place] ? Math.sqrt(Math.max(0, cell.weights[place])) : 0;
      const side = 3 + 12 * share;
      const box = row.querySelector("rect.mine");
      if (!box) return;
      const middle = across(Number(box.dataset.effect));
      set(box, { x: middle - side / 2, y: 10 - side / 2, width: side, height: side });
    });
    document.querySelectorAll("line.mean").forEach((node) => {
      const answer = cell && mean >= 0 ? cell.answers[mean] : null;
      node.setAttribute("visibility", answer ? "visible" : "hidden");
      if (answer) set(node, { x1: across(answer[0]), x2: across(answer[0]) });
    });
    document.querySelectorAll("[data-summary]").forEach((node) => {
      const ends = cell && cell.answers[Number(node.dataset.summary)];
      if (node.tagName === "polygon") {
        node.setAttribute("visibility", ends ? "visible" : "hidden");
        if (ends) {
          const [middle, left, right] = [ends[0], ends[1], ends[2]].map(across);
          node.setAttribute("points", `${left},15 ${middle},8 ${right},15 ${middle},22`);
        }
      } else line(node, ends);
    });
  }

  function baseline() {
    const range = element("knob-baseline");
    return range ? Number(range.value) / 100 : null;
  }

  function people(cell) {
    const share = baseline();
    document.querySelectorAll("[data-people]").forEach((node) => {
      const [place, end] = node.dataset.people.split("/").map(Number);
      const effect = cell && cell.answers[place] ? cell.answers[place][end] : null;
      const value = effect === null ? null : 1000 * (risk(effect, share) - share);
      node.textContent = spell(value, "signed");
    });
    document.querySelectorAll("[data-baseline]").forEach((node) => { node.textContent = (1000 * share).toFixed(0); });
  }

  function update() {
    const rung = element("knob-rung") ? Number(element("knob-rung").value) : 0;
    const left = Number(element("knob-left").value);
    const prior = Number(element("knob-prior").value);
    const cell = record.explore.cells[rung][left][prior];
    document.querySelectorAll("[data-cell]").forEach((node) => {
      const value = cell ? at(cell, node.dataset.cell) : null;
      node.dataset.path = `/explore/cells/${rung}/${left}/${prior}/${node.dataset.cell}`;
      node.textContent = spell(value, node.dataset.style);
      if (value === null || value === undefined) node.removeAttribute("value");
      else node.setAttribute("value", String(value));
    });
    record.explore.estimands.forEach((_, place) => {
      const absent = Boolean(cell) && cell.answers[place] === null;
      document.querySelectorAll(`[data-absent="${place}"]`).forEach((node) => { node.hidden = !absent; });
      document.querySelectorAll(`[data-present="${place}"]`).forEach((node) => { node.hidden = absent; });
    });
    const changed = [];
    if (prior) changed.push(`the prior of heterogeneity is ${record.explore.priors[prior].name}`);
    if (left) changed.push(`${record.explore.left_out[left].label} is left out`);
    if (rung) changed.push(`on the bias ladder: ${record.explore.rungs[rung].label}`);
    const said = changed.length
      ? `Changed: ${changed.join("; ")}. All else is as registered.`
      : "This is the analysis as it was run: nothing is changed or left out.";
    element("now-what").textContent = cell ? said : `${said} Without these rows no proper posterior exists.`;
    draw(cell);
    people(cell);
  }

  function explore() {
    if (!record.explore) return;
    const knobs = element("knobs");
    knobs.hidden = false;
    ["knob-prior", "knob-left", "knob-rung"].forEach((id) => element(id) && element(id).addEventListener("change", update));
    const range = element("knob-baseline");
    const exact = element("knob-baseline-number");
    if (range) {
      range.addEventListener("input", () => { exact.value = range.value; update(); });
      exact.addEventListener("input", () => {
        const value = Math.round(Number(exact.value));
        if (value >= 1 && value <= 99) { range.value = String(value); update(); }
      });
    }
    element("knob-reset").addEventListener("click", () => {
      knobs.querySelectorAll("select").forEach((select) => { select.selectedIndex = 0; });
      if (range) { range.value = range.defaultValue; exact.value = range.value; }
      update();
    });
    update();
  }

  // Normal distribution function: the complementary error function to 1.2e-7, as in Numerical Recipes.
  function below(z) {
    const t = 1 / (1 + 0.5 * Math.abs(z / Math.SQRT2));
    const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
    const tail = 0.5 * t * Math.exp(-0.5 * z * z + terms.reduceRight((sum, term) => sum * t + term, 0));
    return z > 0 ? 1 - tail : tail;
  }

  // What a row of parts adds up to: a mixture of normals, as bayesrtw.question.parts.
  function added(sets, row, wide) {
    return sets.weight.map((weight, node) => {
      let mean = 0;
      let variance = wide ? sets.spread[node] : 0;
      row.forEach((one, i) => {
        if (!one) return;
        mean += one * sets.mean[node][i];
        row.forEach((other, j) => {
          const [a, b] = i < j ? [j, i] : [i, j];
          if (other) variance += one * other * sets.covariance[node][(a * (a + 1)) / 2 + b];
        });
      });
      return [weight, mean, Math.sqrt(variance)];
    });
  }

  const reaches = (mixture, x) => mixture.reduce((sum, [weight, mean, sd]) => sum + weight * below((x - mean) / sd), 0);

  function quantile(mixture, share) {
    let left = Math.min(...mixture.map(([, mean, sd]) => mean - 9 * sd));
    let right = Math.max(...mixture.map(([, mean, sd]) => mean + 9 * sd));
    for (let step = 0; step < 60; step += 1) {
      const middle = 0.5 * (left + right);
      if (reaches(mixture, middle) < share) left = middle; else right = middle;
    }
    return 0.5 * (left + right);
  }

  function chosen() {
    const sets = record.parts && record.parts.sets;
    const box = element("sets");
    if (!sets || !box) return;
    box.hidden = false;
    const answer = element("sets-answer");
    const say = () => {
      const side = (name) => {
        const has = sets.mean[0].map(() => 0);
        box.querySelectorAll(`[data-side="${name}"]:checked`).forEach((each) => { has[Number(each.value)] = 1; });
        sets.pairs.forEach(([place, one, other]) => { has[place] = has[one] * has[other]; });
        return has;
      };
      const [arm, against] = [side("arm"), side("against")];
      const row = arm.map((one, place) => one - against[place]);
      const lines = [];
      if (row.every((each) => each === 0)) {
        lines.push(arm.some((each) => each) ? "Both sides have the same parts: they do not differ." : "Nothing is chosen.");
      } else {
        const mean = added(sets, row, false);
        const fresh = added(sets, row, true);
        const ends = (mixture) => [0.5, 0.025, 0.975].map((share) => spell(quantile(mixture, share), "analysis"));
        const [middle, left, right] = ends(mean);
        const [, low, high] = ends(fresh);
        const chance = sets.higher ? 1 - reaches(mean, 0) : reaches(mean, 0);
        lines.push(`${answer.dataset.measure}: ${middle} (95 % credible interval ${left} to ${right}); ${answer.dataset.event}: ${spell(chance, "probability")}.`);
        lines.push(`In a new setting: ${low} to ${high}.`);
      }
      answer.replaceChildren(...lines.map((text) => {
        const paragraph = document.createElement("p");
        paragraph.textContent = text;
        return paragraph;
      }));
    };
    box.addEventListener("change", say);
    say();
  }

  function sortable(table) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        const body = table.tBodies[0];
        const key = (row) => {
          const cell = row.cells[column];
          return cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
        };
        const numeric = head.classList.contains("num");
        const rows = Array.from(body.rows).sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          if (x === "" || y === "") return (x === "") - (y === "");
          const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true });
          return ascending ? order : -order;
        });
        body.append(...rows);
      });
    });
  }

  explore();
  chosen();
  document.querySelectorAll("table.sortable").forEach(sortable);
})();
