// The list of calls: newest first, as long as the journal, with only those rows drawn that can be seen.

import { get, sentence } from "./api.js";
import { badge, h, icon, show } from "./dom.js";
import { asQuery, CHOICES, isNarrow, matches, NONE } from "./filters.js";
import { insert, visible } from "./window.js";
import { clock, count, isLive, lasted, nameOf, numberOf, page, plain, stateOf, when } from "./words.js";

const PAGE = 200;
const KEPT = 5000; // rows; older ones are asked for again when somebody scrolls there

export class CallList {
    /** `open(call_id)` shows a call; `start()` offers to start a campaign. */
    constructor({ store, root, open, start }) {
        Object.assign(this, { store, root, open, start });
        this.filter = { ...NONE };
        this.rows = []; // {id, call_id}, ids falling
        this.drawn = new Map(); // call_id → element
        this.active = 0;
        this.total = 0;
        this.more = false;
        this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
        this.listen();
        this.chips();
    }

    listen() {
        const { search, body } = this.parts;
        let typing = 0;
        search.addEventListener("input", () => {
            clearTimeout(typing);
            typing = setTimeout(() => this.narrow({ q: search.value.trim() }), 250);
        });
        addEventListener("scroll", () => this.later(), { passive: true });
        addEventListener("resize", () => this.later());
        body.addEventListener("click", ({ target }) => this.opened(target.closest("[data-call]")));
        body.addEventListener("keydown", (event) => this.key(event));
        setInterval(() => this.tick(), 1000);
    }

    /** Begin anew with another workspace. */
    async load(workspace) {
        this.workspace = workspace;
        this.rows = [];
        return this.fetch();
    }

    /** Change the filter, and ask the server. */
    narrow(change) {
        this.filter = { ...this.filter, ...change };
        this.parts.search.value = this.filter.q;
        this.chips();
        return this.fetch().catch((error) => this.fail(error));
    }

    /** The first page. Its answer says, too, from which version on changes are still to come. */
    async fetch() {
        this.asking?.abort();
        const { signal } = (this.asking = new AbortController());
        this.root.setAttribute("aria-busy", "true");
        try {
            const answer = await get("/telephony/journal", this.query(), { signal });
            for (const call of answer.calls) this.store.putCall(call);
            this.rows = answer.calls.map(({ id, call_id }) => ({ id, call_id }));
            this.active = 0;
            this.counted(answer);
            this.changed([...this.store.calls.values()].filter((call) => call.version > answer.max_version).map((call) => call.call_id));
            return answer;
        } finally {
            this.root.removeAttribute("aria-busy");
        }
    }

    /** The page below the last row. */
    async older() {
        if (!this.more || this.reading) return;
        this.reading = true;
        const { filter } = this;
        try {
            const answer = await get("/telephony/journal", { ...this.query(), before_id: this.rows.at(-1).id });
            if (filter !== this.filter) return;
            for (const call of answer.calls) {
                this.store.putCall(call);
                if (matches(this.store.calls.get(call.call_id), filter)) insert(this.rows, { id: call.id, call_id: call.call_id });
            }
            this.more = answer.has_more;
            this.draw();
        } catch (error) {
            this.fail(error);
        } finally {
            this.reading = false;
        }
    }

    /** How many calls the server has for this filter, asked again after changes. */
    async recount() {
        if (!this.workspace) return;
        const { filter } = this;
        const answer = await get("/telephony/journal", { ...this.query(), limit: 1 });
        if (filter === this.filter) this.counted({ ...answer, has_more: this.more });
    }

    query() {
        return { workspace_id: this.workspace.id, limit: PAGE, ...asQuery(this.filter) };
    }

    counted({ total, total_capped, has_more }) {
        this.total = total;
        this.more = has_more;
        const words = `${count(total)}${total_capped ? "+" : ""}`;
        show(this.parts.count, isNarrow(this.filter) ? `${words} found` : words);
    }

    /** Calls have changed: let in those that belong here, take out those that no longer do. */
    changed(ids) {
        const anchor = this.above() > 0 ? this.rows[this.above()] : null;
        let [gone, come] = [new Set(), false];
        for (const call_id of ids) {
            const call = this.store.calls.get(call_id);
            if (!call) continue;
            if (!matches(call, this.filter)) gone.add(call_id);
            else if (!this.more || !this.rows.length || call.id > this.rows.at(-1).id) {
                const before = this.rows.length;
                insert(this.rows, { id: call.id, call_id });
                come ||= this.rows.length > before;
            }
        }
        if (gone.size) this.rows = this.rows.filter((row) => !gone.has(row.call_id));
        if (this.rows.length > KEPT && this.above() < KEPT / 2) this.shorten();
        if (anchor && (come || gone.size)) this.hold(anchor);
        this.draw();
    }

    shorten() {
        const cut = this.rows.splice(KEPT);
        this.store.drop(cut.map((row) => row.call_id));
        this.more = true;
    }

    /** How many rows are above the window's upper edge. */
    above() {
        return Math.max(0, Math.floor(-this.parts.body.getBoundingClientRect().top / this.height()));
    }

    /** Whoever has scrolled down goes on seeing the same rows, whatever comes in above them. */
    hold(anchor) {
        const moved = this.rows.findIndex((row) => row.id <= anchor.id) - this.above();
        if (moved) scrollBy(0, moved * this.height());
    }

    height() {
        return matchMedia("(max-width: 720px)").matches ? 76 : 58; // as monitor.css has it
    }

    later() {
        if (this.frame) return;
        this.frame = requestAnimationFrame(() => {
            this.frame = 0;
            this.draw();
        });
    }

    draw() {
        const { body, empty, grid } = this.parts;
        const height = this.height();
        const total = this.rows.length;
        grid.hidden = !total;
        empty.hidden = Boolean(total);
        if (!total) show(empty, this.nothing());
        body.style.setProperty("--rows", total);
        grid.setAttribute("aria-rowcount", total + 1);
        const { top } = body.getBoundingClientRect();
        const { first, last } = visible({ top, view: innerHeight, height, total });
        this.active = Math.min(this.active, Math.max(0, total - 1));
        const wanted = new Set();
        for (let place = first; place < last; place += 1) wanted.add(this.place(place));
        const focused = document.activeElement?.closest?.("[data-call]");
        for (const [call_id, element] of this.drawn) {
            if (wanted.has(call_id) || element === focused) continue;
            element.remove();
            this.drawn.delete(call_id);
        }
        if (last >= total - 20) this.older();
    }

    place(place) {
        const { call_id } = this.rows[place];
        const call = this.store.calls.get(call_id);
        let element = this.drawn.get(call_id);
        if (!element) {
            element = h("div", { role: "row", class: "call", data: { call: call_id } });
            this.drawn.set(call_id, element);
            this.parts.body.append(element);
        }
        const run = this.store.runs.get(call.parent_call_id);
        const shown = `${call.version} ${run?.name}`;
        if (element.dataset.shown !== shown) this.write(element, call, run, shown);
        element.style.setProperty("--row", place);
        element.setAttribute("aria-rowindex", place + 2);
        element.tabIndex = place === this.active ? 0 : -1;
        return call_id;
    }

    write(element, call, run, shown) {
        const fresh = element.dataset.shown && !element.dataset.shown.startsWith(`${call.version} `);
        element.dataset.shown = shown;
        element.classList.toggle("is-live", isLive(call));
        const cell = (name, ...children) => h("span", { role: "gridcell", class: name }, ...children);
        const judged = call.disposition && call.disposition !== "unknown" ? page.disposition[call.disposition] : null;
        element.replaceChildren(
            cell("call-state", badge(stateOf(call), call.reason ? plain(call.reason) : "")),
            cell("call-who", h("b", {}, numberOf(call)), h("small", {}, run ? nameOf(run) : page.direction[call.direction]?.label)),
            cell("call-what", call.summary ? h("span", {}, call.summary) : h("span", { class: "faint" }, this.stage(call))),
            cell("call-judged", judged && badge(judged, "The agent's own judgement")),
            cell("call-clock", call.has_audio && icon("audio"), h("span", {}, this.lasted(call))),
            cell("call-when", h("time", { datetime: call.created_at }, when(call.created_at))),
        );
        if (fresh) {
            element.classList.remove("is-fresh");
            requestAnimationFrame(() => element.classList.add("is-fresh"));
        }
    }

    stage(call) {
        if (isLive(call)) return "";
        return call.reason ? plain(call.reason) : "";
    }

    lasted(call) {
        const seconds = lasted(call, Date.now());
        return seconds || call.status === "in_progress" ? clock(seconds) : "—";
    }

    /** The clocks of calls that are up. */
    tick() {
        for (const [call_id, element] of this.drawn) {
            const call = this.store.calls.get(call_id);
            if (call?.status === "in_progress") show(element.querySelector(".call-clock span"), this.lasted(call));
        }
    }

    /** Rows are one stop of the Tab key; arrows go from one to the next. */
    key(event) {
        const row = event.target.closest("[data-call]");
        if (!row) return;
        const at = this.rows.findIndex(({ call_id }) => call_id === row.dataset.call);
        const leap = Math.max(1, Math.floor(innerHeight / this.height()) - 2);
        const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + leap, PageUp: at - leap, Home: 0, End: this.rows.length - 1 };
        if (event.key === "Enter" || event.key === " ") this.opened(row);
        else if (event.key in moves) this.focus(moves[event.key]);
        else return;
        event.preventDefault();
    }

    focus(place) {
        this.active = Math.min(Math.max(0, place), this.rows.length - 1);
        const height = this.height();
        const top = this.parts.body.getBoundingClientRect().top + this.active * height;
        if (top < 120) scrollBy(0, top - 120);
        else if (top + height > innerHeight - 20) scrollBy(0, top + height - innerHeight + 20);
        this.draw();
        this.drawn.get(this.rows[this.active].call_id)?.focus({ preventScroll: true });
    }

    opened(row) {
        if (!row) return;
        this.active = this.rows.findIndex(({ call_id }) => call_id === row.dataset.call);
        this.open(row.dataset.call);
    }

    chips() {
        const chip = ({ name, label }) => h("button", {
            class: "chip", type: "button", "aria-pressed": String(this.filter.choice === name), data: { choice: name },
            onclick: () => this.narrow({ choice: name }),
        }, label);
        const run = this.store.runs.get(this.filter.run);
        const focused = document.activeElement?.dataset?.choice;
        this.parts.chips.replaceChildren(...CHOICES.map(chip), ...(this.filter.run ? [
            h("button", { class: "chip is-run", type: "button", data: { choice: "run" }, "aria-label": `Campaign ${run ? nameOf(run) : ""}: show all campaigns`,
                onclick: () => this.narrow({ run: "" }) }, run ? nameOf(run) : "One campaign", icon("close")),
        ] : []));
        if (focused) this.parts.chips.querySelector(`[data-choice="${focused}"]`)?.focus();
    }

    nothing() {
        if (isNarrow(this.filter)) {
            return [h("h3", {}, "No call matches"), h("p", {}, "Calls that do will appear here as they happen."),
                h("button", { class: "button", type: "button", onclick: () => this.narrow(NONE) }, "Show all calls")];
        }
        return [h("h3", {}, "No call yet"), h("p", {}, "Start a campaign, or ring one of the workspace's numbers: every call appears here while it is placed."),
            this.workspace?.may_edit && h("button", { class: "button primary", type: "button", onclick: this.start }, "Start a campaign")];
    }

    fail(error) {
        if (error.name !== "AbortError") show(this.parts.count, h("span", { class: "problem" }, sentence(error)));
    }
}
