// How loud a stream is, from moment to moment.

export class Level {
    /** `show(level)` gets 0 to 100, about 20 times a second, until `stop()`. */
    constructor(context, stream, show) {
        this.source = context.createMediaStreamSource(stream);
        this.analyser = context.createAnalyser();
        this.analyser.fftSize = 1024;
        this.source.connect(this.analyser);
        this.samples = new Float32Array(this.analyser.fftSize);
        this.show = show;
        this.timer = setInterval(() => show(this.now()), 50);
    }

    now() {
        this.analyser.getFloatTimeDomainData(this.samples);
        let power = 0;
        for (const sample of this.samples) power += sample * sample;
        const decibels = 10 * Math.log10(power / this.samples.length + 1e-10); // -100 for nothing, 0 for all there is
        return Math.max(0, Math.min(100, (decibels + 60) * 2));
    }

    stop() {
        clearInterval(this.timer);
        this.source.disconnect();
        this.show(0);
    }
}
