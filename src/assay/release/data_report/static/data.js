(() => {
  const list = document.getElementById("list");
  if (!list) return;
  const { rules, findings, rows } = JSON.parse(document.getElementById("page-data").textContent);
  const PAGE = 60;
  const form = document.getElementById("filters");
  const viewer = document.getElementById("viewer");
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  let chosen = [];
  let shown = 0;
  let current = -1;
  let exact = false;
  let only = null; // the number of a cluster

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const badge = (severity) =>
    make("span", severity, "badge " + { error: "fail", warning: "not_measured", info: "info" }[severity]);
  const words = findings.map((one) =>
    [one.place, one.rule, one.evidence, one.text, one.path].join(" ").toLowerCase());

  const isOfCluster = (one) => only === null || one.cluster === only;
  const choose = () => {
    const asked = new FormData(form);
    const search = asked.get("search").trim().toLowerCase();
    chosen = [];
    findings.forEach((one, index) => {
      if (asked.get("rule") && one.rule !== asked.get("rule")) return;
      if (asked.get("severity") && one.severity !== asked.get("severity")) return;
      if (asked.get("part") && one.part !== asked.get("part")) return;
      if (search && !words[index].includes(search)) return;
      if (isOfCluster(one)) chosen.push(index);
    });
    shown = 0;
    list.replaceChildren();
    extend();
    const of = only === null ? "" : " of one cluster that this page lists";
    found.textContent = `${chosen.length.toLocaleString("en")} findings${of}`;
    const at = chosen.includes(current) ? current : chosen.length ? chosen[0] : -1;
    open(at);
  };
  const extend = () => {
    for (const index of chosen.slice(shown, shown + PAGE)) list.append(entry(index));
    shown = Math.min(shown + PAGE, chosen.length);
    more.hidden = shown >= chosen.length;
    mark();
  };
  const entry = (index) => {
    const one = findings[index];
    const item = make("li");
    const button = make("button");
    button.type = "button";
    button.dataset.index = index;
    const head = make("span", "", "head");
    head.append(badge(one.severity), make("strong", one.rule), make("span", one.place, "place"));
    button.append(head);
    if (one.text) button.append(make("span", one.text, "passage"));
    button.append(make("span", one.evidence, "evidence"));
    item.append(button);
    return item;
  };
  const mark = () => {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.index) === current));
    }
  };

  const pieces = (parent, listed) => {
    for (const [text, severity, names] of listed) {
      if (!severity) { parent.append(text); continue; }
      const span = make("mark", text || "∅", "span " + severity);
      span.title = names.join(", ");
      parent.append(span);
    }
  };
  const message = (one) => {
    const block = make("div", "", one.trained ? "message trained" : "message");
    const role = make("div", "", "role");
    role.append(make("span", one.call ? `${one.role} calls` : one.role));
    if (one.trained) role.append(make("small", "trained"));
    const text = make("pre");
    if (one.call) text.append(make("b", one.call + " "));
    pieces(text, one.pieces);
    block.append(role, text);
    return block;
  };
  const rendered = (row) => {
    const text = make("pre", "", "masked");
    for (const [part, isTrained] of row.rendered.parts) {
      if (isTrained) text.append(make("mark", part)); else text.append(part);
    }
    return text;
  };
  const tabs = (row) => {
    const group = make("div", "", "tabs");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "How the row is shown");
    for (const [label, value] of [["Messages", false], ["As the model reads it", true]]) {
      const button = make("button", label);
      button.type = "button";
      button.setAttribute("aria-pressed", String(exact === value));
      button.addEventListener("click", () => { exact = value; open(current); });
      group.append(button);
    }
    const { tokens, trained, examples } = row.rendered;
    const several = examples > 1 ? `, last of ${examples} examples` : "";
    group.append(make("small", `${tokens} tokens, ${trained} trained${several}`));
    return group;
  };
  const about = (one, row) => {
    const told = make("div", "", "about");
    const head = make("p", "", "head");
    head.append(badge(one.severity), make("strong", one.rule), make("span", one.place, "place"));
    told.append(head, make("p", one.evidence), make("p", rules[one.rule].meaning, "caption"));
    const facts = [`a plan would ${one.fix} it`, one.part];
    if (one.path) facts.push(one.path);
    if (row) {
      facts.push(row.kind);
      for (const [name, value] of Object.entries(row.origin)) facts.push(`${name} ${value}`);
    }
    told.append(make("p", facts.join(" · "), "caption"));
    if (one.related) {
      const left = one.num_related - one.related.length;
      const also = one.related.slice(0, 12).join(", ");
      const rest = left + Math.max(one.related.length - 12, 0);
      told.append(make("p", `with ${also}${rest ? ` and ${rest} more` : ""}`, "caption"));
    }
    return told;
  };
  const open = (index) => {
    current = index;
    mark();
    viewer.replaceChildren();
    if (index < 0) return;
    const one = findings[index];
    const row = rows[one.row];
    viewer.append(about(one, row));
    if (!row) {
      viewer.append(make("p", "The row could not be read, or is not in this page.", "missing"));
      return;
    }
    if (row.rendered) viewer.append(tabs(row));
    if (exact && row.rendered) viewer.append(rendered(row));
    else viewer.append(...row.texts.map(message));
    const others = findings.flatMap((other, at) => other.row === one.row && at !== index ? [at] : []);
    if (!others.length) return;
    const also = make("p", "Also in this row: ", "caption");
    for (const at of others.slice(0, 12)) {
      const button = make("button", findings[at].rule, "chip");
      button.type = "button";
      button.addEventListener("click", () => open(at));
      also.append(button, " ");
    }
    viewer.append(also);
  };

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) open(Number(button.dataset.index));
  });
  list.addEventListener("keydown", (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const item = event.target.closest("li");
    if (!move || !item) return;
    event.preventDefault();
    const next = move > 0 ? item.nextElementSibling : item.previousElementSibling;
    if (!next) return;
    next.firstElementChild.focus();
    open(Number(next.firstElementChild.dataset.index));
  });
  more.addEventListener("click", extend);
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { only = null; setTimeout(choose); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-rule]");
    if (!link) return;
    const { rule, cluster } = link.dataset;
    only = cluster ? Number(cluster) : null;
    form.elements.search.value = "";
    form.elements.severity.value = "";
    if (form.elements.part) form.elements.part.value = "";
    form.elements.rule.value = rules[rule] ? rule : "";
    choose();
  });

  document.getElementById("no-script").remove();
  form.hidden = false;
  document.querySelector(".browser").hidden = false;
  choose();
})();
