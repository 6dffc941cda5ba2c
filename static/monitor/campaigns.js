// Campaigns as cards: how far, on how many lines, why not further, and what to do about it.

import { patch, post, sentence } from "./api.js";
import { confirm, toast } from "./dialogs.js";
import { badge, h, icon, reconcile, show } from "./dom.js";
import { count, counted, exactly, isUnfinished, nameOf, nextAttempt, span, statusOf, waitOf, when } from "./words.js";

const SEGMENTS = [
    ["success_count", "ok", "succeeded"],
    ["failed_count", "bad", "failed"],
    ["in_flight_count", "live", "on the line"],
    ["cancelled_count", "idle", "cancelled"],
    ["pending_count", "rest", "to be dialled"],
];
const EARLIER = 6; // that have ended, shown when asked for

/** The campaigns to show: what may still move first, then those that have ended, newest first. */
export function sorted(runs) {
    const newest = [...runs].sort((one, other) => (one.call_id < other.call_id ? 1 : -1));
    const order = { running: 0, pausing: 0, paused: 1, cancelled: 1 };
    const open = newest.filter(isUnfinished).sort((one, other) => order[one.status] - order[other.status]);
    return { open, ended: newest.filter((run) => !isUnfinished(run)).slice(0, EARLIER) };
}

/** How much of the list has been dialled to an end, 0 to 100; what was cancelled has not. */
export function percentDone(run) {
    return Math.floor(((run.success_count + run.failed_count) * 100) / (run.numbers_count || 1));
}

export class Campaigns {
    /** `choose(call_id)` narrows the list of calls; `start()` offers to start a campaign. */
    constructor({ store, root, choose, start }) {
        Object.assign(this, { store, root, choose, start });
        this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
        setInterval(() => this.tick(), 1000);
    }

    load(workspace) {
        this.workspace = workspace;
        this.draw();
    }

    draw() {
        const { open, ended } = sorted(this.store.runs.values());
        const cards = { key: (run) => run.call_id, make: () => this.card(), update: (card, run) => this.update(card, run) };
        reconcile(this.parts.open, open, cards);
        reconcile(this.parts.ended, ended, cards);
        this.parts.earlier.hidden = !ended.length;
        this.parts.empty.hidden = Boolean(open.length);
        if (!open.length) show(this.parts.empty, this.nothing(ended.length));
    }

    /** "Next attempt in 12 s" goes on counting. */
    tick() {
        for (const run of this.store.runs.values()) {
            if (run.next_attempt_at && isUnfinished(run)) {
                const card = this.root.querySelector(`[data-key="${CSS.escape(run.call_id)}"]`);
                if (card) this.wait(card, run);
            }
        }
    }

    card() {
        return h("li", { class: "card campaign" },
            h("div", { class: "campaign-top" }, h("div", { class: "campaign-name" }), h("div", { class: "campaign-do" })),
            h("div", { class: "bar" }), h("div", { class: "campaign-figures" }), h("div", { class: "campaign-wait" }));
    }

    update(card, run) {
        if (card.dataset.version === `${run.version}` || card.querySelector("form")) return;
        card.dataset.version = run.version;
        const [name, buttons] = card.firstElementChild.children;
        this.keepFocus(name, () => show(name, ...this.title(run)));
        this.keepFocus(buttons, () => show(buttons, ...this.buttons(run, card)));
        this.bar(card.querySelector(".bar"), run);
        show(card.querySelector(".campaign-figures"), ...this.figures(run));
        this.wait(card, run);
    }

    title(run) {
        return [
            h("h3", {}, h("button", { class: "plain", type: "button", data: { do: "choose" }, title: "Show its calls", onclick: () => this.choose(run.call_id) }, nameOf(run))),
            badge(statusOf(run)),
            h("time", { class: "faint", datetime: run.created_at, title: exactly(run.created_at) }, when(run.created_at)),
        ];
    }

    /** They stay while the campaign moves on: what they do, they do to the campaign as it is then. */
    buttons(run, card) {
        if (!this.workspace?.may_edit) return [];
        const now = () => this.store.runs.get(run.call_id);
        const button = (name, words, what, kind = "") => h("button", {
            class: `button small ${kind}`, type: "button", "aria-label": `${words} ${nameOf(run)}`, title: words, data: { do: name }, onclick: what,
        }, icon(name), h("span", {}, words));
        return [
            run.status === "running" && button("pause", "Pause", () => this.order(run, "pause")),
            run.status === "paused" && button("resume", "Resume", () => this.order(run, "resume"), "primary"),
            button("rename", "Rename", () => this.rename(now(), card)),
            isUnfinished(run) && run.status !== "cancelled" && button("cancel", "Cancel", () => this.cancel(now()), "danger"),
        ].filter(Boolean);
    }

    /** The parts are only resized, so that they glide. */
    bar(bar, run) {
        const total = run.numbers_count || 1;
        const said = SEGMENTS.filter(([name]) => run[name]).map(([name, , words]) => `${count(run[name])} ${words}`);
        bar.setAttribute("role", "img");
        bar.setAttribute("aria-label", `Progress: ${said.join(", ")}`);
        bar.title = said.join(", ");
        reconcile(bar, SEGMENTS.slice(0, 4), {
            key: ([name]) => name,
            make: ([, tone]) => h("i", { class: tone }),
            update: (part, [name]) => {
                part.hidden = !run[name];
                part.style.setProperty("--part", run[name] / total);
            },
        });
    }

    figures(run) {
        const ended = run.success_count + run.failed_count;
        const moving = ["running", "pausing"].includes(run.status);
        return [
            h("span", {}, h("b", {}, `${percentDone(run)}%`), ` ${count(ended)} of ${count(run.numbers_count)}`),
            h("span", { class: "ink-ok", title: "Reached" }, icon("check"), count(run.success_count), h("span", { class: "hidden" }, " reached")),
            h("span", { class: "ink-bad", title: "Not reached" }, icon("close"), count(run.failed_count), h("span", { class: "hidden" }, " not reached")),
            (moving || run.in_flight_count > 0) && h("span", { class: "lines" },
                h("span", { class: "meter", "aria-hidden": "true" }, h("i", { vars: { "--part": Math.min(1, run.in_flight_count / run.max_concurrent) } })),
                h("b", {}, count(run.in_flight_count)), ` / ${counted(run.max_concurrent, "line")}`),
            !moving && run.total_duration_sec > 0 && h("span", { class: "faint" }, `${span(run.total_duration_sec)} talked`),
        ];
    }

    wait(card, run) {
        const wait = waitOf(run);
        const next = nextAttempt(run);
        const inside = card.querySelector(".campaign-wait");
        inside.hidden = !wait;
        if (wait) show(inside, icon("wait"), h("p", {}, h("b", {}, wait.title), wait.text && ` ${wait.text}`, next && h("em", {}, ` ${plainNext(next)}`)));
    }

    async order(run, what, body = {}) {
        const card = this.root.querySelector(`[data-key="${CSS.escape(run.call_id)}"]`);
        card?.setAttribute("aria-busy", "true");
        try {
            const answer = await post(`/telephony/runs/${run.call_id}/${what}`, body);
            this.store.putRun(answer);
            if (answer.detail) toast(answer.detail);
        } catch (error) {
            toast(sentence(error), "bad");
        } finally {
            card?.removeAttribute("aria-busy");
        }
    }

    async cancel(run) {
        const left = run.pending_count ? `${counted(run.pending_count, "number")} will not be dialled. ` : "";
        const answer = await confirm({
            title: `Cancel ${nameOf(run)}?`, text: `${left}A cancelled campaign cannot be resumed.`, yes: "Cancel the campaign", no: "Keep it",
            check: run.in_flight_count ? "Also end the calls that are up, where that is possible" : "",
        });
        if (answer) await this.order(run, "cancel", { hangup: answer.checked });
    }

    /** The name becomes a field: Enter keeps what is written, Escape what was. */
    rename(run, card) {
        const input = h("input", { name: "name", value: run.name, maxlength: 200, required: true, "aria-label": "Name of the campaign" });
        const back = () => {
            form.remove();
            delete card.dataset.version;
            this.update(card, this.store.runs.get(run.call_id));
            card.querySelector("[data-do=rename]")?.focus();
        };
        const form = h("form", { class: "rename", onsubmit: async (event) => {
            event.preventDefault();
            try {
                this.store.putRun(await patch(`/telephony/runs/${run.call_id}/name`, { name: input.value }));
                back();
            } catch (error) {
                toast(sentence(error), "bad");
            }
        }, onkeydown: (event) => event.key === "Escape" && back() },
        input, h("button", { class: "button small primary" }, "Save"), h("button", { class: "button small", type: "button", onclick: back }, "Keep"));
        card.querySelector(".campaign-name").replaceChildren(form);
        input.select();
    }

    keepFocus(element, change) {
        const focused = element.contains(document.activeElement) ? document.activeElement.dataset.do : null;
        change();
        if (focused) (element.querySelector(`[data-do="${focused}"]`) ?? element.querySelector("button"))?.focus();
    }

    nothing(ended) {
        if (ended) return [h("p", {}, h("b", {}, "Nothing is dialling."), " All campaigns have ended; their calls are below.")];
        return [h("h3", {}, "Nothing is dialling"),
            h("p", {}, "Paste a list of numbers, choose who talks, and watch the calls here as they happen."),
            this.workspace?.may_edit
                ? h("button", { class: "button primary", type: "button", onclick: this.start }, icon("plus"), "Start a campaign")
                : h("p", { class: "faint" }, "Your role here is to watch; editors start campaigns.")];
    }
}

const plainNext = (next) => next.charAt(0).toUpperCase() + next.slice(1) + ".";
