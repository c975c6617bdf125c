// The login by npm `oidc-provider` in Chromium: with JavaScript and without, by keyboard alone, on a telephone; and what stands on
// the page when the provider is down. FOREIGN_PICTURES=folder keeps pictures of the pages.
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

import { DEMO, REGISTERED, attempt, claim, end } from './claims.mjs';
import { SCOPE, behind, closed, down, issuer, people, person, up } from './oidc_house.mjs';

const query = new URLSearchParams({
  response_type: 'code', client_id: 'public-app', redirect_uri: REGISTERED.callback, scope: SCOPE, aud: DEMO.fhir, state: 's', prompt: 'login consent',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
});
const start = `${DEMO.issuer}/oauth/authorize?${query}`;
const callback = new URL(REGISTERED.callback);
const app = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<link rel="icon" href="data:,">back'));
await new Promise((resolve, reject) => app.listen(callback.port, callback.hostname, resolve).on('error', reject));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
const pictures = process.env.FOREIGN_PICTURES;
const picture = (tab, name) => pictures && tab.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });

/** Presses Tab until the focus is on what `fits`, which must be seen to have it. */
async function reach(tab, fits) {
  for (let presses = 0; presses < 30; presses += 1) {
    const here = await tab.evaluate(() => {
      const { tagName, name, innerText, value } = document.activeElement;
      const { outlineStyle, boxShadow } = getComputedStyle(document.activeElement);
      return { tagName, name, text: innerText || value || '', seen: outlineStyle !== 'none' || boxShadow !== 'none' };
    });
    if (fits(here)) return here;
    await tab.keyboard.press('Tab');
  }
  throw new Error('the keyboard does not reach it');
}

async function byKeyboard(title, options) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const tab = await context.newPage();
  const errors = [];
  tab.on('console', (message) => message.type() === 'error' && message.location().url.startsWith(DEMO.issuer) && errors.push(message.text()));
  await tab.goto(start);
  await picture(tab, `${title}-login`);
  const wide = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  claim(`${title}: the login page fits the window`, wide <= 0, String(wide));
  const link = await attempt(`${title}: Tab reaches the provider's link`, () => reach(tab, (here) => here.tagName === 'A' && here.text.includes('Hospital login')));
  claim(`${title}: and one sees that it has the focus`, link?.seen, link);
  await Promise.all([tab.waitForURL((url) => url.origin === issuer), tab.keyboard.press('Enter')]);
  await attempt(`${title}: signs in there`, async () => {
    await reach(tab, (here) => here.name === 'login');
    await tab.keyboard.type(person.sub);
    await tab.keyboard.press('Tab');
    await tab.keyboard.type('any');
    await Promise.all([tab.waitForNavigation(), tab.keyboard.press('Enter')]);
    if (new URL(tab.url()).origin === issuer) {
      await reach(tab, (here) => here.tagName === 'BUTTON');
      await Promise.all([tab.waitForURL((url) => url.origin !== issuer), tab.keyboard.press('Enter')]);
    }
  });
  await tab.waitForLoadState('load');
  await picture(tab, `${title}-consent`);
  claim(`${title}: the consent page names who they are`, (await tab.content()).includes(person.name), tab.url());
  const allow = await attempt(`${title}: Tab reaches the button that allows`, () => reach(tab, (here) => here.tagName === 'BUTTON' && /allow/i.test(here.text)));
  claim(`${title}: and one sees that it has the focus`, allow?.seen, allow);
  await Promise.all([tab.waitForURL(`${REGISTERED.callback}**`), tab.keyboard.press('Enter')]);
  const back = new URL(tab.url());
  claim(`${title}: the app gets its code`, back.searchParams.get('code') && back.searchParams.get('iss') === DEMO.issuer, back.href);
  claim(`${title}: nothing is complained of in the console`, errors.length === 0, errors);
  await context.close();
}

try {
  await behind(undefined, people);
  await byKeyboard('javascript', {});
  await byKeyboard('no javascript', { javaScriptEnabled: false });
  await byKeyboard('telephone', { viewport: { width: 360, height: 640 } });

  // Nobody knows that the provider is down until somebody asks it for its document.
  await down();
  await behind(undefined, people.replace('scope = "openid profile offline_access"', 'scope = "openid profile"'));
  const tab = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await tab.goto(start);
  claim('down: the house\'s own form still stands on the page', await tab.locator('#password').count() === 1);
  const answer = await tab.goto(`${DEMO.issuer}/oauth/federate?provider=hospital`);
  await picture(tab, 'down');
  claim('down: the provider\'s link says that it cannot be reached', answer.status() === 502 && /try again/i.test(await tab.content()), String(answer.status()));
  await up();
} finally {
  await browser.close();
  app.close();
  await closed();
}
end();
