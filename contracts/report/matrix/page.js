"use strict";
// Shows the matrix at #/ and one cell at #/RUN/CASE. All text of a run is written as text: nothing here makes HTML of it.

(() => {
  const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
  const index = parsed("index");
  const main = document.getElementById("main");
  const coverage = document.getElementById("coverage");
  const cases = index.groups.flatMap((group) => group.cases.map((each) => ({ ...each, group })));
  const symbols = new Map(index.looks.map((look) => [look.verdict, look.symbol]));
  const tones = {
    passed: "good", failed: "bad", "unexpectedly passing": "bad", "harness error": "bad", intermittent: "odd",
    warned: "warn", "not exercised": "warn", info: "note", "known failing": "dim", unsupported: "dim",
  };
  const chosen = { verdicts: new Set(), level: "", text: "" };
  let matrixAt = 0;

  // Elements

  function el(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "onclick" || name === "oninput") made.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : String(value));
    }
    made.append(...children.flat(Infinity).filter((each) => each != null && each !== false).map((each) => each.nodeType ? each : String(each)));
    return made;
  }

  function drawn(tag, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    made.append(...children);
    return made;
  }

  const tone = (verdict) => tones[verdict] || "dim";
  const badge = (verdict, red) =>
    el("span", { class: `verdict ${tone(verdict)}${red ? " red" : ""}` },
      el("span", { class: "symbol", "aria-hidden": "true" }, symbols.get(verdict) || "?"), verdict);
  const route = (run, id) => `#/${encodeURIComponent(run)}/${encodeURIComponent(id)}`;
  const seconds = (value) => value == null ? "" : value.toFixed(3);
  const moment = (text) => el("time", { datetime: text }, text.replace("T", " ").replace(/(:\d\d)(\.\d+)?(Z|\+00:00)$/, "$1 UTC"));
  const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

  // Only what is plainly an address of the web becomes a link.
  function linked(text) {
    return text.split(/(https?:\/\/[^\s<>"'()]+[^\s<>"'().,;:])/).map((part) =>
      /^https?:\/\/[^\s]+$/.test(part) ? el("a", { href: part, rel: "noreferrer noopener", target: "_blank" }, part) : part);
  }

  function copyButton(text) {
    const button = el("button", { type: "button", onclick: async () => {
      try { await navigator.clipboard.writeText(text); } catch {
        const area = el("textarea", {});
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    } }, "Copy");
    return button;
  }

  const copied = (text) => el("div", { class: "command" }, el("pre", {}, text), copyButton(text));

  // The matrix

  function bar(run) {
    const total = Math.max(1, Object.values(run.counts).reduce((sum, each) => sum + each, 0));
    let at = 0;
    const parts = [...symbols.keys()].reverse().filter((verdict) => run.counts[verdict]).map((verdict) => {
      const width = 100 * run.counts[verdict] / total;
      at += width;
      return drawn("rect", { x: at - width, y: 0, width: Math.max(0, width - .4), height: 8, class: tone(verdict) });
    });
    return drawn("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
  }

  function runCard(run) {
    const settings = Object.entries(run.client.settings).map(([name, value]) => `${name} ${value}`);
    const declared = [run.client.capabilities.join(", ") || "no capability", ...settings].join("; ");
    const verdict = run.status === 0 ? "passed" : run.status === 1 ? "failed" : "harness error";
    const status = badge(verdict, run.status !== 0);
    status.lastChild.textContent = run.word;
    const command = run.client.command.join(" ");
    return el("section", { class: "run" },
      el("h2", {}, el("span", { class: "name", title: run.client.name }, run.client.name), status),
      bar(run),
      el("p", {}, run.counted),
      el("details", { class: "small soft", open: index.runs.length < 3 },
        el("summary", {}, `${run.client.driver} · `, moment(run.started)),
        el("p", {}, `Profile ${run.profile}${run.strict ? ", strict" : ""}, omnimock ${run.version}, ${run.seconds.toFixed(1)} s`),
        el("p", {}, `Declared: ${declared}`),
        command && el("p", {}, el("code", {}, command))),
      run.complaints.map((each) => el("p", { class: "complaint small" }, `! ${each}`)));
  }

  function toggles(name, options, isOn, pick) {
    const buttons = options.map(([value, ...label]) => el("button", { type: "button", "aria-pressed": String(isOn(value)), "data-value": value,
      onclick: () => {
        pick(value);
        buttons.forEach((each) => each.setAttribute("aria-pressed", String(isOn(each.dataset.value))));
        sift();
      } }, ...label));
    return el("fieldset", {}, el("legend", {}, name), buttons);
  }

  function filters() {
    const counts = new Map();
    cases.forEach((each) => each.cells.forEach((cell) => cell && counts.set(cell.verdict, (counts.get(cell.verdict) || 0) + 1)));
    const present = [...symbols.keys()].filter((verdict) => counts.has(verdict));
    const search = el("input", { type: "search", id: "search", placeholder: "Find a case", "aria-label": "Find a case by its id or words",
      oninput: () => { chosen.text = search.value; sift(); } });
    search.value = chosen.text;
    return el("div", { class: "filters", role: "group", "aria-label": "Filters" },
      search,
      toggles("Verdict", present.map((verdict) => [verdict, `${symbols.get(verdict)} ${verdict} `, el("span", { class: "soft" }, counts.get(verdict))]),
        (value) => chosen.verdicts.has(value),
        (value) => { if (!chosen.verdicts.delete(value)) chosen.verdicts.add(value); }),
      toggles("Level", [["", "all"], ["must", "must"], ["should", "should"], ["info", "info"]],
        (value) => chosen.level === value, (value) => { chosen.level = value; }));
  }

  function wanted(each) {
    const words = chosen.text.toLowerCase().split(/\s+/).filter(Boolean);
    const text = `${each.id} ${each.title} ${each.requirement} ${each.group.title}`.toLowerCase();
    return (!chosen.level || each.level === chosen.level)
      && words.every((word) => text.includes(word))
      && (!chosen.verdicts.size || each.cells.some((cell) => cell && chosen.verdicts.has(cell.verdict)));
  }

  let rows = [];
  let heads = [];

  function sift() {
    const shown = new Set(cases.filter(wanted));
    rows.forEach(([each, row]) => { row.hidden = !shown.has(each); });
    heads.forEach(([group, row]) => { row.hidden = ![...shown].some((each) => each.group === group); });
    const line = document.getElementById("shown");
    line.textContent = shown.size === cases.length ? `${counted(cases.length, "case")}, ${counted(index.runs.length, "client")}` : `${shown.size} of ${counted(cases.length, "case")}`;
    document.getElementById("none").hidden = shown.size > 0;
  }

  function matrixRow(each) {
    const cells = each.cells.map((cell, place) => el("td", {}, cell
      ? el("a", { href: route(index.runs[place].key, each.id), "aria-label": `${each.id}, ${index.runs[place].client.name}: ${cell.verdict}` }, badge(cell.verdict, cell.red))
      : el("span", { class: "absent" }, "not run")));
    const row = el("tr", { "data-case": each.id },
      el("th", { class: "case", scope: "row", title: each.requirement }, el("div", {},
        el("code", {}, each.id), el("span", { class: "name" }, each.title),
        el("span", { class: `level ${each.level}`, title: each.label }, each.level))),
      cells);
    rows.push([each, row]);
    return row;
  }

  function matrix() {
    rows = [];
    heads = [];
    const many = index.runs.length > 4;
    const body = el("tbody", {});
    for (const group of index.groups) {
      const head = el("tr", { class: "group" }, el("th", { scope: "colgroup", colspan: 1 + index.runs.length }, group.title));
      heads.push([group, head]);
      body.append(head, ...cases.filter((each) => each.group === group).map(matrixRow));
    }
    const columns = index.runs.map((run) => el("th", { class: "client", scope: "col", title: run.client.name }, el("span", { class: "name" }, run.client.name), el("span", { class: "soft" }, run.client.driver)));
    main.replaceChildren(
      el("h1", { class: "unseen" }, "Clients and cases"),
      el("div", { class: `runs${many ? " many" : ""}` }, index.runs.map(runCard)),
      filters(),
      el("p", { class: "shown soft small", id: "shown", "aria-live": "polite" }),
      el("div", { class: `scroll${many ? " many" : ""}`, tabindex: "0", role: "region", "aria-label": "Matrix" },
        el("table", { class: `matrix${index.runs.length === 1 ? " one" : ""}` },
          el("thead", {}, el("tr", {}, el("th", { class: "case", scope: "col" }, "Case"), columns)), body),
        el("p", { class: "none soft", id: "none", hidden: true }, "No case fits these filters.")));
    document.title = "omnimock: clients and cases";
    sift();
    window.scrollTo(0, matrixAt);
  }

  // One cell

  function crumbs(place, number) {
    const step = (to, label) => {
      const there = cases[to];
      return there && there.cells[place] ? el("a", { href: route(index.runs[place].key, there.id), title: there.title }, label(there.id)) : null;
    };
    return el("nav", { class: "crumbs", "aria-label": "Where you are" },
      el("span", {}, el("a", { href: "#/" }, "← All cases"), el("span", { class: "soft" }, cases[number].group.title)),
      el("span", {}, step(number - 1, (id) => `‹ ${id}`), step(number + 1, (id) => `${id} ›`)));
  }

  function otherRuns(number, place) {
    const links = index.runs.map((run, other) => other !== place && cases[number].cells[other] &&
      el("a", { href: route(run.key, cases[number].id) }, `${run.client.name} (${run.client.driver})`, badge(cases[number].cells[other].verdict, cases[number].cells[other].red)));
    return links.some(Boolean) && el("div", { class: "others" }, el("span", { class: "soft" }, "Other clients:"), links);
  }

  function findingSection(finding, cell) {
    const session = cell.sessions[finding.session];
    const name = session && cell.sessions.length > 1 ? ` in session ${session.name || finding.session + 1}` : "";
    const goTo = (line) => {
      const row = document.getElementById(`line-${finding.session}-${line}`);
      if (row) row.scrollIntoView({ block: "center" });
    };
    return el("div", { class: "finding" },
      el("div", { class: "pair" },
        el("div", { class: "said expected" }, el("b", {}, "Expected"), finding.expected),
        el("div", { class: `said ${finding.verdict === "failed" ? "seen" : ""}` }, el("b", {}, "Seen"), finding.seen)),
      el("p", { class: "where" }, `${finding.channel === "wire" ? "On the wire" : "By the client's own word"}${name}`,
        finding.lines.length > 0 && [`, line${finding.lines.length > 1 ? "s" : ""} `, finding.lines.slice(0, 12).map((line) =>
          [el("button", { type: "button", "aria-label": `Go to line ${line + 1}`, onclick: () => goTo(line) }, line + 1), " "]),
        finding.lines.length > 12 && ` and ${finding.lines.length - 12} more`],
        finding.upper && ". It is an upper bound on time, which a busy machine can break."));
  }

  function findings(cell) {
    const failed = cell.findings.filter((each) => each.verdict === "failed");
    const rest = cell.findings.filter((each) => each.verdict !== "failed");
    const told = rest.map((each) => el("div", { class: "finding" },
      el("p", {}, badge(each.verdict), " ", el("span", { class: "soft small" }, each.channel)),
      el("div", { class: "pair" }, el("div", { class: "said" }, el("b", {}, "Expected"), each.expected), el("div", { class: "said" }, el("b", {}, "Seen"), each.seen))));
    return el("section", { class: "card", id: "findings" },
      el("h2", {}, failed.length ? "What is wrong" : "What was checked"),
      cell.reason && el("p", {}, cell.reason),
      failed.map((each) => findingSection(each, cell)),
      failed.length && told.length ? el("details", { class: "finding" }, el("summary", {}, `${counted(told.length, "other check")}`), told) : told,
      !cell.findings.length && !cell.reason && el("p", { class: "soft" }, "Nothing was noted."),
      el("p", { class: "where" }, "Two verdicts: wire ", badge(cell.wire), " outcome ", badge(cell.outcome)));
  }

  function strip(session, pointed) {
    const end = Math.max(.001, ...session.wire.map((line) => line.at_seconds + (line.took_seconds || 0)));
    const at = (time) => 4 + 986 * time / end;
    const marks = session.wire.map((line, number) => {
      const mark = drawn("rect", { x: at(line.at_seconds), y: 6, height: 20, rx: 1.5, width: Math.max(5, at(line.took_seconds || 0) - 4), class: `s${Math.floor((line.status || 0) / 100)}` });
      mark.append(drawn("title", {}, `${seconds(line.at_seconds)} s  ${line.title}  ${line.status || "no reply"}`));
      return pointed.has(number) ? [mark, drawn("rect", { x: at(line.at_seconds), y: 28, height: 4, width: Math.max(5, at(line.took_seconds || 0) - 4), class: "pointed" })] : [mark];
    }).flat();
    return [drawn("svg", { class: "strip", viewBox: "0 0 1000 34", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawn("line", { x1: 0, x2: 1000, y1: 26.5, y2: 26.5, class: "axis" }), ...marks),
    el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, "0 s"), el("span", {}, `${seconds(end)} s`))];
  }

  function wireLine(line, number, place, isPointed) {
    const kinds = { exchange: "", callback: "callback ", stranger: "to another origin " };
    const body = el("tr", { hidden: true }, el("td", { colspan: 7 }, el("div", { class: "bodies" },
      el("div", {}, el("h4", {}, line.kind === "callback" ? "Callback" : "Request"), el("pre", {}, line.request || "nothing")),
      el("div", {}, el("h4", {}, line.kind === "callback" ? "The client's answer" : "Response"), el("pre", {}, line.response || "nothing")))));
    const button = el("button", { type: "button", "aria-expanded": "false", "aria-label": `Line ${number + 1}: request and response` }, number + 1);
    const row = el("tr", { class: `line${isPointed ? " pointed" : ""}`, id: `line-${place}-${number}`, onclick: () => {
      if (String(window.getSelection())) return;
      body.hidden = !body.hidden;
      button.setAttribute("aria-expanded", String(!body.hidden));
    } },
    el("td", {}, button),
    el("td", { class: "number" }, seconds(line.at_seconds)),
    el("td", { class: "number" }, seconds(line.gap_seconds)),
    el("td", { class: `status s${Math.floor((line.status || 0) / 100)}` }, line.status || "no reply"),
    el("td", { class: "what" }, kinds[line.kind] && el("span", { class: "soft" }, kinds[line.kind]), el("code", {}, line.title),
      isPointed && el("span", { class: "hint" }, "◀ shows it"), line.note && el("div", { class: "soft small" }, line.note)),
    el("td", {}, line.told || ""),
    el("td", { class: "number" }, seconds(line.took_seconds)));
    return [row, body];
  }

  function wireTable(session, place, pointed) {
    const titles = ["#", "at, s", "gap, s", "status", "what", "told", "took, s"];
    return [strip(session, pointed), el("div", { class: "rows" }, el("table", { class: "wire" },
      el("thead", {}, el("tr", {}, titles.map((each) => el("th", { scope: "col", class: each.endsWith(", s") ? "number" : "" }, each)))),
      el("tbody", {}, session.wire.flatMap((line, number) => wireLine(line, number, place, pointed.has(number))))))];
  }

  function jobTable(session) {
    const titles = ["job", "ended", "result", "took, s", "exit status"];
    return el("div", { class: "rows" }, el("table", {},
      el("thead", {}, el("tr", {}, titles.map((each, at) => el("th", { scope: "col", class: at > 2 ? "number" : "" }, each)))),
      el("tbody", {}, session.jobs.map((job) => el("tr", {},
        el("td", { class: "ended" }, el("code", {}, job.job)),
        el("td", { class: "ended" }, job.ended),
        el("td", { class: "what" },
          job.result ? el("pre", {}, JSON.stringify(job.result, null, 1)) : el("span", { class: "soft" }, "not reported"),
          el("details", {}, el("summary", { class: "small" }, "what was asked"), el("pre", {}, JSON.stringify({ request: job.request, settings: job.settings }, null, 1)))),
        el("td", { class: "number" }, seconds(job.seconds)),
        el("td", { class: "number" }, job.exit_status ?? ""))))));
  }

  function sessionSection(session, place, cell, open) {
    const pointed = new Set(cell.findings.filter((each) => each.session === place && each.verdict === "failed").flatMap((each) => each.lines));
    const told = el("details", { class: "card session" }, el("summary", {}, `Session ${session.name || place + 1} `,
      el("span", { class: "soft" }, `· ${counted(session.wire.length, "wire line")}, ${counted(session.jobs.length, "job")}`)));
    // What is folded away is made when it is opened.
    const fill = () => {
      if (told.childElementCount > 1) return;
      told.append(
        el("section", {}, el("h3", {}, "Wire log"), session.wire.length ? wireTable(session, place, pointed) : el("p", { class: "soft" }, "Nothing came over the wire.")),
        el("section", {}, el("h3", {}, "Jobs, and what the client said of them"), session.jobs.length ? jobTable(session) : el("p", { class: "soft" }, "No job.")));
      if (session.log) told.append(el("section", {}, el("h3", {}, "The client's log"), el("pre", {}, session.log)));
      if (session.scenario) told.append(el("section", {}, el("h3", {}, "The scenario"), copied(session.scenario)));
    };
    told.addEventListener("toggle", fill);
    if (open) { told.open = true; fill(); }
    return told;
  }

  function sessions(cell) {
    const telling = new Set(cell.findings.filter((each) => each.verdict === "failed").map((each) => each.session));
    let opened = 0;
    return cell.sessions.map((session, place) => {
      const open = opened < 3 && (telling.size ? telling.has(place) : cell.sessions.length < 3);
      opened += open;
      return sessionSection(session, place, cell, open);
    });
  }

  function cellPage(place, number) {
    const run = index.runs[place];
    const cell = parsed(`cell-${place}-${number}`);
    const heading = el("h1", { tabindex: "-1" }, `${cell.id} ${cell.title}`);
    main.replaceChildren(
      crumbs(place, number),
      el("div", { class: "title" }, badge(cell.verdict, cell.red), heading),
      el("div", { class: "soft" }, `${run.client.name}, driven by ${run.client.driver} · ${cell.seconds.toFixed(1)} s · `, moment(run.started)),
      otherRuns(number, place) || "",
      el("div", { class: "page" },
        el("section", { class: "card requirement" },
          el("p", { class: "rule" }, cell.requirement),
          el("dl", { class: "facts" },
            el("div", {}, el("dt", {}, "Level"), el("dd", {}, cell.label)),
            el("div", {}, el("dt", {}, "Source"), el("dd", {}, linked(cell.source))))),
        findings(cell),
        el("div", { class: "pair" },
          el("section", { class: "card" }, el("h2", {}, "How to fix it"), el("p", {}, cell.fix)),
          el("section", { class: "card" }, el("h2", {}, "Why it matters"), el("p", {}, cell.why))),
        cell.replay && el("section", { class: "card" }, el("h2", {}, "Replay it"), copied(cell.replay)),
        sessions(cell),
        cell.sessions_left_out > 0 && el("p", { class: "soft" }, `${counted(cell.sessions_left_out, "more session")} in runs/${run.key}.json`)));
    document.title = `${cell.id} ${cell.verdict}: ${run.client.name}`;
    window.scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }

  function show() {
    let parts;
    try { parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent); } catch { parts = ["?", "?"]; }
    // What a run showed is no part of one cell.
    if (coverage) coverage.hidden = parts.length >= 2;
    if (parts.length < 2) return matrix();
    const place = index.runs.findIndex((run) => run.key === parts[0]);
    const number = cases.findIndex((each) => each.id === parts[1]);
    if (place >= 0 && number >= 0 && cases[number].cells[place]) return cellPage(place, number);
    main.replaceChildren(el("p", {}, `There is no case ${parts[1]} of a run ${parts[0]} in this report. `, el("a", { href: "#/" }, "All cases")));
  }

  window.addEventListener("scroll", () => { if (document.getElementById("shown")) matrixAt = window.scrollY; }, { passive: true });
  document.querySelector(".skip").addEventListener("click", (click) => { click.preventDefault(); main.focus(); });
  window.addEventListener("hashchange", show);
  show();
})();
