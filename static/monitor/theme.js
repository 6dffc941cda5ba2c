// Light, dark, or as the system says: decided before the first paint, and remembered where the admin remembers it.
"use strict";

window.theme = {
    names: ["auto", "light", "dark"],
    system: matchMedia("(prefers-color-scheme: dark)"),

    /** What was chosen: "auto", "light" or "dark". */
    get chosen() {
        try {
            const name = JSON.parse(localStorage.getItem("adminTheme"));
            return this.names.includes(name) ? name : "auto";
        } catch {
            return "auto";
        }
    },

    choose(name) {
        localStorage.setItem("adminTheme", JSON.stringify(name));
        this.apply();
    },

    apply() {
        const dark = this.chosen === "dark" || (this.chosen === "auto" && this.system.matches);
        document.documentElement.classList.toggle("dark", dark);
    },
};

window.theme.apply();
theme.system.addEventListener("change", () => window.theme.apply());
window.addEventListener("storage", () => window.theme.apply());
