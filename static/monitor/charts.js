// Columns in SVG, each chart with a title, a description in words, and the same figures as a table.

import { h, s } from "./dom.js";
import { axis, column, labelled, stack } from "./scales.js";
import { count, counted, percent, span } from "./words.js";

const [HEIGHT, LEFT, BELOW, ABOVE] = [190, 40, 22, 8];

export const GROUPS = [
    { name: "answered", label: "Answered", tone: "ok", of: ["answered"] },
    { name: "voicemail", label: "Voicemail", tone: "voice", of: ["voicemail"] },
    { name: "unanswered", label: "No answer or busy", tone: "wait", of: ["no_answer", "busy"] },
    { name: "failed", label: "Failed", tone: "bad", of: ["rejected", "invalid_number", "congestion", "error"] },
    { name: "open", label: "Going on", tone: "live", of: ["open"] },
];

/** Calls over time by how they ended; those that were cancelled were never placed. */
export function overTime({ step, over_time }) {
    const columns = over_time.map((each) => ({ ...timeOf(each.start, step), values: Object.fromEntries(GROUPS.map(({ name, of }) => [name, sum(of.map((of) => each[of]))])) }));
    const total = sum(columns.map(({ values }) => sum(Object.values(values))));
    const busiest = columns.reduce((most, each) => (sum(Object.values(each.values)) > sum(Object.values(most.values)) ? each : most), columns[0]);
    return {
        title: "Calls over time", total, columns, groups: GROUPS.filter(({ name }) => columns.some(({ values }) => values[name])), say: count,
        words: total ? `${counted(total, "call")}; most of them ${busiest.label} (${count(sum(Object.values(busiest.values)))}).` : "No call in this time.",
    };
}

/** How long conversations took. */
export function durations({ durations: lengths }) {
    const name = ({ from_sec, to_sec }) => (to_sec === null ? `over ${span(from_sec)}` : `${to_sec < 60 ? from_sec : span(from_sec)}–${span(to_sec)}`.replace(" min–", "–"));
    const columns = lengths.map((each) => ({ label: name(each), short: short(each), values: { calls: each.calls } }));
    const total = sum(lengths.map(({ calls }) => calls));
    const most = columns.reduce((one, other) => (other.values.calls > one.values.calls ? other : one), columns[0]);
    return {
        title: "Length of conversations", total, columns, groups: [{ name: "calls", label: "Conversations", tone: "ok" }], say: count,
        words: total ? `${counted(total, "conversation")}; most took ${most.label}.` : "No conversation in this time.",
    };
}

/** The part of calls that were picked up, for each hour of the day. */
export function byHour({ by_hour }) {
    const columns = by_hour.map(({ hour, ended, picked_up }) => ({
        label: `${String(hour).padStart(2, "0")}:00`, short: String(hour).padStart(2, "0"), values: { rate: ended ? (picked_up / ended) * 100 : 0 },
        hint: ended ? `${percent(picked_up, ended)}: ${count(picked_up)} of ${count(ended)}` : "no call", ended,
    }));
    const total = sum(by_hour.map(({ ended }) => ended));
    const picked = sum(by_hour.map(({ picked_up }) => picked_up));
    return {
        title: "Answer rate by hour of day", total, columns, groups: [{ name: "rate", label: "Picked up", tone: "live" }], top: 100, say: (rate) => `${Math.round(rate)}%`,
        words: total ? `${count(picked)} of ${count(total)} ended calls were picked up, ${percent(picked, total)}.` : "No call has ended in this time.",
    };
}

/** A chart as a figure of `width` pixels. */
export function draw(chart, { id, width }) {
    return h("figure", { class: "chart" },
        h("figcaption", {}, h("h3", {}, chart.title), h("p", { class: "faint" }, chart.words)),
        drawing(chart, { id, width }),
        chart.groups.length > 1 && h("ul", { class: "legend" }, chart.groups.map(({ label, tone }) => h("li", { class: tone }, h("i", {}), label))),
        h("details", {}, h("summary", {}, "As a table"), table(chart)));
}

function drawing(chart, { id, width }) {
    const inner = { width: Math.max(60, width - LEFT), height: HEIGHT - BELOW - ABOVE };
    const { top, ticks } = chart.top ? { top: chart.top, ticks: [0, 50, 100] } : axis(Math.max(...chart.columns.map(({ values }) => sum(Object.values(values)))));
    const y = (value) => ABOVE + inner.height * (1 - value / top);
    const isLabelled = labelled(chart.columns.length, inner.width, Math.max(...chart.columns.map(({ short }) => short.length)) * 6.5 + 10);
    const names = chart.groups.map(({ name }) => name);
    const tones = Object.fromEntries(chart.groups.map(({ name, tone }) => [name, tone]));
    return s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-labelledby": `${id}-title ${id}-desc` },
        s("title", { id: `${id}-title` }, chart.title), s("desc", { id: `${id}-desc` }, chart.words),
        ticks.map((tick) => [
            s("line", { class: "grid", x1: LEFT, x2: width, y1: y(tick), y2: y(tick) }),
            s("text", { x: LEFT - 8, y: y(tick) + 4, class: "tick end" }, chart.say(tick)),
        ]),
        chart.columns.map((each, place) => {
            const at = column(place, chart.columns.length, inner.width);
            return s("g", { class: "column" },
                s("title", {}, hint(each, chart)),
                s("rect", { class: "hover", x: LEFT + (place * inner.width) / chart.columns.length, y: ABOVE, width: inner.width / chart.columns.length, height: inner.height }),
                stack(each.values, names).map(({ name, from, to }) => s("rect", { class: tones[name], x: LEFT + at.x, width: at.width, y: y(to), height: Math.max(1, y(from) - y(to) - (from ? 1 : 0)), rx: Math.min(2.5, at.width / 3) })),
                isLabelled(place) && s("text", { x: LEFT + at.x + at.width / 2, y: HEIGHT - 5, class: "tick" }, each.short));
        }));
}

function table(chart) {
    const cell = (each, name) => (each.hint ?? chart.say(each.values[name]));
    return h("div", { class: "table", tabindex: 0, role: "region", "aria-label": `${chart.title}, as a table` }, h("table", {},
        h("thead", {}, h("tr", {}, h("td", {}), chart.groups.map(({ label }) => h("th", { scope: "col" }, label)))),
        h("tbody", {}, chart.columns.map((each) => h("tr", {}, h("th", { scope: "row" }, each.label), chart.groups.map(({ name }) => h("td", {}, cell(each, name))))))));
}

function hint(each, chart) {
    if (each.hint) return `${each.label}\n${each.hint}`;
    return [each.label, ...chart.groups.filter(({ name }) => each.values[name]).map(({ name, label }) => `${label}: ${chart.say(each.values[name])}`)].join("\n");
}

/** The wall's time stands in the text: read as it is written, whatever zone the browser is in. */
function timeOf(iso, step) {
    const [, year, month, day, hour] = /^(\d+)-(\d+)-(\d+)T(\d+)/.exec(iso).map(Number);
    const date = new Date(year, month - 1, day).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const two = String(hour).padStart(2, "0");
    return step === "hour" ? { label: `${date}, ${two}:00`, short: two } : { label: date, short: date };
}

const short = ({ from_sec, to_sec }) => (from_sec < 60 ? `${from_sec} s` : `${from_sec / 60} min`) + (to_sec === null ? "+" : "");
const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
