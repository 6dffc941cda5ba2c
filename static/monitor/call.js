// One call in a drawer: its recording, what was said, and what happened when; live while the call is.

import { get, sentence } from "./api.js";
import { closer, openDialog } from "./dialogs.js";
import { badge, h, reconcile, show } from "./dom.js";
import { clock, exactly, isLive, lasted, nameOf, numberOf, page, plain, stateOf } from "./words.js";

const ENDED_EVENTS = { conversation: "Conversation begun", transcript: "Transcript received", summary: "Summary received", disposition: "Agent's judgement",
    audio: "Recording available", settled: "Settled: nothing more will come", created: "Created", submitted: "Submitted" };

/** An event in words: {label, tone, facts}. */
export function wordsOf(event, words = page) {
    const { status, outcome, ...rest } = event.data ?? {};
    const facts = Object.entries(rest).filter(([name, value]) => name !== "by" && ["string", "number"].includes(typeof value) && value !== "")
        .map(([name, value]) => (name === "duration_sec" ? clock(value) : name.endsWith("_id") ? value : typeof value === "string" ? plain(value) : `${plain(name)} ${value}`));
    if (event.type === "status") return { ...(words.outcome[outcome] ?? words.call_status[status] ?? { label: plain(status ?? ""), tone: "idle" }), facts };
    const name = event.type.replace(/^(call|run)\./, "");
    return { label: ENDED_EVENTS[name] ?? plain(name), tone: ["transcript", "summary", "disposition", "audio"].includes(name) ? "voice" : "idle", facts };
}

export class CallDrawer {
    constructor({ store, choose }) {
        Object.assign(this, { store, choose });
        this.call_id = "";
        setInterval(() => this.tick(), 1000);
    }

    /** Show the call `call_id`; null closes. */
    async open(call_id) {
        if (call_id === this.call_id) return;
        this.dialog?.close();
        if (!call_id) return;
        this.call_id = call_id;
        this.events = new Map();
        this.build();
        const isOld = () => this.call_id !== call_id;
        try {
            const call = await get(`/telephony/journal/call/${encodeURIComponent(call_id)}`);
            if (isOld()) return;
            this.store.putCall(call);
            this.draw();
            await this.history(call_id, isOld);
        } catch (error) {
            if (!isOld()) show(this.parts.facts, h("p", { class: "problem", role: "alert" }, sentence(error)));
        }
    }

    /** All its events so far; those that the socket brings meanwhile are the same ones. */
    async history(call_id, isOld) {
        let since = 0;
        let more = true;
        while (more && !isOld()) {
            const answer = await get(`/telephony/calls/${encodeURIComponent(call_id)}/events`, { since, limit: 1000 });
            for (const event of answer.events) this.events.set(event.id, event);
            [since, more] = [answer.max_id, answer.has_more];
        }
        if (!isOld()) this.timeline();
    }

    build() {
        const part = (tag, props = {}) => h(tag, props);
        const parts = (this.parts = {
            title: part("h2", { class: "drawer-title" }), state: part("div", { class: "drawer-state" }), facts: part("dl", { class: "facts" }),
            summary: part("p", { class: "summary" }), audio: part("div", { class: "player" }),
            chat: part("ol", { class: "chat", "aria-live": "polite", "aria-label": "Conversation", tabindex: 0 }), timeline: part("ol", { class: "timeline" }),
        });
        const section = (words, inside) => h("section", {}, h("h3", {}, words), inside);
        this.dialog = openDialog({
            label: "Call", kind: "drawer", closed: () => this.closed(),
            content: [
                h("header", {}, h("div", {}, parts.title, parts.state), closer("Close the call")),
                h("div", { class: "drawer-body" }, parts.facts, parts.summary, parts.audio,
                    section("Conversation", parts.chat), section("What happened", parts.timeline)),
            ],
        });
        location.hash = this.call_id;
        this.draw();
    }

    closed() {
        this.call_id = "";
        this.dialog = null;
        if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    }

    /** News of the store. */
    changed(news) {
        if (!this.call_id) return;
        for (const event of news.events) if (event.call_id === this.call_id) this.events.set(event.id, event);
        if (news.calls.has(this.call_id) || news.runs.size) this.draw();
        if (news.events.length) this.timeline();
    }

    draw() {
        const call = this.store.calls.get(this.call_id);
        if (!call || !this.dialog) return;
        this.dialog.setAttribute("aria-label", `Call with ${numberOf(call)}`);
        show(this.parts.title, numberOf(call));
        const judged = page.disposition[call.disposition];
        show(this.parts.state, badge(stateOf(call)), judged && badge(judged, "The agent's own judgement"), call.reason && h("span", { class: "faint" }, plain(call.reason)));
        this.facts(call);
        this.parts.summary.hidden = !call.summary;
        show(this.parts.summary, call.summary);
        this.player(call);
        this.chat(call);
    }

    facts(call) {
        const run = this.store.runs.get(call.parent_call_id);
        const rows = [
            ["Began", exactly(call.created_at)],
            ["Lasted", h("span", { class: "ticking" }, this.lasted(call))],
            ["Campaign", call.parent_call_id && h("button", { class: "plain link", type: "button", onclick: () => this.leave(call.parent_call_id) }, run ? nameOf(run) : call.parent_call_id)],
            ["Agent", call.agent_node_id],
            ["Through", call.node_id],
            ["Direction", page.direction[call.direction]?.label],
        ].filter(([, value]) => value);
        show(this.parts.facts, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    }

    leave(run) {
        this.dialog.close();
        this.choose(run);
    }

    lasted(call) {
        const seconds = lasted(call, Date.now());
        return seconds || call.status === "in_progress" ? clock(seconds) : "—";
    }

    tick() {
        const call = this.store.calls.get(this.call_id);
        const place = this.parts?.facts.querySelector(".ticking");
        if (call?.status === "in_progress" && place) show(place, this.lasted(call));
    }

    /** The player is made once: what is playing goes on. A link that has grown old is asked for anew. */
    player(call) {
        const { audio } = this.parts;
        audio.hidden = !call.has_audio;
        if (!call.has_audio || audio.firstChild) return;
        let renewed = 0;
        const element = h("audio", { controls: true, preload: "metadata", src: call.audio_url, "aria-label": "Recording of the call" });
        element.addEventListener("error", async () => {
            if (Date.now() - renewed < 60_000 || this.call_id !== call.call_id) return;
            renewed = Date.now();
            element.src = (await get(`/telephony/journal/call/${call.call_id}`)).audio_url;
        });
        element.addEventListener("timeupdate", () => this.follow(element));
        audio.append(element);
    }

    chat(call) {
        const { chat } = this.parts;
        const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 40;
        if (!call.transcript.length) {
            show(chat, h("li", { class: "faint nothing" }, call.outcome ? "Nothing was said." : "What is said appears here as soon as it is known."));
            return;
        }
        chat.querySelector(".nothing")?.remove();
        reconcile(chat, call.transcript.map((turn, place) => ({ ...turn, place })), {
            key: (turn) => turn.place,
            make: () => h("li", {}),
            update: (item, turn) => this.turn(item, turn, call),
        });
        if (atEnd && isLive(call)) chat.scrollTop = chat.scrollHeight;
    }

    turn(item, turn, call) {
        item.className = turn.role === "agent" ? "agent" : "caller";
        item.dataset.at = turn.time_in_call_secs;
        const time = clock(turn.time_in_call_secs);
        show(item, h("p", {}, h("span", { class: "hidden" }, turn.role === "agent" ? "Agent: " : "Person: "), turn.message), call.has_audio
            ? h("button", { class: "plain", type: "button", "aria-label": `Listen from ${time}`, onclick: () => this.listen(turn.time_in_call_secs) }, time)
            : h("time", {}, time));
    }

    listen(seconds) {
        const audio = this.parts.audio.querySelector("audio");
        if (!audio) return;
        audio.currentTime = seconds;
        audio.play();
    }

    /** The turn that is being heard. */
    follow(audio) {
        const turns = [...this.parts.chat.querySelectorAll("[data-at]")];
        const now = audio.paused ? null : turns.findLast((turn) => Number(turn.dataset.at) <= audio.currentTime + 0.05);
        for (const turn of turns) turn.classList.toggle("is-now", turn === now);
    }

    timeline() {
        if (!this.dialog) return;
        const events = [...this.events.values()].sort((one, other) => one.id - other.id);
        reconcile(this.parts.timeline, events, {
            key: (event) => event.id,
            make: (event) => {
                const { label, tone, facts } = wordsOf(event);
                const at = new Date(event.at).toLocaleTimeString("en-GB");
                return h("li", { class: tone }, h("b", {}, label), h("time", { datetime: event.at }, at), facts.length ? h("span", {}, facts.join(" · ")) : null);
            },
            update: () => {},
        });
    }
}
