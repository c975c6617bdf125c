// Signing in, letting an app in and taking access away again by keyboard alone, with JavaScript on and off; passkeys with a
// virtual authenticator: set up, used alone, used as second factor, refused when copied, when nobody confirms, and elsewhere.
import { readFileSync } from 'node:fs';
import { createHmac } from 'node:crypto';
import { chromium } from 'playwright-core';

const demo = JSON.parse(readFileSync(process.env.DEMO, 'utf8'));
const shots = process.env.SHOTS;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: flags });
let failures = 0;
const check = (holds, claim) => { console.log(`${holds ? 'ok  ' : 'FAIL'} ${claim}`); if (!holds) failures += 1; };
const shoot = (page, name) => page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

// What has the keyboard's attention, in words.
const attention = async (page) => {
  const focused = page.locator(':focus');
  if (await focused.count() === 0) return 'nothing';
  return focused.evaluate((element) => element.id || (element.tagName === 'INPUT' && element.name) || element.textContent.trim().slice(0, 40)).catch(() => 'unknown');
};
// Presses Tab until what `wanted` matches has it; without scripts Playwright still reads the page for us.
async function tabTo(page, wanted, seen = []) {
  for (let presses = 0; presses < 60; presses += 1) {
    const now = await attention(page);
    seen.push(now);
    if (wanted.test(now)) return true;
    await page.keyboard.press('Tab');
  }
  return false;
}

for (const javaScriptEnabled of [false, true]) {
  const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled, viewport: { width: 1000, height: 900 } });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  await page.goto(demo.portal);
  check(await tabTo(page, /sign in/i), `${how}: the keyboard reaches the way in`);
  await page.keyboard.press('Enter');
  await page.locator('#password').waitFor();
  check(await attention(page) === 'login', `${how}: the user name has the keyboard at once`);
  await page.keyboard.type('amelie');
  await page.keyboard.press('Tab');
  check(await attention(page) === 'password', `${how}: then the password`);
  await page.keyboard.type(demo.users.amelie.password);
  await page.keyboard.press('Tab');
  check(/^Sign in$/.test(await attention(page)), `${how}: then the button`);
  await shoot(page, `keyboard-sign-in${javaScriptEnabled ? '' : '-no-js'}`);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /^allow$/i }).waitFor();
  const order = [];
  const first = page.locator('input[type=checkbox]').first();
  check(await tabTo(page, new RegExp(`^${await first.getAttribute('name')}$`), order), `${how}: the first tick can be reached`);
  const ring = await page.locator(':focus').evaluate((element) => getComputedStyle(element).outlineStyle);
  check(ring !== 'none', `${how}: what has the keyboard is marked`);
  const before = await page.locator(':focus').isChecked();
  await page.keyboard.press('Space');
  check(await page.locator(':focus').isChecked() !== before, `${how}: a line is taken out with the space bar`);
  await page.keyboard.press('Space');
  await shoot(page, `keyboard-consent${javaScriptEnabled ? '' : '-no-js'}`);
  check(await tabTo(page, /^Allow$/), `${how}: Allow can be reached`);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.href.startsWith(demo.portal));
  check(/Am[ée]lie/.test(await page.locator('body').innerText()), `${how}: the app is let in`);
  await page.getByRole('link', { name: /results/i }).first().click();
  await page.waitForLoadState('load');
  const results = page.url();
  check(/A1c|HbA1c/i.test(await page.locator('body').innerText()), `${how}: it shows results`);

  await page.goto(`${demo.issuer}/oauth/apps`);
  check(/Apps with access/.test(await page.locator('h1').innerText()), `${how}: the person sees who has access`);
  await shoot(page, `apps${javaScriptEnabled ? '' : '-no-js'}`);
  check(await tabTo(page, /^End access of/), `${how}: ending access can be reached`);
  await page.keyboard.press('Enter');
  await page.waitForLoadState('load');
  check(/No app has access/.test(await page.locator('main').innerText()), `${how}: access has ended`);
  await page.goto(results);
  await page.waitForLoadState('load');
  const shown = await page.locator('body').innerText();
  check(!/A1c|HbA1c/i.test(shown), `${how}: the app sees nothing on the next request`);
  check(errors.filter((text) => !/401|403/.test(text)).length === 0, `${how}: no error in the console${errors.length ? `: ${errors[0]}` : ''}`);
  for (const path of ['account', 'link', 'apps', 'login']) {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`${demo.issuer}/oauth/${path}`);
    await shoot(page, `phone-${path}`);
    const wide = javaScriptEnabled && await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(!(wide > 0), `${how}: ${path} fits a telephone`);
  }
  await context.close();
}

// Passkeys.
const person = Object.keys(demo.users).find((name) => demo.users[name].role === 'physician');
const { password } = demo.users[person];

async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  } });
  return { cdp, authenticatorId };
}
const open = (options = {}) => browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1000, height: 900 }, ...options });
async function withPassword(page, path = 'account') {
  await page.goto(`${demo.issuer}/oauth/${path}`);
  await page.locator('#login').fill(person);
  await page.locator('#password').fill(password);
  await page.locator('#password').press('Enter');
}
const heading = (page) => page.locator('h1').innerText();
async function byPasskeyAlone(page) {
  await page.goto(`${demo.issuer}/oauth/account`);
  await page.getByRole('button', { name: 'Use a passkey instead' }).click();
}
const settled = (page, text) => page.locator('main').getByText(text).first().waitFor({ timeout: 10_000 }).then(() => true, () => false);

{
  const context = await open();
  const page = await context.newPage();
  const device = await authenticator(page);
  await withPassword(page);
  await settled(page, 'How you sign in');
  await shoot(page, 'account');
  await page.locator('#name').fill('My telephone');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('button', { name: 'Make the passkey' }).waitFor();
  await shoot(page, 'passkey-new');
  await page.getByRole('button', { name: 'Make the passkey' }).click();
  check(await settled(page, 'Since'), 'a passkey is set up');
  await shoot(page, 'account-with-passkey');

  const elsewhere = await context.newPage();
  await context.clearCookies();
  await byPasskeyAlone(page);
  check(await settled(page, 'How you sign in'), 'a passkey alone signs in, without a user name');
  const { credentials: [used] } = await device.cdp.send('WebAuthn.getCredentials', { authenticatorId: device.authenticatorId });
  check(used.signCount > 1, `the authenticator counts (${used.signCount})`);

  await context.clearCookies();
  await withPassword(page);
  check(await settled(page, 'One more step'), 'after the password the passkey is asked for as second factor');
  await shoot(page, 'second-factor');
  await page.getByRole('button', { name: 'Use your passkey' }).click();
  check(await settled(page, 'How you sign in'), 'and it is enough');

  await context.clearCookies();
  await device.cdp.send('WebAuthn.setUserVerified', { authenticatorId: device.authenticatorId, isUserVerified: false });
  await byPasskeyAlone(page);
  await page.getByText('That did not work').waitFor();
  check(await heading(page) === 'Use your passkey', 'a device that nobody confirms signs nobody in');
  await shoot(page, 'passkey-unconfirmed');
  await device.cdp.send('WebAuthn.setUserVerified', { authenticatorId: device.authenticatorId, isUserVerified: true });

  // The answer to one question is worth nothing for the next.
  await byPasskeyAlone(page);
  await settled(page, 'How you sign in');
  const { credentials: [now] } = await device.cdp.send('WebAuthn.getCredentials', { authenticatorId: device.authenticatorId });
  await context.clearCookies();
  await device.cdp.send('WebAuthn.removeCredential', { authenticatorId: device.authenticatorId, credentialId: now.credentialId });
  await device.cdp.send('WebAuthn.addCredential', { authenticatorId: device.authenticatorId, credential: { ...now, signCount: 1 } });
  await byPasskeyAlone(page);
  check(await settled(page, 'This passkey is not accepted here'), 'a copy whose counter ran backwards is refused');
  await shoot(page, 'passkey-copied');
  await device.cdp.send('WebAuthn.removeCredential', { authenticatorId: device.authenticatorId, credentialId: now.credentialId });
  await device.cdp.send('WebAuthn.addCredential', { authenticatorId: device.authenticatorId, credential: { ...now, signCount: 900 } });
  await byPasskeyAlone(page);
  check(await settled(page, 'This passkey is not accepted here'), 'and from then on the key itself is refused');
  await withPassword(page);
  check(await settled(page, 'Blocked: there may be a copy'), 'the person is told');
  await page.getByRole('button', { name: 'Remove My telephone' }).click();
  await page.waitForLoadState('load');
  check(!/Blocked/.test(await page.locator('main').innerText()), 'and removes it');
  await elsewhere.close();
  await context.close();
}

{
  const context = await open({ javaScriptEnabled: false });
  const page = await context.newPage();
  await byPasskeyAlone(page);
  check(await settled(page, 'Passkeys need JavaScript'), 'without JavaScript a passkey is said to need it');
  await withPassword(page);
  await page.getByRole('button', { name: 'Set up one-time passwords' }).click();
  await shoot(page, 'one-time-passwords-no-js');
  const letters = (await page.locator('code').innerText()).replace(/ /g, '');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...letters].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const digits = (step) => {
    const moment = Buffer.alloc(8);
    moment.writeBigUInt64BE(BigInt(step));
    const mac = createHmac('sha1', secret).update(moment).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
  };
  const step = () => Math.floor(Date.now() / 30_000);
  const used = step();
  await page.locator('#otp').fill(digits(used));
  await page.locator('#otp').press('Enter');
  check(await settled(page, 'Set up in your authenticator app'), 'without JavaScript one-time passwords are set up');
  await context.clearCookies();
  await withPassword(page);
  await page.locator('#otp').fill(digits(used));
  await page.locator('#otp').press('Enter');
  check(await settled(page, 'not right, or were used'), 'the same digits do not work twice');
  await page.locator('#otp').fill(digits(used + 1));
  await page.locator('#otp').press('Enter');
  check(await settled(page, 'How you sign in'), 'the next ones do');
  await page.getByRole('button', { name: 'Remove one-time passwords' }).click();
  check(await settled(page, 'Not set up.'), 'and a session that showed them takes them away again');
  await context.close();
}

await browser.close();
console.log(failures === 0 ? 'people: all held' : `people: ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
