// “Try this agent”: one button to call, what is said as it is said, and the recording afterwards.

import { sentence } from "../monitor/api.js";
import { h, show } from "../monitor/dom.js";
import { Level } from "./levels.js";
import { Line, openMicrophone, sentenceForMicrophone } from "./line.js";
import { Story } from "./story.js";

const HEARD = 20; // a level at which somebody speaks
const page = JSON.parse(document.getElementById("page").textContent);
const part = (id) => document.getElementById(id);
const main = part("content");
let call = null; // {line, story, levels, context, began, ticking, muted}

part("call").addEventListener("click", begin);
part("hang-up").addEventListener("click", () => call?.line.hangUp().then(finish));
part("mute").addEventListener("click", () => mute(!call.muted));
addEventListener("pagehide", () => call?.line.hangUp({ leaving: true }));

async function begin() {
    reset();
    let microphone;
    try {
        state({ label: "Waiting for the microphone", tone: "wait" }, "starting");
        microphone = await openMicrophone();
    } catch (error) {
        return fail(error.said ? error.message : sentenceForMicrophone(error));
    }
    const context = new AudioContext();
    const levels = [new Level(context, microphone, level("level-you"))];
    const line = new Line({ page, microphone, heard, gone: () => finish() });
    call = { line, levels, context, muted: false };
    try {
        state({ label: "Connecting", tone: "wait" }, "starting");
        const call_id = await line.start();
        call.story = new Story({ call_id, told, ended });
        main.dataset.call = call_id;
        state({ label: "Ringing", tone: "live" }, "talking");
        part("hang-up").focus();
    } catch (error) {
        finish();
        fail(sentence(error));
    }
}

function heard(stream) {
    if (!call) return;
    part("voice").srcObject = stream;
    const set = level("level-agent");
    call.levels.push(new Level(call.context, stream, (now) => {
        set(now);
        if (now > HEARD) answered();
    }));
}

function answered() {
    if (!call || call.began) return;
    call.began = Date.now();
    call.ticking = setInterval(tick, 250);
    call.line.hear();
    state(page.call_status.in_progress, "talking");
}

function told({ status, turn, turns, audio_url }) {
    if (turn) say(turn);
    if (turns) turns.forEach((each, index) => say({ ...each, index }));
    if (status?.outcome) {
        state(page.outcome[status.outcome], "ended");
        finish();
    }
    if (audio_url && !part("recording").src) {
        part("recording").src = audio_url;
        part("replay").hidden = false;
    }
}

function ended(record) {
    if (record.duration_sec) part("clock").textContent = clock(record.duration_sec);
    if (record.outcome === "error") fail(`The call failed: ${(record.reason ?? "an error").replaceAll("_", " ")}.`);
}

function say({ index, role, message }) {
    const list = part("said");
    list.querySelector(".try-nothing")?.remove();
    while (list.children.length <= index) list.append(h("li", {}));
    const item = list.children[index];
    item.className = role;
    show(item, h("span", { class: "hidden" }, role === "agent" ? "Agent: " : "You: "), message);
    list.scrollTop = list.scrollHeight;
}

function mute(muted) {
    if (!call) return;
    call.muted = muted;
    call.line.mute(muted);
    part("mute").setAttribute("aria-pressed", String(muted));
    part("mute").textContent = muted ? "Unmute" : "Mute";
}

function finish() {
    if (!call) return;
    const { line, levels, context, ticking } = call;
    call = null;
    line.close();
    levels.forEach((each) => each.stop());
    context.close();
    clearInterval(ticking);
    part("voice").srcObject = null;
    if (main.dataset.state !== "ended") state({ label: "Ended", tone: "idle" }, "ended");
    part("call").textContent = "Call again";
    part("call").focus();
}

function reset() {
    part("problem").hidden = true;
    part("replay").hidden = true;
    part("recording").removeAttribute("src");
    part("clock").textContent = "0:00";
    part("mute").setAttribute("aria-pressed", "false");
    part("mute").textContent = "Mute";
    show(part("said"), h("li", { class: "try-nothing faint" }, "Words appear here as they are said."));
}

function fail(words) {
    part("problem").textContent = words;
    part("problem").hidden = false;
    if (!call) state({ label: "Not connected", tone: "bad" }, "ended");
}

/** `name`: idle, starting, talking or ended. */
function state({ label, tone }, name) {
    part("state").className = `badge ${tone}`;
    show(part("state"), h("i", { "aria-hidden": "true" }), h("span", {}, label));
    main.dataset.state = name;
    part("call").hidden = name === "talking";
    part("call").disabled = name === "starting";
    part("mute").hidden = part("hang-up").hidden = name !== "talking";
}

function tick() {
    if (call) part("clock").textContent = clock((Date.now() - call.began) / 1000);
}

function clock(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function level(id) {
    const bar = part(id);
    return (now) => bar.style.setProperty("--level", now.toFixed(0));
}
