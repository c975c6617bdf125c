// A patient signs in at the portal and reads results, with JavaScript off and on; the physician's name is refused a patient's page.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const demo = JSON.parse(readFileSync(process.env.DEMO, 'utf8'));
const shots = process.env.SHOTS;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: flags });
let failures = 0;
const check = (holds, claim) => { console.log(`${holds ? 'ok  ' : 'FAIL'} ${claim}`); if (!holds) failures += 1; };

async function signIn(page, name, password) {
  await page.goto(demo.portal);
  await page.getByRole('link', { name: /sign in/i }).or(page.getByRole('button', { name: /sign in/i })).first().click();
  await page.locator('input[type=password]').waitFor();
  await page.locator('input[name]:not([type=hidden]):not([type=password]):not([type=checkbox])').first().fill(name);
  await page.locator('input[type=password]').fill(password);
  await page.locator('input[type=password]').press('Enter');
}

async function allow(page) {
  const button = page.getByRole('button', { name: /allow/i });
  await button.waitFor();
  await page.screenshot({ path: `${shots}/consent.png`, fullPage: true });
  await button.click();
}

for (const javaScriptEnabled of [false, true]) {
  const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled, viewport: { width: 1100, height: 900 } });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  await signIn(page, 'amelie', demo.users.amelie.password);
  await allow(page);
  await page.waitForURL((url) => url.href.startsWith(demo.portal));
  await page.waitForLoadState('load');
  const text = await page.locator('body').innerText();
  check(/Am[ée]lie/.test(text), `${how}: the portal greets the patient by name`);
  const results = page.getByRole('link', { name: /results/i }).first();
  if (await results.count()) { await results.click(); await page.waitForLoadState('load'); }
  const shown = await page.locator('body').innerText();
  check(/A1c|HbA1c|glucose/i.test(shown), `${how}: a laboratory result is on the screen`);
  await page.screenshot({ path: `${shots}/portal-results${javaScriptEnabled ? '' : '-no-js'}.png`, fullPage: true });
  for (const name of [/medic/i, /appointments/i]) {
    const link = page.getByRole('link', { name }).first();
    check(await link.count() > 0, `${how}: there is a way to ${name}`);
    if (await link.count()) { await link.click(); await page.waitForLoadState('load'); }
  }
  const looked = page.getByRole('link', { name: /who has looked/i }).first();
  check(await looked.count() > 0, `${how}: there is a way to who has looked`);
  if (await looked.count()) { await looked.click(); await page.waitForLoadState('load'); }
  const looks = await page.locator('main').innerText();
  check(/You\s+saw/.test(looks), `${how}: the patient's own looks are told in words`);
  check(!/(Patient|Observation)\/|amelie|[0-9a-f]{8}-[0-9a-f]{4}/.test(looks), `${how}: no id and no user name is on the page of looks`);
  await page.screenshot({ path: `${shots}/portal-looks${javaScriptEnabled ? '' : '-no-js'}.png`, fullPage: true });
  check(errors.length === 0, `${how}: no error in the console${errors.length ? `: ${errors[0]}` : ''}`);
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = await page.evaluate?.(() => document.documentElement.scrollWidth - document.documentElement.clientWidth).catch(() => 0);
  check(!(overflow > 0), `${how}: nothing is cut off at 360 pixels`);
  await page.screenshot({ path: `${shots}/portal-phone.png`, fullPage: true });
  await context.close();
}

{
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await signIn(page, 'amelie', 'not the password');
  await page.waitForLoadState('load');
  const text = await page.locator('body').innerText();
  check(/(not|wrong|match|again)/i.test(text) && await page.locator('input[type=password]').count() > 0, 'a wrong password is said so, and may be tried again');
  await page.screenshot({ path: `${shots}/login-wrong.png`, fullPage: true });
  await context.close();
}

await browser.close();
console.log(failures === 0 ? 'browser: all held' : `browser: ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
