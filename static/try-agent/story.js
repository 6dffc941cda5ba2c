// What the server tells of a call while it goes on, and after: its state, its turns, its recording.

import { get } from "../monitor/api.js";

const SOON = 300; // milliseconds between two looks while the call is up
const LATER = 1000; // and until its recording is there
const PATIENCE = 60_000; // how long a recording is waited for

export class Story {
    /** `told` gets {status}, {turn}, {turns}, {audio_url}; `ended(call)` is called once. */
    constructor({ call_id, told, ended }) {
        Object.assign(this, { call_id, told, ended, since: 0, over: null, stopped: false });
        this.look();
    }

    stop() {
        this.stopped = true;
    }

    async look() {
        while (!this.stopped) {
            try {
                await this.read();
                if (this.over && ((await this.recorded()) || Date.now() - this.over > PATIENCE)) return;
            } catch {
                // asked again: the call goes on whether or not we are told
            }
            await new Promise((resolve) => setTimeout(resolve, this.over ? LATER : SOON));
        }
    }

    async read() {
        const { events, max_id } = await get(`/telephony/calls/${this.call_id}/events`, { since: this.since, limit: 1000 });
        this.since = max_id;
        for (const { type, data } of events) {
            if (type === "turn") this.told({ turn: data });
            if (type === "status") this.told({ status: data });
            if (type === "status" && data.outcome) this.over = Date.now();
        }
    }

    async recorded() {
        const call = await get(`/telephony/journal/call/${this.call_id}`);
        const record = call.call ?? call;
        this.ended(record);
        this.ended = () => {};
        this.told({ turns: record.transcript });
        if (record.audio_url) this.told({ audio_url: record.audio_url });
        return Boolean(record.audio_url);
    }
}
