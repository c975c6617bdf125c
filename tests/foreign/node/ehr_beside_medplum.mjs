// npm `@medplum/fhir-router` with its in-memory repository, a FHIR server that nobody here wrote, beside the embedded EHR:
// the same data, the same operations, in one run. Claims what both must do; writes its part of docs/ehr.md if FOREIGN_DOCS is 1.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

import { EHR, claim, end } from './claims.mjs';

// The peer, in a process of its own; the callers are this one, and ours is a third.
const peer = spawn(process.execPath, [new URL('./peer_medplum.mjs', import.meta.url).pathname], { stdio: ['ignore', 'pipe', 'inherit'] });
const told = await new Promise((resolve, reject) => {
  let text = '';
  peer.stdout.on('data', (chunk) => { text += chunk; if (text.includes('\n')) resolve(JSON.parse(text.split('\n')[0])); });
  peer.on('exit', (code) => reject(new Error(`the peer ended with ${code}`)));
});
process.on('exit', () => peer.kill());
const { base: MEDPLUM, loaded, loadedIn, version } = told;

async function send(base, [method, path, body, headers = {}]) {
  const kind = path.includes('json-patch') ? 'application/json-patch+json' : 'application/fhir+json';
  const answer = await fetch(`${base}/${path.replace('#json-patch', '')}`, { method, headers: { 'content-type': kind, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : {} };
}
const ids = ({ body }) => (body.entry ?? []).filter((entry) => entry.search?.mode !== 'include' && entry.search?.mode !== 'outcome')
  .map((entry) => `${entry.resource?.resourceType}/${entry.resource?.id}`);
const short = (answer) => {
  const { body, status } = answer;
  if (body.resourceType === 'Bundle') return `${status}, ${body.entry?.length ?? 0} entries${body.total === undefined ? '' : `, total ${body.total}`}`;
  return `${status}${body.resourceType ? `, ${body.resourceType}` : ''}`;
};

// Operations: name, request, and what R4 asks of the answer.
const patient = (family, more = {}) => ({ resourceType: 'Patient', name: [{ family }], ...more });
const made = { ours: {}, theirs: {} };
for (const [who, base] of [['ours', EHR], ['theirs', MEDPLUM]]) {
  made[who].first = await send(base, ['POST', 'Patient', patient('Beside', { gender: 'male' })]);
  made[who].id = made[who].first.body.id;
}
const ok = ({ status }) => status >= 200 && status < 300;
const found = (answer) => ok(answer) && ids(answer).length > 0;
const all = [
  ['read', () => ['GET', 'Patient/p0001'], ok],
  ['read of nobody', () => ['GET', 'Patient/nobody'], ({ status }) => status === 404],
  ['update', (at) => ['PUT', `Patient/${at.id}`, { ...at.first.body, active: true }], ok],
  ['update with a stale If-Match', (at) => ['PUT', `Patient/${at.id}`, { ...at.first.body, active: false }, { 'if-match': 'W/"stale"' }], ({ status }) => status === 412],
  ['JSON Patch', (at) => ['PATCH', `Patient/${at.id}#json-patch`, [{ op: 'replace', path: '/gender', value: 'other' }]], ok],
  ['FHIRPath Patch', (at) => ['PATCH', `Patient/${at.id}`, { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [
    { name: 'type', valueCode: 'replace' }, { name: 'path', valueString: 'Patient.gender' }, { name: 'value', valueCode: 'unknown' }] }] }], ok],
  ['vread', (at) => ['GET', `Patient/${at.id}/_history/${at.first.body.meta.versionId}`], ok],
  ['history of a resource', (at) => ['GET', `Patient/${at.id}/_history`], found],
  ['history of a type', () => ['GET', 'Patient/_history?_count=5'], found],
  ['history of the system', () => ['GET', '_history?_count=5'], found],
  ['conditional create, one exists', () => ['POST', 'Patient', patient('Beside'), { 'if-none-exist': 'family=Beside' }], ({ status }) => status === 200],
  ['conditional update', () => ['PUT', 'Patient?family=Beside', patient('Beside')], ok],
  ['create of what is not R4', () => ['POST', 'Patient', patient('X', { gender: 'perhaps' })], ({ status }) => status === 400 || status === 422],
  ['create with an unknown element', () => ['POST', 'Patient', patient('X', { shoe: 1 })], ({ status }) => status === 400 || status === 422],
  ['$validate', () => ['POST', 'Patient/$validate', patient('X')], ok],
  ['search by token', () => ['GET', 'Observation?code=http://loinc.org|4548-4'], found],
  ['search by string', () => ['GET', 'Patient?family=vaster'], found],
  ['search by string, accents folded', () => ['GET', 'Patient?given=amelie'], found],
  ['search by date with prefixes', () => ['GET', 'Observation?date=ge2024-01-01&date=lt2025-01-01'], found],
  ['search by quantity', () => ['GET', 'Observation?value-quantity=gt5'], found],
  ['search by reference', () => ['GET', 'Observation?subject=Patient/p0001'], found],
  ['search by compartment', () => ['GET', 'Patient/p0001/Observation'], found],
  ['chained search', () => ['GET', 'Observation?subject:Patient.family=vaster'], found],
  ['reverse chained search (_has)', () => ['GET', 'Patient?_has:Observation:subject:code=4548-4'], found],
  ['composite search', () => ['GET', 'Observation?code-value-quantity=http://loinc.org|4548-4$gt5'], found],
  ['modifier :not', () => ['GET', 'Patient?gender:not=male'], (answer) => found(answer) && answer.body.entry.every((entry) => entry.resource?.gender !== 'male')],
  ['modifier :missing', () => ['GET', 'Patient?deceased:missing=true'], ok],
  ['modifier :exact', () => ['GET', 'Patient?family:exact=Vasterœuil'], found],
  ['modifier :contains', () => ['GET', 'Patient?family:contains=ster'], found],
  ['_include', () => ['GET', 'Encounter?_count=2&_include=Encounter:subject'], (answer) => ok(answer) && answer.body.entry?.some((entry) => entry.search?.mode === 'include')],
  ['_revinclude', () => ['GET', 'Patient?_id=p0001&_revinclude=Condition:subject'], (answer) => ok(answer) && answer.body.entry?.some((entry) => entry.search?.mode === 'include')],
  ['_sort', () => ['GET', 'Patient?_sort=-birthdate&_count=10'], (answer) => {
    const dates = (answer.body.entry ?? []).map((entry) => entry.resource?.birthDate);
    return found(answer) && dates.join() === [...dates].sort().reverse().join();
  }],
  ['_count and next link', () => ['GET', 'Observation?_count=5'], (answer) => answer.body.entry?.length === 5 && answer.body.link?.some((link) => link.relation === 'next')],
  ['_total=accurate', () => ['GET', 'Patient?_total=accurate&_count=1'], ({ body }) => body.total >= 30],
  ['_summary=count', () => ['GET', 'Patient?_summary=count'], ({ body }) => body.total >= 30 && !body.entry?.length],
  ['_elements', () => ['GET', 'Patient?_elements=birthDate&_count=1'], (answer) => found(answer) && answer.body.entry[0].resource.name === undefined],
  ['_summary=true', () => ['GET', 'Patient?_summary=true&_count=1'], (answer) => found(answer) && answer.body.entry[0].resource.meta?.tag?.some((tag) => tag.code === 'SUBSETTED')],
  ['_lastUpdated', () => ['GET', 'Patient?_lastUpdated=gt2020-01-01&_count=1'], found],
  ['_text (full text)', () => ['GET', 'Condition?_content=diabetes'], found],
  ['unknown parameter', () => ['GET', 'Patient?nonsense=1'], (answer) => answer.status === 400 || found(answer)],
  ['search by POST', () => ['POST', 'Patient/_search', undefined, { 'content-type': 'application/x-www-form-urlencoded' }], ok],
  ['transaction', () => ['POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
    { fullUrl: 'urn:uuid:7f6a9b34-3a5e-4f2a-9d5e-0e5f6a7b8c9d', resource: patient('Together'), request: { method: 'POST', url: 'Patient' } },
    { resource: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'urn:uuid:7f6a9b34-3a5e-4f2a-9d5e-0e5f6a7b8c9d' } }, request: { method: 'POST', url: 'Observation' } }] }], ok],
  ['transaction with a bad entry is taken back', () => ['POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
    { resource: patient('Halfway2'), request: { method: 'POST', url: 'Patient' } }, { resource: patient('X', { gender: 'perhaps' }), request: { method: 'POST', url: 'Patient' } }] }],
    async (answer, base) => !ok(answer) && ids(await send(base, ['GET', 'Patient?family=Halfway2'])).length === 0],
  ['batch', () => ['POST', '', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient/p0001' } }] }], ok],
  ['patient $everything', () => ['GET', 'Patient/p0001/$everything'], found],
  ['Bulk Data $export', () => ['GET', '$export', undefined, { accept: 'application/fhir+json', prefer: 'respond-async' }], ({ status }) => status === 202],
  ['capability statement', () => ['GET', 'metadata'], ({ body }) => body.resourceType === 'CapabilityStatement'],
  ['delete', (at) => ['DELETE', `Patient/${at.id}`], ok],
  ['read after delete', (at) => ['GET', `Patient/${at.id}`], ({ status }) => status === 410],
];
const rows = [];
const agree = { same: 0, differ: [] };
for (const [name, ask, holds] of all) {
  const said = {};
  for (const [who, base] of [['ours', EHR], ['theirs', MEDPLUM]]) {
    const answer = await send(base, ask(made[who]));
    said[who] = { answer, holds: await holds(answer, base) };
  }
  claim(`${name}: as R4 asks`, said.ours.holds, short(said.ours.answer));
  const path = ask(made.ours);
  if (path[0] === 'GET' && said.ours.holds && said.theirs.holds && path[1].includes('?') && !/_history|_count|_elements|_summary/.test(path[1])) {
    const [ours, theirs] = await Promise.all([[EHR, path], [MEDPLUM, path]].map(async ([base, [method, at]]) =>
      // What the writes of this run made has another id on each side.
      new Set(ids(await send(base, [method, `${at}&_count=1000`])).filter((id) => !/-.*-.*-.*-/.test(id)))));
    if (ours.size === theirs.size && [...ours].every((id) => theirs.has(id))) agree.same += 1;
    else agree.differ.push(`${name}: ${ours.size} and ${theirs.size}`);
  }
  const mark = ({ answer, holds }) => `${holds ? 'yes' : '**no**'} (${short(answer)})`;
  rows.push(`| ${name} | ${mark(said.ours)} | ${mark(said.theirs)} |`);
}
console.log(`     searches on which both find the same resources: ${agree.same}; otherwise: ${agree.differ.join('; ') || 'none'}`);

// Requests a second, on the same data, eight callers, each server alone.
const load = loadavg()[0].toFixed(1);
async function rate(base, asks, seconds = 4) {
  let done = 0;
  const until = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: 8 }, async (_, caller) => {
    for (let turn = caller; performance.now() < until; turn += 1) {
      const answer = await fetch(`${base}/${asks[turn % asks.length]}`);
      await answer.arrayBuffer();
      if (answer.ok) done += 1;
    }
  }));
  return Math.round(done / seconds);
}
const numbers = Array.from({ length: 30 }, (_, index) => `p${String(index + 1).padStart(4, '0')}`);
const rates = [];
for (const [name, asks] of [
  ['read of a patient', numbers.map((id) => `Patient/${id}`)],
  ['observations of a patient, page of 20', numbers.map((id) => `Observation?subject=Patient/${id}&_count=20`)],
  ['chained: observations by family name', ['Observation?subject:Patient.family=vaster&_count=20']],
  ['patients sorted by birth date', ['Patient?_sort=birthdate&_count=20']],
]) {
  const ours = await rate(EHR, asks);
  const theirs = await rate(MEDPLUM, asks);
  rates.push(`| ${name} | ${ours} | ${theirs} |`);
  console.log(`     ${name}: ours ${ours}/s, theirs ${theirs}/s`);
  claim(`${name}: served under load`, ours > 0);
}
if (process.env.FOREIGN_DOCS === '1') {
  const release = process.env.BASCULE.includes('/release/');
  const part = `Beside it stands \`@medplum/fhir-router\` ${version} with its in-memory repository, which nobody here wrote; it is made for tests of apps and
keeps nothing on a disk. Both hold the same synthetic hospital (${loaded} resources of 30 patients).
\`BASCULE_BINARY=target/release/bascule FOREIGN_DOCS=1 tests/foreign/run ehr_beside_medplum\` writes this part: every line is asked of both in one run.

"yes" means that the answer is what FHIR R4 asks for; in brackets what it was. An unknown search parameter may be ignored by R4; we refuse it
unless \`Prefer: handling=lenient\` is sent, because ignoring a narrowing shows more than was asked for.

| operation | embedded EHR | @medplum/fhir-router in memory |
|---|---|---|
${rows.join('\n')}

On ${agree.same} of the searches that both answer they find exactly the same resources${agree.differ.length ? `; they differ on ${agree.differ.join('; ')} (ours first)` : ''}.

Requests a second: eight callers in one Node process, four seconds a line, one server after the other, each server in a process of its own,
over HTTP on loopback, ${cpus().length} cores for all three (load of the machine at the beginning: ${load}); ${release ? 'a release build of ours' : 'a debug build of ours, without optimization'}.
Ours reads from SQLite on a disk, theirs from objects in memory.

| request | embedded EHR | @medplum/fhir-router in memory |
|---|---|---|
${rates.join('\n')}

The other one took ${loadedIn.toFixed(1)} s to take in the ${loaded} resources.
`;
  const [begin, finish] = ['<!-- compared: begin -->', '<!-- compared: end -->'];
  const page = readFileSync('docs/ehr.md', 'utf8');
  writeFileSync('docs/ehr.md', `${page.split(begin)[0]}${begin}\n${part}${finish}${page.split(finish)[1]}`);
}
peer.removeAllListeners('exit');
peer.kill();
end();
