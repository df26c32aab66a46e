// Unpacks the Chromium that npm brings into .cache/chromium, and prints where it is.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";

const place = resolve(".cache/chromium");
mkdirSync(place, { recursive: true });
process.env.TMPDIR = place;

const { default: chromium } = await import("@sparticuz/chromium");
console.log(await chromium.executablePath());
