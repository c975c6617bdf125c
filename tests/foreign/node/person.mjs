// A person at a browser without JavaScript: follows links, fills forms, until the app's own address comes.
import { DEMO } from './claims.mjs';

const PAGES_MAX = 12;
// The bridge slows down who signs in very often; whoever is told so waits as long as it says.
const TRIES_MAX = 5;
const unescaped = (text) =>
  text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
const attribute = (tag, name) => {
  const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`));
  return found ? unescaped(found[1]) : undefined;
};

function filled(form, login, password, patient) {
  const pairs = new URLSearchParams();
  let pressed = false;
  for (const [tag, kind] of form.matchAll(/<(input|button)\b[^>]*>/g)) {
    const name = attribute(tag, 'name');
    if (!name) continue;
    const type = attribute(tag, 'type') ?? 'text';
    const value = attribute(tag, 'value') ?? '';
    if (kind === 'button') {
      if (!pressed) pairs.append(name, value);
      pressed = true;
    } else if (type === 'password') pairs.append(name, password);
    else if (type === 'text') pairs.append(name, name === 'patient' ? patient : login);
    else if (type === 'checkbox' || type === 'radio') {
      if (/\schecked\b/.test(tag)) pairs.append(name, value);
    } else pairs.append(name, value);
  }
  return pairs;
}

/** The address of the app to which the pages lead in the end. */
export async function walk(login, address, until, patient = 'p0001') {
  const cookies = new Map();
  const { password } = DEMO.users[login];
  let [target, body] = [new URL(address), undefined];
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    if (body) headers.origin = target.origin;
    let answer = await fetch(target, { method: body ? 'POST' : 'GET', headers, body, redirect: 'manual' });
    for (let tries = 0; answer.status === 429 && tries < TRIES_MAX; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get('retry-after'))));
      answer = await fetch(target, { method: body ? 'POST' : 'GET', headers, body, redirect: 'manual' });
    }
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair] = cookie.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    if (answer.headers.has('location')) {
      target = new URL(answer.headers.get('location'), target);
      body = undefined;
      if (target.href.startsWith(until)) return target;
      continue;
    }
    const text = await answer.text();
    const form = text.match(/<form\b[^>]*>[\s\S]*?<\/form>/)?.[0];
    if (answer.status !== 200 || !form) throw new Error(`${answer.status} at ${target.pathname}: ${text.slice(-300)}`);
    body = filled(form, login, password, patient);
    target = new URL(attribute(form, 'action'), target);
  }
  throw new Error('the pages go round in a circle');
}
