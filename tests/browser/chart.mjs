// A clinician opens a patient's record in the portal from the chart, and who represents somebody switches between persons; with
// JavaScript off and on.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const demo = JSON.parse(readFileSync(process.env.DEMO, 'utf8'));
const shots = process.env.SHOTS;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: flags });
let failures = 0;
const check = (holds, claim) => { console.log(`${holds ? 'ok  ' : 'FAIL'} ${claim}`); if (!holds) failures += 1; };
const users = (role) => Object.entries(demo.users).filter(([, user]) => user.role === role);

async function signIn(page, name) {
  await page.locator('input[type=password]').waitFor();
  await page.locator('#login').fill(name);
  await page.locator('input[type=password]').fill(demo.users[name].password);
  await page.locator('input[type=password]').press('Enter');
}

/** Says yes where the bridge asks, until the browser is at an address of the portal that `fits`. */
async function onwards(page, fits, whose) {
  for (let step = 0; step < 6; step += 1) {
    await page.waitForLoadState('load');
    if (page.url().startsWith(demo.portal) && fits(page.url())) return;
    const person = page.locator('input[name=patient][type=radio]');
    if (await person.count()) await page.getByText(whose).first().click();
    const button = page.locator('button[value=allow], button[type=submit]').first();
    await Promise.all([page.waitForNavigation(), button.click()]);
  }
}

for (const javaScriptEnabled of [false, true]) {
  const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled, viewport: { width: 1100, height: 900 } });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  const [clinician] = users('physician')[0];
  await page.goto(`${demo.portal}chart`);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await signIn(page, clinician);
  await onwards(page, (url) => url.endsWith('/chart'));
  const buttons = page.getByRole('button', { name: /open the record of/i });
  check(await buttons.count() > 0, `${how}: the chart lists patients (${await buttons.count()})`);
  await page.screenshot({ path: `${shots}/chart.png`, fullPage: true });
  const row = page.locator('ul.ward li', { hasText: 'p0001' });
  const name = (await row.locator('.name').innerText()).trim();
  const press = row.getByRole('button');
  await press.focus();
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  await onwards(page, (url) => !url.includes('/chart'));
  const text = await page.locator('body').innerText();
  check(text.includes(name), `${how}: the portal opens the record of the patient of the chart, ${name}`);
  check(!(await page.content()).includes('not linked'), `${how}: without asking for a patient`);
  await page.screenshot({ path: `${shots}/chart-portal.png`, fullPage: true });
  const foreign = await page.request.get(`${demo.portal}launch?iss=https%3A%2F%2Fevil.example%2Ffhir&launch=x`, { maxRedirects: 0 });
  check(foreign.status() === 400, `${how}: a launch of another server is not followed`);
  const gone = await page.request.get(`${demo.portal}launch?iss=${encodeURIComponent(demo.fhir)}&launch=made-up`);
  check(!(await gone.text()).includes(name), `${how}: a launch that nobody made shows no record`);
  check(errors.length === 0, `${how}: no error in the console${errors.length ? `: ${errors[0]}` : ''}`);
  await context.close();
}

{
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const page = await context.newPage();
  const [patient] = users('patient')[0];
  await page.goto(`${demo.portal}chart/sign-in`);
  await signIn(page, patient);
  await onwards(page, (url) => url.includes('/chart'));
  const listed = await page.getByRole('button', { name: /open the record of/i }).count();
  check(listed <= 1, `a patient finds no other patient in the chart (${listed})`);
  await context.close();
}

{
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${demo.portal}sign-in`);
  await signIn(page, process.env.REPRESENTATIVE ?? 'mateo');
  await page.waitForLoadState('load');
  const persons = await page.locator('label').allInnerTexts();
  check(persons.length > 1, `who represents somebody is asked whose record: ${persons.join(' | ')}`);
  const [first, second] = persons;
  await onwards(page, (url) => url === demo.portal, first);
  const before = await page.locator('main').innerText();
  await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Switch person' }).click()]);
  await onwards(page, (url) => url === demo.portal, second);
  const after = await page.locator('main').innerText();
  // Father and son bear one name: the records tell them apart.
  check(before !== after, `and switches from ${first} to ${second}`);
  await page.screenshot({ path: `${shots}/switched.png`, fullPage: true });
  await context.close();
}

await browser.close();
console.log(failures === 0 ? 'chart: all held' : `chart: ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
