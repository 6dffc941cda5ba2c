// One call: the microphone, the peer connection, and the server told how far it has come.

import { post } from "../monitor/api.js";

const GATHERED_WITHIN = 2000; // milliseconds; candidates that take longer are done without

/** What to tell the person about a microphone that does not open. */
export function sentenceForMicrophone(error) {
    if (error.name === "NotAllowedError") return "The browser was not allowed to use the microphone. Allow it for this page, then call again.";
    if (error.name === "NotFoundError") return "No microphone was found. Plug one in, then call again.";
    if (error.name === "NotReadableError") return "Another program is using the microphone. Close it, then call again.";
    return "The microphone could not be opened. Check the browser's settings, then call again.";
}

export async function openMicrophone() {
    if (!navigator.mediaDevices) {
        const error = new Error("Browsers open the microphone on secure pages only: use https, or localhost.");
        error.said = true;
        throw error;
    }
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    return navigator.mediaDevices.getUserMedia({ audio: wanted });
}

export class Line {
    /** `heard(stream)` gets the agent's voice; `gone()` is called once when the connection is lost. */
    constructor({ page, microphone, heard, gone }) {
        Object.assign(this, { page, microphone, call_id: null, answered: false });
        this.peer = new RTCPeerConnection({ iceServers: page.ice_servers });
        this.peer.addEventListener("track", ({ track, streams }) => heard(streams[0] ?? new MediaStream([track])));
        this.peer.addEventListener("connectionstatechange", () => {
            if (this.peer.connectionState === "connected") this.tell("connected");
            if (["failed", "closed"].includes(this.peer.connectionState)) gone();
        });
    }

    async start() {
        for (const track of this.microphone.getAudioTracks()) this.peer.addTrack(track, this.microphone);
        await this.peer.setLocalDescription(await this.peer.createOffer());
        await this.gathered();
        const { agent_node_id, workspace_id } = this.page;
        const answer = await post("/webcall/start", { agent_node_id, workspace_id, sdp: this.peer.localDescription.sdp });
        this.call_id = answer.call_id;
        await this.peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
        return answer.call_id;
    }

    /** The agent was heard. */
    hear() {
        if (this.answered) return;
        this.answered = true;
        this.tell("answered");
    }

    mute(muted) {
        for (const track of this.microphone.getAudioTracks()) track.enabled = !muted;
    }

    /** End it; `leaving` where the page goes away, too. */
    async hangUp({ leaving = false } = {}) {
        if (this.call_id) await post("/webcall/hangup", { call_id: this.call_id }, { keepalive: leaving }).catch(() => {});
        this.close();
    }

    close() {
        this.peer.close();
        for (const track of this.microphone.getTracks()) track.stop();
    }

    tell(what) {
        if (this.call_id) post(`/webcall/${what}`, { call_id: this.call_id }).catch(() => {}); // the server sees it as well
    }

    gathered() {
        return new Promise((resolve) => {
            if (this.peer.iceGatheringState === "complete") resolve();
            this.peer.addEventListener("icegatheringstatechange", () => this.peer.iceGatheringState === "complete" && resolve());
            setTimeout(resolve, GATHERED_WITHIN);
        });
    }
}
