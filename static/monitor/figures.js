// Today's figures and the charts: counted by the server from the rows, asked for again when something has changed.

import { get } from "./api.js";
import { byHour, draw, durations, overTime } from "./charts.js";
import { h, show } from "./dom.js";
import { count, counted, isUnfinished, percent, span } from "./words.js";

const SOONEST = 3000; // milliseconds between two questions; more where answering takes long
const PERIODS = {
    today: { label: "Today", days: 0 },
    week: { label: "7 days", days: 6 },
    month: { label: "30 days", days: 29 },
};

export class Figures {
    constructor({ store, figures, charts }) {
        Object.assign(this, { store, figures, charts });
        this.period = "today";
        this.asked = { at: 0, took: 0 };
        new ResizeObserver(() => this.drawCharts()).observe(charts);
        setInterval(() => this.dirty(), 60_000); // an hour, a day may have begun
    }

    async load(workspace) {
        this.workspace = workspace;
        this.today = this.over = null;
        await this.ask();
    }

    /** Something has changed: ask again, soon, but not all the time. */
    dirty() {
        if (this.timer || !this.workspace) return;
        const wait = Math.max(0, this.asked.at + Math.max(SOONEST, 10 * this.asked.took) - Date.now());
        this.timer = setTimeout(() => {
            this.timer = 0;
            if (!document.hidden) this.ask().catch(() => {}); // the banner says that the server is away
        }, wait);
    }

    async ask() {
        const { workspace, period } = this;
        const begun = Date.now();
        const today = await this.statistics(0);
        const over = period === "today" ? today : await this.statistics(PERIODS[period].days);
        this.asked = { at: Date.now(), took: Date.now() - begun };
        if (workspace !== this.workspace) return;
        this.today = today;
        if (period === this.period) this.over = over;
        this.drawFigures();
        this.drawCharts();
    }

    statistics(days) {
        const since = new Date();
        since.setHours(0, 0, 0, 0);
        since.setDate(since.getDate() - days);
        const until = new Date();
        until.setHours(23, 59, 59, 999);
        const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        return get("/telephony/statistics", { workspace_id: this.workspace.id, date_from: since.toISOString(), date_to: until.toISOString(), time_zone });
    }

    drawFigures() {
        if (!this.today) return;
        const { by_status, total, total_duration_sec } = this.today;
        const running = [...this.store.runs.values()].filter(isUnfinished);
        const lines = running.reduce((sum, run) => sum + run.in_flight_count, 0);
        const placed = total - by_status.cancelled;
        const ended = by_status.done + by_status.failed;
        const moving = running.filter((run) => run.status === "running" || run.status === "pausing").length;
        const figure = (label, value, hint) => h("div", { class: "card figure" }, h("dt", {}, label), h("dd", {}, h("strong", {}, value), h("small", {}, hint)));
        show(this.figures,
            figure("Calls today", count(placed), "since midnight"),
            figure("Answer rate", percent(by_status.done, ended), `${count(by_status.done)} of ${count(ended)} picked up`),
            figure("Talked today", span(total_duration_sec), by_status.done ? `${span(total_duration_sec / by_status.done)} a call on average` : "no conversation yet"),
            figure("Lines in use", count(lines), moving ? `${counted(moving, "campaign")} dialling` : "no campaign dialling"));
    }

    drawCharts() {
        const width = this.charts.querySelector(".chart-place")?.clientWidth;
        if (!this.over || !width) return;
        const charts = [overTime(this.over), durations(this.over), byHour(this.over)];
        charts.forEach((chart, place) => {
            const card = this.charts.querySelectorAll(".chart-place")[place];
            const isOpen = card.querySelector("details")?.open;
            const figure = draw(chart, { id: `chart-${place}`, width: card.clientWidth });
            if (card.firstElementChild?.isEqualNode(figure)) return;
            const focused = card.contains(document.activeElement) && document.activeElement.tagName;
            if (isOpen) figure.querySelector("details").open = true;
            card.replaceChildren(figure);
            if (focused) card.querySelector(focused)?.focus();
        });
        this.periods();
    }

    periods() {
        const chip = ([name, { label }]) => h("button", { class: "chip", type: "button", "aria-pressed": String(name === this.period), onclick: () => this.choose(name) }, label);
        const place = this.charts.parentElement.querySelector("[data-part=periods]");
        if (!place.children.length) place.append(...Object.entries(PERIODS).map(chip));
        [...place.children].forEach((each, at) => each.setAttribute("aria-pressed", String(Object.keys(PERIODS)[at] === this.period)));
    }

    choose(name) {
        this.period = name;
        this.periods();
        this.ask().catch(() => {});
    }
}
