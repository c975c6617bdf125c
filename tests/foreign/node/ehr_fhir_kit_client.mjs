// npm `fhir-kit-client`: every interaction that it has, on the embedded EHR.
import { CapabilityTool, Client } from 'fhir-kit-client';

import { EHR, attempt, claim, end, refused } from './claims.mjs';

const client = new Client({ baseUrl: EHR });
const statement = await attempt('reads the capability statement', () => client.capabilityStatement());
claim('its tool finds searching patients among the capabilities', new CapabilityTool(statement).resourceCan('Patient', 'search-type'));
const body = { resourceType: 'Patient', name: [{ family: 'Kit', given: ['Cy'] }], gender: 'male' };
const made = await attempt('creates', () => client.create({ resourceType: 'Patient', body }));
const read = await attempt('reads', () => client.read({ resourceType: 'Patient', id: made.id }));
claim('what was sent', read?.name[0].family === 'Kit');
const updated = await attempt('updates', () => client.update({ resourceType: 'Patient', id: made.id, body: { ...read, active: true } }));
claim('as a new version', updated?.meta.versionId !== made?.meta.versionId);
const patched = await attempt('patches', () =>
  client.patch({ resourceType: 'Patient', id: made.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }] }));
claim('that element', patched?.gender === 'other' && patched.active === true, patched);
const first = await attempt('reads the first version', () => client.vread({ resourceType: 'Patient', id: made.id, version: made.meta.versionId }));
claim('as it was', first?.gender === 'male' && first.active === undefined);
const history = await attempt('asks for its history', () => client.history({ resourceType: 'Patient', id: made.id }));
claim('three versions', history?.total === 3 || history?.entry?.length === 3, history?.total);
await attempt('for that of a type', () => client.typeHistory({ resourceType: 'Patient' }));
await attempt('for that of the system', () => client.systemHistory());
const conditional = await attempt('updates what a search finds', () =>
  client.update({ resourceType: 'Patient', searchParams: { family: 'Kit' }, body: { resourceType: 'Patient', name: [{ family: 'Kit' }], active: false } }));
claim('the same one', conditional?.id === made.id, conditional?.id);
await refused('a stale version is refused', () =>
  client.update({ resourceType: 'Patient', id: made.id, body: { ...read }, options: { headers: { 'If-Match': 'W/"1"' } } }),
  (error) => error.response?.status === 412);
await refused('what is not R4 is refused with an outcome', () =>
  client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', gender: 'perhaps' } }),
  (error) => error.response?.data?.resourceType === 'OperationOutcome' && [400, 422].includes(error.response.status));

let bundle = await attempt('searches', () => client.search({ resourceType: 'Observation', searchParams: { patient: 'p0001', _count: 20, _sort: '-date' } }));
const total = (await client.search({ resourceType: 'Observation', searchParams: { patient: 'p0001', _summary: 'count' } })).total;
const seen = new Set();
let pages = 0;
for (; bundle && pages < 200; pages += 1) {
  for (const entry of bundle.entry ?? []) seen.add(entry.resource.id);
  bundle = await client.nextPage({ bundle });
}
claim(`walks forward over ${pages} pages, each once`, seen.size === total && pages > 1, [seen.size, total]);
const compartment = await attempt('searches a compartment', () =>
  client.search({ resourceType: 'Condition', compartment: { resourceType: 'Patient', id: 'p0001' } }));
claim('finds conditions', (compartment?.entry?.length ?? 0) > 0);
await attempt('searches by post', () => client.resourceSearch({ resourceType: 'Patient', searchParams: { family: 'Kit' }, options: { postSearch: true } }));
const system = await attempt('searches the system', () => client.systemSearch({ searchParams: { _id: made.id, _type: 'Patient' } }));
claim('finds', system?.entry?.some((entry) => entry.resource.id === made.id), system);
const everything = await attempt('asks for everything of a patient', () =>
  client.operation({ name: 'everything', resourceType: 'Patient', id: 'p0001', method: 'GET' }));
claim('and gets it', (everything?.entry?.length ?? 0) > 10);
const validated = await attempt('validates', () => client.operation({ name: 'validate', resourceType: 'Patient', input: body }));
claim('and is told', validated?.resourceType === 'OperationOutcome', validated?.resourceType);
const resolved = await attempt('resolves a reference', () => client.resolve({ reference: 'Patient/p0001' }));
claim('to the resource', resolved?.id === 'p0001');
const bundleOf = (type, entry) => ({ resourceType: 'Bundle', type, entry });
const transaction = await attempt('makes a transaction with an internal reference', () => client.transaction({ body: bundleOf('transaction', [
  { fullUrl: 'urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9', resource: { resourceType: 'Patient', name: [{ family: 'Kitson' }] }, request: { method: 'POST', url: 'Patient' } },
  { resource: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9' } }, request: { method: 'POST', url: 'Observation' } },
]) }));
claim('both are there, one pointing to the other', transaction?.entry?.every((entry) => entry.response.status.startsWith('201')));
const found = await client.search({ resourceType: 'Observation', searchParams: { 'subject:Patient.family': 'Kitson' } });
claim('and found through the chain', found.entry?.length === 1, found.total);
await refused('one bad entry takes the whole back', () => client.transaction({ body: bundleOf('transaction', [
  { resource: { resourceType: 'Patient', name: [{ family: 'Halfway' }] }, request: { method: 'POST', url: 'Patient' } },
  { resource: { resourceType: 'Patient', gender: 'perhaps' }, request: { method: 'POST', url: 'Patient' } },
]) }));
claim('nothing of it is left', (await client.search({ resourceType: 'Patient', searchParams: { family: 'Halfway', _summary: 'count' } })).total === 0);
const batch = await attempt('makes a batch', () => client.batch({ body: bundleOf('batch', [
  { request: { method: 'GET', url: 'Patient/p0001' } }, { request: { method: 'GET', url: 'Patient/nobody' } },
]) }));
claim('each entry by itself', batch?.entry?.[0].response.status.startsWith('200') && batch.entry[1].response.status.startsWith('404'), batch?.entry?.map((entry) => entry.response?.status));
await attempt('deletes', () => client.delete({ resourceType: 'Patient', id: made.id }));
await refused('and it is gone', () => client.read({ resourceType: 'Patient', id: made.id }), (error) => error.response?.status === 410);
end();
