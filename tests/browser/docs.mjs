// docs.mjs URL FOLDER [TOKEN]: opens /docs in Chromium, tries POST /sessions there, and prints what the page shows as
// JSON; page.png and answer.png show it. Chromium's own words (errors, refused by the page's policy) are printed too: there must be none.
import { chromium } from "playwright-core";

const [url, folder, token] = process.argv.slice(2);
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 1400 } });
const seen = { complaints: [], elsewhere: [], status: null, body: "" };

page.setDefaultTimeout(60000);
page.on("console", (m) => m.type() === "error" && seen.complaints.push(m.text()));
page.on("pageerror", (e) => seen.complaints.push(String(e)));
page.on("request", (r) => /^https?:/.test(r.url()) && !r.url().startsWith(url) && seen.elsewhere.push(r.url()));

async function authorize() {
	await page.click(".auth-wrapper .authorize");
	await page.fill(".modal-ux input[type=text]", token);
	await page.click(".modal-ux button[type=submit]");
	await page.click(".modal-ux .btn-done");
}

async function trySession() {
	const block = page.locator("#operations-Sessions-createSession");

	await block.locator(".opblock-summary-control").click();
	await block.locator("textarea.body-param__text").fill('{"template_id": "shell-basic"}');
	await block.locator("button.execute").click();
	const answer = block.locator(".live-responses-table .response");
	await answer.waitFor();
	seen.status = Number((await answer.locator(".response-col_status").innerText()).trim().split(/\s/)[0]);
	seen.body = await answer.locator(".response-col_description .highlight-code").first().innerText();
	await answer.scrollIntoViewIfNeeded();
}

await page.goto(`${url}/`);
await page.click("a[href='docs']");
await page.waitForSelector(".opblock");
await page.screenshot({ path: `${folder}/page.png` });
if (token)
	await authorize();
await trySession();
await page.screenshot({ path: `${folder}/answer.png` });
await browser.close();
console.log(JSON.stringify(seen));
